#include "tools/pretrain/inference.h"

#include <algorithm>
#include <cstring>

#include "kernels/open_backend.h"

namespace ballast {

Result<std::unique_ptr<Inference>> Inference::open(FileSystem& fs, const std::string& address,
                                                   const std::string& device, int threads,
                                                   const std::string& weights) {
  auto self =
      std::unique_ptr<Inference>(new Inference(fs, BALLAST_TRY(resolve_checkpoint(fs, address))));
  const std::string& path = self->ref_.path;
  self->loaded_ = BALLAST_TRY(load_checkpoint_state(fs, path));
  self->table_ = make_param_table(self->loaded_.config);
  const Dtype compute = BALLAST_TRY(compute_type(device, "auto"));
  self->backend_ = BALLAST_TRY(open_backend(device, {.threads = threads, .compute = compute}));
  Backend& backend = *self->backend_;
  const int64_t bytes = self->table_.flat_size * static_cast<int64_t>(sizeof(float));
  std::vector<float> flat(static_cast<size_t>(self->table_.flat_size));
  if (weights != "trained" && !holds_state(self->loaded_.manifest, weights))
    return usage_error("checkpoint holds no such weights", "--weights " + weights, path);
  MutableFlatState into;
  (weights == "swa" ? into.swa : weights == "ema" ? into.ema : into.master) = flat.data();
  BALLAST_TRY(load_checkpoint(fs, path, self->table_, into));
  self->weights_ = std::make_unique<Arena>(backend, bytes);
  self->params_ = self->weights_->take(Dtype::f32, 1, self->table_.flat_size);
  backend.copy_in(self->params_.data, flat.data(), bytes, StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
  return self;
}

int64_t Inference::usual_seq_len() const {
  const Json& law = loaded_.state.config;
  const auto stored = law.is_object() ? law.find("seq_len") : law.end();
  const int64_t most = config().max_position_embeddings;
  if (stored != law.end() && stored->is_number_integer())
    return std::clamp<int64_t>(stored->get<int64_t>(), 1, most);
  return most;
}

Result<Tokenizer> Inference::tokenizer() const {
  const std::string path = join_path(ref_.path, "tokenizer.json");
  if (!fs_.exists(path))
    return usage_error("the checkpoint has no tokenizer.json", ref_.path,
                       "train with --tokenizer, or copy the file there");
  Tokenizer tokenizer = BALLAST_TRY(Tokenizer::load(fs_, path));
  if (tokenizer.vocab_size() > config().vocab_size)
    return usage_error("the tokenizer has more ids than the model's vocabulary", path);
  return tokenizer;
}

void Inference::shape(int64_t sequences, int64_t seq_len) {
  if (model_ && sequences == sequences_ && seq_len == seq_len_) return;
  model_.reset();
  activations_.reset();
  const int64_t rows = sequences * seq_len;
  const ModelShape shape = {sequences, seq_len, Recompute::none, false};
  const auto carve = [&](Arena& arena) {
    tokens_ = arena.take(Dtype::i32, 1, rows);
    labels_ = arena.take(Dtype::i32, 1, rows);
    weight_ = arena.take(Dtype::f32, 1, rows);
    doc_start_ = arena.take(Dtype::i32, sequences, seq_len);
    loss_rows_ = arena.take(Dtype::f32, 1, rows);
    lse_rows_ = arena.take(Dtype::f32, 1, rows);
    logits_ = arena.take(Dtype::f32, sequences, config().padded_vocab());
    return std::make_unique<Model>(*backend_, arena, config(), table_, shape);
  };
  Arena plan;
  carve(plan);
  activations_ = std::make_unique<Arena>(*backend_, plan.peak_bytes());
  model_ = carve(*activations_);
  model_->bind(params_, {});
  model_->prepare_weights();
  sequences_ = sequences;
  seq_len_ = seq_len;
}

MicroBatch Inference::upload(const HostBatch& batch) {
  const auto rows = static_cast<size_t>(sequences_ * seq_len_);
  BALLAST_CHECK(batch.tokens.size() == rows);
  ones_.resize(rows);
  for (size_t i = 0; i < rows; ++i) ones_[i] = batch.labels[i] == kMaskedLabel ? 0.0f : 1.0f;
  const auto copy = [&](const Tensor& to, const void* from) {
    backend_->copy_in(to.data, from, static_cast<int64_t>(rows) * 4, StreamId::compute);
  };
  copy(tokens_, batch.tokens.data());
  copy(labels_, batch.labels.data());
  copy(weight_, ones_.data());
  copy(doc_start_, batch.doc_start.data());
  return {tokens_, labels_, weight_, doc_start_};
}

std::span<const float> Inference::loss_rows(const HostBatch& batch) {
  model_->forward(upload(batch), loss_rows_, lse_rows_);
  host_.resize(static_cast<size_t>(loss_rows_.cols));
  backend_->copy_out(host_.data(), loss_rows_.data, loss_rows_.cols * 4, StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));
  return host_;
}

std::span<const float> Inference::logits_after(const HostBatch& batch,
                                               std::span<const int64_t> positions) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < positions.size(); ++i)
    rows.push_back(static_cast<int64_t>(i) * seq_len_ + positions[i]);
  model_->logits_of_rows(upload(batch), rows, logits_);
  const auto vocab = static_cast<size_t>(config().vocab_size);
  host_.resize(rows.size() * vocab);
  for (size_t i = 0; i < rows.size(); ++i)
    backend_->copy_out(host_.data() + i * vocab, rows_of(logits_, static_cast<int64_t>(i), 1).data,
                       static_cast<int64_t>(vocab) * 4, StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));
  return host_;
}

}  // namespace ballast
