// Which checkpoints of a run stay. The decision is a pure law; applying it renames a directory to
// .trash-* before anything in it is removed, so that a crash never leaves half a checkpoint under
// its own name. Whatever the policy says, these stay: the newest complete checkpoint, pinned ones,
// and the parents of rollbacks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/checkpoint/address.h"
#include "libcore/io/file_system.h"

namespace ballast {

// `all`, or a list of `last=K` (the K newest complete ones), `every=M` (steps divisible by M) and
// `pinned` (nothing beyond what always stays): "last=3,every=1000".
struct RetentionPolicy {
  bool all = false;
  int64_t last = 0;
  int64_t every = 0;
  // Of each step: the newest complete one at or before it stays, and the one after that, which will
  // be old enough next; without one at or before it, the oldest.
  std::vector<int64_t> way_back;
};
Result<RetentionPolicy> parse_retention(std::string_view text, const std::string& flag);

struct RetentionFacts {
  int64_t step = 0;
  bool complete = false;
  bool pinned = false;
  bool rollback_parent = false;
};
struct RetentionDecision {
  int64_t step = 0;
  bool keep = true;
  std::string reason;  // "newest", "pinned", "rollback parent", "last=3", "every=1000", "way back",
                       // "incomplete"
};
// `facts` ascending by step; one decision each. Incomplete directories are left to
// remove_incomplete(), since somebody may still be writing.
std::vector<RetentionDecision> decide_retention(const std::vector<RetentionFacts>& facts,
                                                const RetentionPolicy& policy);

// Reads the run, decides, and with `apply` removes. Returns all decisions.
Result<std::vector<RetentionDecision>> apply_retention(FileSystem& fs, const std::string& run,
                                                       const RetentionPolicy& policy, bool apply);

// step-* directories without a usable manifest, and leftovers; removed with `apply`. The caller
// holds the lease.
Result<std::vector<std::string>> remove_incomplete(FileSystem& fs, const std::string& run,
                                                   bool apply);

// Renames to .trash-* beside it, syncs, removes.
Result<void> discard_directory(FileSystem& fs, const std::string& path);

}  // namespace ballast
