// Saving and loading checkpoints (ballast-checkpoint(5)) so that a crash at any instant leaves the
// old or the new one, never neither:
//   RUN/ckpt/step-N.tmp-PID-RANDOM/   every file created exclusively, hashed as it is written,
//                                     synced; manifest.json last; the directory synced
//   RUN/ckpt/step-N/                  by one exclusive rename; the parent synced
//   RUN/ckpt/latest                   replaced atomically; a cache for people and scripts, never
//                                     trusted by a tool
// Both functions only read or write host memory and files, so a background thread may run
// save_checkpoint() on a snapshot. Errors: kind io (no space, a failed sync: the save is given up,
// older checkpoints are untouched), kind corrupt (damage, named by file and tensor), kind usage
// (another model).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/checkpoint/manifest.h"
#include "libcore/checkpoint/state.h"
#include "libcore/io/file_system.h"
#include "libcore/model/config.h"
#include "libcore/model/flat_cut.h"
#include "libcore/model/params.h"

namespace ballast {

// The optimizer's buffers over the whole logical flat index (ParamTable::flat_size elements each,
// f32, host memory). Padding is neither saved nor looked at. m2 is AdEMAMix's slow moment, swa and
// ema are averages of the weights; null: the run has none.
struct FlatState {
  const float* master = nullptr;
  const float* m = nullptr;
  const float* v = nullptr;
  const float* m2 = nullptr;
  const float* swa = nullptr;
  const float* ema = nullptr;
};
struct MutableFlatState {
  float* master = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float* m2 = nullptr;
  float* swa = nullptr;
  float* ema = nullptr;
  // m, v and m2 are wanted in these ranges only; outside them the buffers are left alone. Null:
  // everywhere.
  const std::vector<FlatRange>* keep = nullptr;
  // The same for master, swa and ema.
  const std::vector<FlatRange>* keep_weights = nullptr;
};

struct SaveOptions {
  // Type of the model files: the compute type of the run. With "F32" they are the master weights
  // themselves and the optim files hold m, v, ...; with "BF16" they are rounded (to nearest even)
  // and the optim files hold master, m and v.
  std::string model_dtype = "F32";
  int64_t model_file_bytes = int64_t{5} << 30;  // a model file is closed before it passes this
  int64_t optim_files = 1;    // slices of the flat index, cut at multiples of kFlatBlock
  std::string tokenizer;      // text of tokenizer.json; empty: none is stored
  Json run = Json::object();  // volatile facts for the manifest; time, host and version are added
};

struct SavedCheckpoint {
  std::string path;           // RUN/ckpt/step-N
  int64_t bytes = 0;          // of all files
  std::string manifest_hash;  // xxh3-128 of manifest.json: names this checkpoint in traces
  std::string warning;        // RUN/ckpt/latest could not be replaced; the checkpoint is complete
};

// The step is state.step. Refuses to replace a complete checkpoint (kind usage); an incomplete
// directory of that name is discarded.
Result<SavedCheckpoint> save_checkpoint(FileSystem& fs, const std::string& run_directory,
                                        const ModelConfig& config, const ParamTable& table,
                                        const FlatState& flat, const TrainState& state,
                                        const SaveOptions& options = {});

// The same by several processes that see one file system. The leader begins, which gives a
// directory; each writes the optimizer states that it owns, by ranges of the flat index, and tells
// the leader the record; the leader, which has the weights, publishes. A rank's `flat` needs to be
// right in what it writes only. After a failure anywhere the leader removes the directory.
Result<std::string> begin_checkpoint(FileSystem& fs, const std::string& run_directory,
                                     const ParamTable& table, const FlatState& flat,
                                     const TrainState& state, const SaveOptions& options = {});
Result<FileRecord> write_optim_part(FileSystem& fs, const std::string& directory,
                                    const ParamTable& table, const FlatState& flat, int part,
                                    int parts, const std::vector<FlatRange>& ranges,
                                    const SaveOptions& options = {});
Result<SavedCheckpoint> finish_checkpoint(FileSystem& fs, const std::string& run_directory,
                                          const std::string& directory, const ModelConfig& config,
                                          const ParamTable& table, const FlatState& flat,
                                          const TrainState& state,
                                          const std::vector<FileRecord>& parts,
                                          const SaveOptions& options = {});

struct LoadedCheckpoint {
  std::string path;
  TrainState state;
  ModelConfig config;
  Manifest manifest;
  std::string manifest_hash;
};

// `path` is a checkpoint directory (resolve_checkpoint() makes one of an address). Checks sizes and
// hashes of everything it reads. The whole of each buffer is written, padding as zero and
// what the checkpoint does not hold (holds_state()) too; all but master may be null. On an error
// the buffers are unspecified.
Result<LoadedCheckpoint> load_checkpoint(FileSystem& fs, const std::string& path,
                                         const ParamTable& table, const MutableFlatState& flat);

// The small files only: manifest, state, config. Their hashes are checked.
Result<LoadedCheckpoint> load_checkpoint_state(FileSystem& fs, const std::string& path);

// Removes what killed processes left in RUN/ckpt: step-*.tmp-* and .trash-*. For the holder of the
// run's lease, at start. Returns the names removed.
Result<std::vector<std::string>> clean_leftovers(FileSystem& fs, const std::string& run_directory);

std::string checkpoint_directory(const std::string& run_directory);  // RUN/ckpt

// Points RUN/ckpt/latest at `directory_name`.
Result<void> write_latest(FileSystem& fs, const std::string& run_directory,
                          const std::string& directory_name);

}  // namespace ballast
