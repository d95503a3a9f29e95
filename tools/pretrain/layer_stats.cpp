#include "tools/pretrain/layer_stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ballast {
namespace {

constexpr const char* kMatrixNames[] = {"qkv", "proj", "fc1", "fc2"};
constexpr int64_t kQueries = 16;

// -sum p log p of the softmax over scores.
double entropy_of(const std::vector<double>& scores) {
  const double top = *std::ranges::max_element(scores);
  double sum = 0, weighted = 0;
  for (const double score : scores) {
    const double e = std::exp(score - top);
    sum += e;
    weighted += e * (score - top);
  }
  return std::log(sum) - weighted / sum;
}

}  // namespace

LayerStats::LayerStats(Backend& backend, Arena& arena, const ModelConfig& config,
                       int64_t micro_batch, int64_t seq_len)
    : backend_(backend), layers_(config.num_hidden_layers), seq_len_(seq_len) {
  const Types types = types_of(backend);
  sums_ = arena.take(Dtype::f64, layers_ * kRows, kStatsCols);
  max_logit_ = arena.take(types.statistic, layers_, config.num_attention_heads);
  branch_ = arena.take(types.activation, micro_batch * seq_len, config.hidden_size);
  first_ = arena.take(Dtype::f32, seq_len, config.q_rows() + 2 * config.kv_rows());
  elements_.resize(static_cast<size_t>(layers_ * kRows));
  entropy_.resize(static_cast<size_t>(layers_));
}

void LayerStats::add(int64_t layer, int64_t row, const Tensor& x) {
  const int64_t at = layer * kRows + row;
  elements_[static_cast<size_t>(at)] = x.elements();
  backend_.stats(rows_of(sums_, at, 1), x);
}

// The model adds a branch into the residual stream at once, unless something stands in between; its
// output is the difference.
void LayerStats::branch_output(int64_t layer, BlockMatrix matrix, const SavedBranch& branch,
                               const Tensor& out, const Tensor& residual) {
  if (!branch.z.empty()) {
    add(layer, kOutput + static_cast<int64_t>(matrix), branch.z);
    return;
  }
  const Tensor& sum = branch.sum.empty() ? out : branch.sum;
  backend_.scale(branch_, residual, -1.0f);
  backend_.add(branch_, branch_, sum);
  add(layer, kOutput + static_cast<int64_t>(matrix), branch_);
}

void LayerStats::after_forward(const BlockContext& c, const Saved& s, const Tensor& out) {
  const int64_t l = c.layer;
  for (size_t m = 0; m < c.weights.size(); ++m)
    add(l, kWeight + static_cast<int64_t>(m), c.weights[m]);
  add(l, kResidual, s.x);
  add(l, kInput + static_cast<int64_t>(BlockMatrix::qkv), s.y1);
  add(l, kOutput + static_cast<int64_t>(BlockMatrix::qkv),
      s.projected.empty() ? s.qkv : s.projected);
  add(l, kInput + static_cast<int64_t>(BlockMatrix::proj), s.o);
  branch_output(l, BlockMatrix::proj, s.proj, s.mid, s.x);
  add(l, kInput + static_cast<int64_t>(BlockMatrix::fc1), s.y2);
  add(l, kOutput + static_cast<int64_t>(BlockMatrix::fc1), s.fc1);
  add(l, kInput + static_cast<int64_t>(BlockMatrix::fc2), s.act);
  branch_output(l, BlockMatrix::fc2, s.fc2, out, s.mid);
  backend_.scale(rows_of(max_logit_, l, 1), c.max_logit, 1.0f);
  entropy_[static_cast<size_t>(l)] = smallest_entropy(c, s.qkv);
}

void LayerStats::input_gradient(const BlockContext& c, BlockMatrix matrix, const Tensor& dx) {
  add(c.layer, kGradient + static_cast<int64_t>(matrix), dx);
}

double LayerStats::smallest_entropy(const BlockContext& c, const Tensor& qkv) {
  const AttentionShape& shape = c.shape;
  const int64_t cols = shape.qkv_cols(), d = shape.head_dim;
  qkv_.resize(static_cast<size_t>(seq_len_ * cols));
  doc_start_.resize(static_cast<size_t>(seq_len_));
  backend_.cast(first_, rows_of(qkv, 0, seq_len_));  // which may be bf16, or have gaps between rows
  backend_.copy_out(qkv_.data(), first_.data, seq_len_ * cols * 4, StreamId::compute);
  backend_.copy_out(doc_start_.data(), c.doc_start.data, seq_len_ * 4, StreamId::compute);
  backend_.synchronize(backend_.record(StreamId::compute));
  const auto scale = static_cast<double>(c.policy.scale), cap = static_cast<double>(c.policy.cap);
  double smallest = std::numeric_limits<double>::infinity();
  std::vector<double> scores;
  for (int64_t head = 0; head < shape.heads; ++head) {
    const int64_t kv_head = head / (shape.heads / shape.kv_heads);
    double sum = 0;
    int64_t queries = 0;
    for (int64_t i = 1; i <= kQueries; ++i) {
      const int64_t t = i * seq_len_ / kQueries - 1;
      if (t < 0 || t == doc_start_[static_cast<size_t>(t)]) continue;
      const float* q = qkv_.data() + t * cols + head * d;
      scores.clear();
      for (int64_t j = doc_start_[static_cast<size_t>(t)]; j <= t; ++j) {
        const float* k = qkv_.data() + j * cols + shape.q_cols() + kv_head * d;
        float dot = 0;
        for (int64_t n = 0; n < d; ++n) dot += q[n] * k[n];
        const double score = scale * static_cast<double>(dot);
        scores.push_back(cap > 0 ? cap * std::tanh(score / cap) : score);
      }
      sum += entropy_of(scores);
      ++queries;
    }
    if (queries > 0) smallest = std::min(smallest, sum / static_cast<double>(queries));
  }
  return std::isinf(smallest) ? std::numeric_limits<double>::quiet_NaN() : smallest;
}

Json LayerStats::collect() {
  std::vector<double> sums(static_cast<size_t>(sums_.elements()));
  backend_.copy_out(sums.data(), sums_.data, sums_.elements() * 8, StreamId::compute);
  backend_.synchronize(backend_.record(StreamId::compute));
  const auto column = [&](int64_t row, auto value) {
    Json values = Json::array();
    for (int64_t l = 0; l < layers_; ++l) {
      const auto at = static_cast<size_t>(l * kRows + row);
      values.push_back(json_number(value(sums.data() + at * kStatsCols, elements_[at])));
    }
    return values;
  };
  const auto norm = [](const double* s, int64_t) {
    return s[3] > 0 ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(s[0]);
  };
  const auto amax = [](const double* s, int64_t) { return s[2]; };
  const auto kurtosis = [](const double* s, int64_t n) {
    return s[0] > 0 ? (static_cast<double>(n) - s[3]) * s[1] / (s[0] * s[0]) : 0.0;
  };
  Json json = Json::object();
  for (int64_t m = 0; m < 4; ++m) {
    const std::string name = kMatrixNames[m];
    json[name + "_weight"] = column(kWeight + m, norm);
    json[name + "_input"] = column(kInput + m, norm);
    json[name + "_output"] = column(kOutput + m, norm);
    json[name + "_input_grad"] = column(kGradient + m, norm);
    json[name + "_input_amax"] = column(kInput + m, amax);
    json[name + "_input_kurtosis"] = column(kInput + m, kurtosis);
  }
  json["residual"] = column(kResidual, norm);
  json["residual_amax"] = column(kResidual, amax);
  json["residual_kurtosis"] = column(kResidual, kurtosis);
  std::vector<float> logits(static_cast<size_t>(max_logit_.elements()));
  backend_.copy_out(logits.data(), max_logit_.data, max_logit_.elements() * 4, StreamId::compute);
  backend_.synchronize(backend_.record(StreamId::compute));
  json["attn_logit_max"] = Json::array();
  json["attn_entropy_min"] = Json::array();
  for (int64_t l = 0; l < layers_; ++l) {
    const auto begin = logits.begin() + l * max_logit_.cols;
    json["attn_logit_max"].push_back(
        json_number(static_cast<double>(*std::max_element(begin, begin + max_logit_.cols))));
    json["attn_entropy_min"].push_back(json_number(entropy_[static_cast<size_t>(l)]));
  }
  return json;
}

}  // namespace ballast
