#include "libcore/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace ballast {
namespace {

// About 16 MiB of logits at a time: the gradient of the head is read and written once per chunk, so
// short chunks wait for memory (that product at 128 rows has 4/5 of its rate at 512).
int64_t rows_per_chunk(int64_t rows, int64_t padded_vocab) {
  const int64_t wanted = std::max<int64_t>(64, (int64_t{1} << 22) / padded_vocab);
  return std::min(rows, wanted);
}

}  // namespace

Model::Model(Backend& backend, Arena& arena, const ModelConfig& config, const ParamTable& table,
             const ModelShape& shape)
    : backend_(backend),
      config_(config),
      table_(table),
      shape_(shape),
      types_(types_of(backend)),
      rows_(shape.micro_batch * shape.seq_len) {
  const auto part = [&](const std::string& stored) {
    return table.stored_named(stored).flat_begin;
  };
  embed_part_ = part("embed");
  head_part_ = part(config.tie_word_embeddings ? "embed" : "head");
  for (int64_t l = 0; l < config.num_hidden_layers; ++l)
    block_parts_.push_back(part(fmt::format("layers.{}.qkv", l)));
  chunk_rows_ = rows_per_chunk(rows_, config.padded_vocab());
  const Recompute level = shape.training ? shape.recompute : Recompute::block;
  const Saved shared = take_shared(arena, config, types_, rows_, level);
  const int64_t kept = shape.training ? config.num_hidden_layers : 2;
  for (int64_t i = 0; i < kept; ++i)
    saved_.push_back(take_saved(arena, shared, config, types_, rows_, level));
  x_last_ = arena.take_activations(types_.activation, rows_, config.hidden_size);
  y_last_ = arena.take_activations(types_.activation, rows_, config.hidden_size);
  last_.rstd = arena.take(types_.statistic, 1, rows_);
  if (config.switches.norm == NormKind::layer) last_.mean = arena.take(types_.statistic, 1, rows_);
  logits_ = arena.take_activations(types_.activation, chunk_rows_, config.padded_vocab());
  cos_ = arena.take(types_.statistic, shape.seq_len, config.head_dim / 2);
  sin_ = arena.take(types_.statistic, shape.seq_len, config.head_dim / 2);
  if (shape.training) {
    scratch_ = take_scratch(arena, config, types_, rows_);
    dx_ = arena.take_activations(types_.activation, rows_, config.hidden_size);
  }
  max_logit_ = arena.take(types_.statistic, 1, config.num_attention_heads);
  if (config.switches.sigma_reparam)
    sigma_.emplace(arena, config, table, types_, shape.training, shape.resident);
  if (!arena.counting()) fill_rope_tables();
}

namespace {

template <class T>
void copy_table(Backend& backend, const Tensor& to, const std::vector<double>& values) {
  const std::vector<T> typed(values.begin(), values.end());
  backend.copy_in(to.data, typed.data(), static_cast<int64_t>(typed.size() * sizeof(T)),
                  StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));  // `typed` ends here
}

}  // namespace

void Model::fill_rope_tables() {
  const int64_t half = config_.head_dim / 2;
  std::vector<double> cosines, sines;
  for (int64_t t = 0; t < shape_.seq_len; ++t) {
    for (int64_t j = 0; j < half; ++j) {
      const double frequency = config_.rope_frequency(j);
      cosines.push_back(std::cos(static_cast<double>(t) * frequency));
      sines.push_back(std::sin(static_cast<double>(t) * frequency));
    }
  }
  const auto copy = types_.statistic == Dtype::f64 ? copy_table<double> : copy_table<float>;
  copy(backend_, cos_, cosines);
  copy(backend_, sin_, sines);
}

NormParams Model::norm_params(const FlatPlaces& flat, const std::string& name) const {
  return {table_.view(flat, name), table_.view(flat, name + ".bias")};
}

BlockParams Model::block_params(const FlatPlaces& flat, int64_t layer) const {
  const std::string at = fmt::format("layers.{}.", layer);
  const auto view = [&](const char* name) { return table_.view(flat, at + name); };
  const auto norm = [&](const char* name) { return norm_params(flat, at + name); };
  const bool pre = config_.switches.placement == NormPlacement::pre;
  BlockParams p;
  p.qkv = view("qkv");
  p.q_norm = norm("q_norm");
  p.k_norm = norm("k_norm");
  p.v_norm = norm("v_norm");
  p.proj = {view("proj"), norm("proj_norm"), view("proj_scale"), {}};
  p.fc1 = view("fc1");
  p.act = view("act");
  p.fc2 = {view("fc2"), norm("fc2_norm"), view("fc2_scale"), {}};
  (pre ? p.attention_norm : p.proj.after) = norm("attention_norm");
  (pre ? p.mlp_norm : p.fc2.after) = norm("mlp_norm");
  return p;
}

void Model::bind(const FlatPlaces& params, const FlatPlaces& grads) {
  const std::string head = config_.tie_word_embeddings ? "embed" : "head";
  has_gradients_ = !grads.empty();
  embed_ = table_.view(params, "embed");
  norm_ = norm_params(params, "norm");
  head_ = table_.view(params, head);
  dembed_ = table_.view(grads, "embed");
  dnorm_ = norm_params(grads, "norm");
  dhead_ = table_.view(grads, head);
  blocks_.clear();
  dblocks_.clear();
  for (int64_t l = 0; l < config_.num_hidden_layers; ++l) {
    blocks_.push_back(block_params(params, l));
    dblocks_.push_back(block_params(grads, l));
  }
  stored_.clear();
  for (const BlockParams& w : blocks_)
    stored_.push_back({w.qkv, w.proj.matrix, w.fc1, w.fc2.matrix});
  if (sigma_) sigma_->bind(table_, params, grads, blocks_, dblocks_);
}

void Model::prepare_weights() {
  if (stores_.weights != nullptr) stores_.weights->changed();
  prepare_all();
}

// From the top down: the next forward pass begins with what then stands.
void Model::after_update() {
  if (stores_.weights != nullptr) stores_.weights->changed();
  for (size_t l = blocks_.size(); sigma_ && l-- > 0;) {
    if (stores_.weights != nullptr) stores_.weights->want(block_parts_[l]);
    sigma_->iterate(backend_, l);
  }
  prepare_all();
}

// Where weights come and go, this only makes room for their copies.
void Model::prepare_all() {
  head_content_ = 0;
  block_contents_.assign(blocks_.size(), 0);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    if (sigma_ && shape_.resident) sigma_->scale(backend_, l);
    prepare_block(l);
  }
  backend_.prepare(head_);
}

void Model::prepare_block(size_t layer) {
  const BlockParams& w = blocks_[layer];
  for (const Tensor* matrix : {&w.qkv, &w.proj.matrix, &w.fc1, &w.fc2.matrix})
    backend_.prepare(*matrix);
}

bool Model::comes_new(int64_t part, int64_t& known) {
  if (stores_.weights == nullptr) return false;
  const int64_t content = stores_.weights->want(part);
  return std::exchange(known, content) != content;
}

void Model::want_embedding() {
  if (stores_.weights != nullptr) stores_.weights->want(embed_part_);
}

void Model::want_head() {
  if (comes_new(head_part_, head_content_)) backend_.prepare(head_);
}

void Model::want_block(size_t layer) {
  const bool fresh = comes_new(block_parts_[layer], block_contents_[layer]);
  const bool scaled = !sigma_ || sigma_->scaled(layer);
  if (!fresh && scaled) return;
  if (sigma_) sigma_->scale(backend_, layer);
  prepare_block(layer);
}

BlockContext Model::context(const MicroBatch& batch, int64_t layer) {
  const AttentionShape shape = {shape_.micro_batch, shape_.seq_len, config_.num_attention_heads,
                                config_.num_key_value_heads, config_.head_dim};
  const ScorePolicy policy = {.scale = static_cast<float>(config_.score_scale()),
                              .cap = static_cast<float>(config_.switches.soft_cap)};
  return {.backend = backend_,
          .config = config_,
          .shape = shape,
          .policy = policy,
          .cos = cos_,
          .sin = sin_,
          .doc_start = batch.doc_start,
          .max_logit = probe_ == nullptr ? Tensor{} : max_logit_,
          .probe = probe_,
          .layer = layer,
          .weights = layer < 0 ? BlockMatrices() : stored_[static_cast<size_t>(layer)]};
}

// The residual stream enters block l in saved_[l].x and leaves the last one in x_last_.
void Model::run_blocks(const MicroBatch& batch) {
  const auto layers = static_cast<size_t>(config_.num_hidden_layers);
  want_embedding();
  backend_.embed(saved_[0].x, embed_, batch.tokens);
  for (size_t l = 0; l < layers; ++l) {
    Saved& s = saved_[l % saved_.size()];
    const Tensor& next = l + 1 == layers ? x_last_ : saved_[(l + 1) % saved_.size()].x;
    const BlockContext c = context(batch, static_cast<int64_t>(l));
    want_block(l);
    block_forward(c, next, s, blocks_[l]);
    if (probe_ != nullptr) probe_->after_forward(c, s, next);
  }
  final_norm(batch);
}

// The head overwrites y_last_, so a post-norm model, whose stream is normed already, gets a copy.
void Model::final_norm(const MicroBatch& batch) {
  if (norm_.none()) return backend_.scale(y_last_, x_last_, 1.0f);
  norm(context(batch, -1), y_last_, last_, x_last_, norm_);
}

// Logits live for one chunk of rows at a time; with `gradient` they become dlogits in place, and
// the gradient of y_last_ replaces it chunk by chunk.
void Model::head(const MicroBatch& batch, const Tensor& loss_rows, const Tensor& lse_rows,
                 float z_loss, bool gradient) {
  want_head();
  for (int64_t begin = 0; begin < rows_; begin += chunk_rows_) {
    const int64_t n = std::min(chunk_rows_, rows_ - begin);
    const Tensor y = rows_of(y_last_, begin, n), z = rows_of(logits_, 0, n);
    backend_.gemm(z, y, head_, {.transpose_b = true, .alpha = logit_scale(), .b_is_weight = true});
    backend_.xent_chunk(cols_of(loss_rows, begin, n), cols_of(lse_rows, begin, n), z,
                        cols_of(batch.labels, begin, n), cols_of(batch.weight, begin, n),
                        config_.vocab_size, z_loss, gradient);
    if (!gradient) continue;
    backend_.gemm(dhead_, z, y, {.transpose_a = true, .alpha = logit_scale(), .beta = 1.0f});
    backend_.gemm(y, z, head_, {.alpha = logit_scale(), .b_is_weight = true});
  }
}

void Model::forward(const MicroBatch& batch, const Tensor& loss_rows, const Tensor& lse_rows) {
  run_blocks(batch);
  head(batch, loss_rows, lse_rows, 0.0f, false);
}

void Model::forward_backward(const MicroBatch& batch, const Tensor& loss_rows,
                             const Tensor& lse_rows, float z_loss) {
  BALLAST_CHECK(shape_.training && has_gradients_);
  run_blocks(batch);
  open_gradients(head_part_);
  head(batch, loss_rows, lse_rows, z_loss, true);
  if (!config_.tie_word_embeddings) complete_gradients(head_part_);

  if (norm_.none()) backend_.scale(dx_, y_last_, 1.0f);
  norm_bwd(context(batch, -1), dx_, dnorm_, y_last_, x_last_, norm_, last_);
  for (size_t l = blocks_.size(); l-- > 0;) {
    const BlockContext c = context(batch, static_cast<int64_t>(l));
    want_block(l);
    open_gradients(block_parts_[l]);
    block_recompute(c, saved_[l], blocks_[l], shape_.recompute);
    if (sigma_) sigma_->begin_backward(backend_);
    block_backward(c, dx_, saved_[l], blocks_[l], dblocks_[l], scratch_);
    if (sigma_) sigma_->end_backward(backend_, l);
    complete_gradients(block_parts_[l]);
  }
  open_gradients(embed_part_);
  backend_.embed_bwd(dembed_, dx_, batch.tokens);
}

void Model::logits(const MicroBatch& batch, const Tensor& out) {
  run_blocks(batch);
  want_head();
  backend_.gemm(out, y_last_, head_,
                {.transpose_b = true, .alpha = logit_scale(), .b_is_weight = true});
}

void Model::logits_of_rows(const MicroBatch& batch, std::span<const int64_t> rows,
                           const Tensor& out) {
  run_blocks(batch);
  want_head();
  for (size_t i = 0; i < rows.size(); ++i) {
    backend_.gemm(rows_of(out, static_cast<int64_t>(i), 1), rows_of(y_last_, rows[i], 1), head_,
                  {.transpose_b = true, .alpha = logit_scale(), .b_is_weight = true});
  }
}

double train_flops_per_token(const ModelConfig& c, int64_t seq_len) {
  const auto d = [](int64_t value) { return static_cast<double>(value); };
  const double attention_matrices = d(c.hidden_size) * (2 * d(c.q_rows()) + 2 * d(c.kv_rows()));
  const double mlp_matrices = d(c.hidden_size) * d(c.fc1_rows() + c.intermediate_size);
  const double matrices = d(c.num_hidden_layers) * (attention_matrices + mlp_matrices) +
                          d(c.vocab_size) * d(c.hidden_size);
  return 6 * matrices + 6 * d(c.num_hidden_layers) * d(c.q_rows()) * d(seq_len);
}

}  // namespace ballast
