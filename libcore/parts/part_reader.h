// One input of a job in parts, record by record: gives the records of the parts that are to be
// made, passes over the others, and checks those that were made before against what it reads. The
// input is always decoded from its beginning: what was made is checked on the way, and the last
// part knows the hash of the whole file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/parts/parts_folder.h"
#include "libcore/parts/share.h"
#include "libcore/text/record_reader.h"

namespace ballast {

// Records of one part, in order.
struct PartBlock {
  int64_t part = 0;
  std::vector<InputRecord> records;
  bool first = false;             // of its part
  std::optional<PartRecord> end;  // set when it is the last block of its part
};

class PartReader {
 public:
  PartReader(const PartsFolder& folder, int64_t input, Share share, size_t block_records,
             int64_t block_bytes);
  ~PartReader();

  // False when nothing more of the input is this task's. Kind usage when the input is not what
  // parts were made of.
  Result<bool> read(PartBlock& block);

 private:
  struct Source;

  Result<void> open();
  Result<bool> fetch();  // the next record into pending_; false at the end
  Result<void> begin_part(int64_t part, int64_t begin);
  Result<PartRecord> end_part(int64_t end, bool last);
  Result<std::optional<PartRecord>> last_if_made(int64_t end) const;
  Result<void> check_source(const PartRecord& last) const;

  const PartsFolder& folder_;
  const int64_t input_;
  const Share share_;
  const size_t block_records_;
  const int64_t block_bytes_;

  std::unique_ptr<Source> source_;
  InputRecord pending_;
  bool has_pending_ = false, finished_ = false;

  int64_t part_ = 0, begin_ = 0, records_ = 0;
  bool making_ = false, fresh_ = false;
  std::optional<PartRecord> made_;  // of an earlier run
};

}  // namespace ballast
