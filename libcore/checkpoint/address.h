// The address of a checkpoint, the same in all tools (ballast-checkpoint(5)):
//   RUN            newest complete checkpoint of a run directory
//   RUN@latest     the same
//   RUN@STEP       that step
//   RUN@pin:NAME   what `ckpt pin` named
//   PATH           a checkpoint directory
//   RUN@A..B       (ranges) every complete checkpoint with A <= step <= B; either may be missing
// Complete means: a manifest that reads, and every file it lists present with its size. The newest
// is found by scanning downward, past incomplete directories and past those that a rollback is
// about to move away; RUN/ckpt/latest is never consulted. Errors: kind usage for a malformed
// address, kind io when there is no such checkpoint (naming what there is).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/checkpoint/manifest.h"
#include "libcore/io/file_system.h"

namespace ballast {

struct CheckpointRef {
  std::string run;   // empty when a path outside of a run was given
  std::string path;  // directory
  int64_t step = 0;
};

// One step-* directory of RUN/ckpt.
struct CheckpointEntry {
  int64_t step = 0;
  std::string path;
  bool complete = false;
  std::string why;    // it is not complete
  Manifest manifest;  // when complete
  std::vector<std::string> pins;
};

// The syntax alone.
struct Address {
  enum class Kind { newest, step, pin, range };
  std::string base;  // run directory, or checkpoint directory
  Kind kind = Kind::newest;
  int64_t first = 0;  // step, or begin of a range
  int64_t last = INT64_MAX;
  std::string pin;
};
Result<Address> parse_address(std::string_view text);

// A missing or incomplete checkpoint says why.
Result<Manifest> check_complete(FileSystem& fs, const std::string& path);

// Ascending by step; a run without checkpoints gives none.
Result<std::vector<CheckpointEntry>> list_checkpoints(FileSystem& fs, const std::string& run);
// The newest complete one at or below `at_most`; nullopt when there is none.
Result<std::optional<CheckpointRef>> newest_checkpoint(FileSystem& fs, const std::string& run,
                                                       int64_t at_most = INT64_MAX);

Result<CheckpointRef> resolve_checkpoint(FileSystem& fs, const std::string& address);
// Ranges too; never empty. Ascending by step.
Result<std::vector<CheckpointRef>> resolve_checkpoints(FileSystem& fs, const std::string& address);

// Pins: RUN/pins/NAME holds one line, the directory relative to RUN ("ckpt/step-000000100").
struct Pin {
  std::string name;
  std::string directory;
};
bool is_pin_name(std::string_view name);  // letters, digits, '.', '_', '-'; not first '.' or '-'
Result<std::vector<Pin>> read_pins(FileSystem& fs, const std::string& run);
Result<void> write_pin(FileSystem& fs, const std::string& run, const Pin& pin);
Result<void> remove_pin(FileSystem& fs, const std::string& run, const std::string& name);

}  // namespace ballast
