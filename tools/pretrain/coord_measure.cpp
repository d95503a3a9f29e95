// The measuring half of the coordinate check: small trainings with a probe in every block.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/rng.h"
#include "libcore/model/model.h"
#include "tools/pretrain/coord_check.h"

namespace ballast {
namespace {

double mean_abs(Backend& backend, const Tensor& t, int64_t cols) {
  double sum = 0;
  std::vector<float> row(static_cast<size_t>(cols));
  for (int64_t r = 0; r < t.rows; ++r) {
    backend.copy_out(row.data(), t.row<float>(r), cols * 4, StreamId::compute);
    backend.synchronize(backend.record(StreamId::compute));
    for (const float value : row) sum += std::abs(static_cast<double>(value));
  }
  return sum / static_cast<double>(t.rows * cols);
}

// Writes down the outputs of every block's modules.
class Recorder final : public BlockProbe {
 public:
  Recorder(std::vector<CoordPoint>& points, CoordPoint at) : points_(points), at_(std::move(at)) {}
  void after_forward(const BlockContext& c, const Saved& s, const Tensor& out) override {
    at_.layer = c.layer;
    note(c.backend, "qkv", s.qkv);
    note(c.backend, "attention", s.o);
    note(c.backend, "mid", s.mid);
    note(c.backend, "fc1", s.fc1);
    note(c.backend, "mlp", s.act);
    note(c.backend, "out", out);
  }
  void input_gradient(const BlockContext&, BlockMatrix, const Tensor&) override {}

 private:
  void note(Backend& backend, const char* module, const Tensor& t) {
    at_.module = module;
    at_.mean_abs = mean_abs(backend, t, t.cols);
    points_.push_back(at_);
  }
  std::vector<CoordPoint>& points_;
  CoordPoint at_;
};

struct Buffers {
  Tensor params, grads, m, v, tokens, labels, weight, doc_start, loss_rows, lse_rows, logits;
};

Buffers carve(Arena& arena, const ModelConfig& model, int64_t flat_size, const ModelShape& shape) {
  const int64_t rows = shape.micro_batch * shape.seq_len;
  Buffers b;
  for (Tensor* flat : {&b.params, &b.grads, &b.m, &b.v})
    *flat = arena.take(Dtype::f32, 1, flat_size);
  b.tokens = arena.take(Dtype::i32, 1, rows);
  b.labels = arena.take(Dtype::i32, 1, rows);
  b.weight = arena.take(Dtype::f32, 1, rows);
  b.doc_start = arena.take(Dtype::i32, shape.micro_batch, shape.seq_len);
  b.loss_rows = arena.take(Dtype::f32, 1, rows);
  b.lse_rows = arena.take(Dtype::f32, 1, rows);
  b.logits = arena.take(Dtype::f32, rows, model.padded_vocab());
  return b;
}

// One batch for all steps and widths: text made of few tokens, so that there is something to learn.
void fill_batch(Backend& backend, const Buffers& b, int64_t vocab, int64_t seed) {
  const int64_t rows = b.tokens.cols;
  std::vector<int32_t> text(static_cast<size_t>(rows + 1));
  const uint64_t kinds = std::min<uint64_t>(32, static_cast<uint64_t>(vocab));
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<int32_t>(random_u64(static_cast<uint64_t>(seed), 11, i) % kinds);
  const std::vector<float> weight(static_cast<size_t>(rows), 1.0f / static_cast<float>(rows));
  backend.copy_in(b.tokens.data, text.data(), rows * 4, StreamId::compute);
  backend.copy_in(b.labels.data, text.data() + 1, rows * 4, StreamId::compute);
  backend.copy_in(b.weight.data, weight.data(), rows * 4, StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
  backend.zero(b.doc_start.data, rows * 4);
}

void update(Backend& backend, const Buffers& b, const std::vector<OptimizerRange>& ranges,
            double lr, int64_t t) {
  OptimizerStep step;
  step.param = b.params;
  step.grad = b.grads;
  step.m = b.m;
  step.v = b.v;
  step.ranges = ranges;
  step.lr = lr;
  step.weight_decay = 0;
  step.t = t;
  backend.optimizer_step(step);
}

void measure_one(Backend& backend, const ModelConfig& config, const CoordSettings& settings,
                 int64_t seed, std::vector<CoordPoint>& points) {
  const ParamTable table = make_param_table(config);
  const std::vector<OptimizerRange> ranges = table.optimizer_ranges();
  const ModelShape shape = {settings.sequences, settings.seq_len, Recompute::none, true};
  Arena plan;
  carve(plan, config, table.flat_size, shape);
  Model(backend, plan, config, table, shape);
  Arena arena(backend, plan.peak_bytes());
  const Buffers b = carve(arena, config, table.flat_size, shape);
  Model model(backend, arena, config, table, shape);
  std::vector<float> flat(static_cast<size_t>(table.flat_size));
  initialise_parameters(table, static_cast<uint64_t>(seed), flat.data());
  backend.copy_in(b.params.data, flat.data(), table.flat_size * 4, StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
  for (const Tensor* moment : {&b.m, &b.v}) backend.zero(moment->data, table.flat_size * 4);
  fill_batch(backend, b, config.vocab_size, seed);
  model.bind(b.params, b.grads);
  model.prepare_weights();
  const MicroBatch batch = {b.tokens, b.labels, b.weight, b.doc_start};
  for (int64_t t = 1; t <= settings.steps; ++t) {
    const CoordPoint at = {config.hidden_size, seed, t, -1, "logits", 0};
    model.logits(batch, b.logits);
    points.push_back(at);
    points.back().mean_abs = mean_abs(backend, b.logits, config.vocab_size);
    Recorder recorder(points, at);
    model.watch(&recorder);
    backend.zero(b.grads.data, table.flat_size * 4);
    model.forward_backward(batch, b.loss_rows, b.lse_rows, 0.0f);
    model.watch(nullptr);
    update(backend, b, ranges, settings.lr, t);
    model.after_update();
  }
}

}  // namespace

Result<ModelConfig> at_width(const ModelConfig& model, int64_t width) {
  ModelConfig c = model;
  bool whole = true;
  const auto scaled = [&](int64_t base) {
    whole &= base * width % model.hidden_size == 0 && base * width >= model.hidden_size;
    return base * width / model.hidden_size;
  };
  c.hidden_size = width;
  c.intermediate_size = scaled(model.intermediate_size);
  c.num_attention_heads = scaled(model.num_attention_heads);
  c.num_key_value_heads = scaled(model.num_key_value_heads);
  if (whole) return c;
  return usage_error(fmt::format("width {} does not fit the model", width), "--widths",
                     fmt::format("{} heads, {} key-value heads and {} rows of the MLP have to "
                                 "scale to whole numbers from width {}",
                                 model.num_attention_heads, model.num_key_value_heads,
                                 model.intermediate_size, model.hidden_size));
}

Result<std::vector<CoordPoint>> measure_coordinates(Backend& backend, const ModelConfig& model,
                                                    const CoordSettings& settings) {
  std::vector<ModelConfig> configs;
  for (const int64_t width : settings.widths)
    configs.push_back(BALLAST_TRY(at_width(model, width)));
  std::vector<CoordPoint> points;
  for (const ModelConfig& config : configs) {
    for (int64_t seed = 0; seed < settings.seeds; ++seed)
      measure_one(backend, config, settings, seed, points);
  }
  return points;
}

}  // namespace ballast
