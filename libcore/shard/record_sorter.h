// Sorts records by a 128-bit key in bounded memory: what does not fit is sorted in runs, spilled to
// one temporary file and merged. Records with equal keys keep the order in which they came. One
// thread. The temporary file is removed on destruction; a killed process leaves it, and the next
// sorter with the same path replaces it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

class RecordSorter {
 public:
  // `memory` bounds the records held; merging takes at most 256 KiB per run besides.
  RecordSorter(FileSystem& fs, std::string spill_path, int64_t memory = int64_t{256} << 20);
  ~RecordSorter();
  RecordSorter(const RecordSorter&) = delete;
  RecordSorter& operator=(const RecordSorter&) = delete;

  Result<void> add(Hash128 key, std::string_view record);
  // Visits all records in order, once; nothing can be added afterwards.
  Result<void> drain(const std::function<Result<void>(std::string_view record)>& visit);

 private:
  struct Entry {
    Hash128 key;
    size_t offset = 0;  // in held_
    size_t bytes = 0;
  };
  struct Run {
    int64_t begin = 0;
    int64_t end = 0;
  };
  class RunReader;

  void sort_held();
  Result<void> spill();
  Result<void> merge(const std::function<Result<void>(std::string_view record)>& visit);

  FileSystem& fs_;
  std::string path_;
  int64_t memory_;
  std::string held_;
  std::vector<Entry> entries_;
  std::unique_ptr<WritableFile> spill_;
  int64_t spilled_ = 0;
  std::vector<Run> runs_;
};

}  // namespace ballast
