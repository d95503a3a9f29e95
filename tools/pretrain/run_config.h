// The resolved configuration of a run: every option as a ready object, and as one flat JSON object
// that checkpoints keep. On resume the keys that shape the result must be equal; a difference is
// named. Errors: kind usage, before anything is touched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/retention.h"
#include "libcore/data/batch_schedule.h"
#include "libcore/data/goldfish.h"
#include "libcore/guard/injection.h"
#include "libcore/guard/ladder.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/model/block.h"
#include "libcore/model/config.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/optim/optimizer.h"
#include "libcore/optim/schedule.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/receipt.h"
#include "tools/pretrain/averages.h"
#include "tools/pretrain/options.h"

namespace ballast {

class HeldOutWindows;

struct SourceConfig {
  std::string prefix;
  std::string name;  // last part of the prefix: keys the data order, so shards may move
  size_t word = 0;   // of --data that named it, alone or with the others of a set
  std::string set;   // last part of that word
  double share = 1;  // of the word's weight
  double weight = 1;
  // xxh3-128 of PREFIX.idx and of a sample of PREFIX.bin: other documents, order or tokenizer.
  std::string content_hash;
  std::shared_ptr<const ShardReader> shard;
};

// --phase: from a border of steps on, the sources are mixed by other weights.
struct PhaseConfig {
  int64_t from_tokens = 0;  // as given
  int64_t first_sample = 0;
  std::vector<double> weights;  // one per source
  std::optional<uint64_t> seed;
};

// --branch: the checkpoint of another run that this one begins at.
struct BranchOrigin {
  std::string address;                      // as typed
  std::optional<CheckpointRef> checkpoint;  // absent: the run has begun before
  int64_t tokens = 0;
};

// --accept-data: a redaction with tombstones that a run may be resumed over.
struct AcceptedReceipt {
  std::string path, sha256;
  Receipt receipt;
};

// Of a batch with --deterministic world.
inline constexpr int64_t kWorldSlots = 8;

struct RunConfig {
  TrainOptions typed;
  std::string model_name;
  ModelConfig model;
  std::vector<SourceConfig> sources;
  std::vector<AcceptedReceipt> receipts;
  std::vector<std::shared_ptr<const ShardReader>> validation;  // empty: none
  std::string tokenizer;                                       // text
  BatchSchedule batches;
  int64_t total_steps = 0, micro_batch = 0, seq_len = 0;
  std::vector<PhaseConfig> phases;           // after the first, whose weights are the sources'
  std::shared_ptr<const Goldfish> goldfish;  // null: none
  AverageConfig averages;
  std::optional<BranchOrigin> branch;
  int64_t val_every = 0, val_tokens = 0;
  int64_t checkpoint_steps = 0;   // 0: by time
  double checkpoint_seconds = 0;  // 0: by steps
  double max_wall_seconds = 0;    // 0: no limit
  int64_t seed = 0;
  uint64_t data_seed = 0;
  OptimizerConfig optimizer;
  Schedule schedule;
  std::string clip;  // full strategy
  double z_loss = 0;
  Ladder ladder;
  std::vector<Fault> faults;
  Recompute recompute = Recompute::none;
  Dtype compute = Dtype::f32;  // of activations; typed.precision names it
  // --param-dtype bf16: matrices have values of bf16 only and are updated with stochastic rounding,
  // without f32 copies; what is one-dimensional stays f32.
  bool bf16_params = false;
  RetentionPolicy keep;
  std::vector<std::string> notes;  // what was resolved otherwise than one might think, to print

  int64_t total_tokens() const { return batches.tokens_before(total_steps); }
  HeldOutWindows validation_windows() const;  // of one evaluation
  // What one of `ranks` does of a step: contiguous shares, the same for all. `slots`: 1, or with
  // --deterministic world its part of kWorldSlots.
  int64_t slots_of_rank(int ranks) const;
  // Of ZeRO: what ranks share out. One rank owns everything, whatever the stage.
  int zero_stage(int ranks) const { return ranks > 1 ? typed.zero : 0; }
  // What matrices are stored in. A device that computes in f32 reads f32, whatever the values.
  Dtype matrix_type() const { return bf16_params ? compute : Dtype::f32; }
  Result<void> check_ranks(int ranks) const;
  // Samples consumed on a line before step `step` (from 0), skipped steps included.
  int64_t samples_before(int64_t step) const { return batches.tokens_before(step) / seq_len; }
  // What must not change between restarts, in the order in which it is documented.
  Json law() const;
  std::string hash() const;  // xxh3-128 of law()
  // RUN/config.toml: `pretrain --config` of it repeats the run.
  std::string toml() const;
};

// A config.json, or a preset by its name.
Result<ModelConfig> load_model_config(FileSystem& fs, const std::string& model);

Result<RunConfig> resolve(FileSystem& fs, const TrainOptions& options, int64_t seed, bool need_run);

}  // namespace ballast
