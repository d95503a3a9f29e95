// Is everything of a job's inputs accounted for? The parts of an input must follow one another
// without a gap from its first decoded byte to its last, every record of theirs must be kept or
// rejected by count, and the last part must have seen the whole file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libcore/parts/parts_folder.h"

namespace ballast {

struct InputAccount {
  OutputFile source;  // as it was read
  int64_t decoded_bytes = 0;
  int64_t parts = 0;
  int64_t records = 0;
};

struct PartsAccount {
  std::vector<InputAccount> inputs;  // those that are complete have a source
  struct Missing {
    int64_t input = 0;
    int64_t part = 0;
  };
  std::vector<Missing> missing;     // the first missing part of an input
  std::vector<std::string> damage;  // a line each, naming the file

  bool complete() const { return missing.empty() && damage.empty(); }
  int64_t source_bytes() const;
  int64_t decoded_bytes() const;
  int64_t parts() const;
  int64_t records() const;
};

// Records that the counts of a part account for, of those it says it had.
using CountedRecords = std::function<Result<int64_t>(const PartRecord& part)>;

// Reads all records, and sizes of files. Every part must have a file of each of `suffixes`. With
// `full` every byte too: files of parts and inputs must have their hashes. Kind io when something
// that is there cannot be read.
Result<PartsAccount> account_parts(const PartsFolder& folder,
                                   const std::vector<std::string>& suffixes,
                                   const CountedRecords& counted, bool full);

// The parts of complete inputs, in the order of the plan.
Result<void> visit_parts(const PartsFolder& folder,
                         const std::function<Result<void>(const PartRecord& part)>& visit);

}  // namespace ballast
