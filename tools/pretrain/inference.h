// A checkpoint's model for looking at it: losses of given tokens, and logits of the next one. Owns
// the backend, the weights, and the memory for one shape of batch at a time; the tokenizer is read
// when a verb needs text. One thread drives it. Errors: those of resolve_checkpoint() and
// load_checkpoint(); kind usage for a checkpoint without tokenizer.json.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/data/batch.h"
#include "libcore/model/model.h"
#include "libcore/text/tokenizer.h"

namespace ballast {

class Inference {
 public:
  // `weights`: trained, or an average that the checkpoint holds (swa, ema).
  static Result<std::unique_ptr<Inference>> open(FileSystem& fs, const std::string& address,
                                                 const std::string& device, int threads,
                                                 const std::string& weights);

  const ModelConfig& config() const { return loaded_.config; }
  const CheckpointRef& checkpoint() const { return ref_; }
  const std::string& checkpoint_hash() const { return loaded_.manifest_hash; }
  // The sequence length of training where the checkpoint knows it, else what the model has
  // positions for.
  int64_t usual_seq_len() const;
  Result<Tokenizer> tokenizer() const;

  // Memory for batches of `sequences` x `seq_len`; cheap when nothing changes.
  void shape(int64_t sequences, int64_t seq_len);
  // The batch must have the shape; what is masked costs as much as the rest. Loss of every position
  // in nats, 0 where the label is masked; valid until the next call.
  std::span<const float> loss_rows(const HostBatch& batch);
  // Logits (positions.size() x vocabulary) after position positions[i] of sequence i.
  std::span<const float> logits_after(const HostBatch& batch, std::span<const int64_t> positions);

 private:
  Inference(FileSystem& fs, CheckpointRef ref) : fs_(fs), ref_(std::move(ref)) {}
  MicroBatch upload(const HostBatch& batch);

  FileSystem& fs_;
  CheckpointRef ref_;
  LoadedCheckpoint loaded_;
  ParamTable table_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Arena> weights_, activations_;
  Tensor params_;
  std::unique_ptr<Model> model_;
  int64_t sequences_ = 0, seq_len_ = 0;
  Tensor tokens_, labels_, weight_, doc_start_, loss_rows_, lse_rows_, logits_;
  std::vector<float> host_, ones_;
};

}  // namespace ballast
