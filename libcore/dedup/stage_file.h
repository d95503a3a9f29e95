// The files between the stages of near deduplication, ballast-minhash(5): fixed-size records in
// blocks, stored by column so that one band can be read without the others, every column of a block
// with its checksum. A file is complete or absent. Lengths are checked against the size of the file
// before anything is read by them. One thread per object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/file_system.h"

namespace ballast {

enum class StageKind : uint32_t { signatures = 1, pairs = 2, clusters = 3 };

struct StageShape {
  StageKind kind = StageKind::signatures;
  uint32_t columns = 1, width = 1;  // a record is `columns` values of `width` bytes
  uint64_t number = 0;              // of the input or band
  Hash128 plan;                     // xxh3-128 of the plan it belongs to
  bool operator==(const StageShape&) const = default;
};

struct StageTotals {
  uint64_t records = 0;
  uint64_t groups = 0;        // pairs: bands' buckets of two and more; clusters: clusters
  uint64_t source_bytes = 0;  // signatures: size and xxh3-128 of the input
  Hash128 source_hash;
  bool operator==(const StageTotals&) const = default;
};

inline constexpr int64_t kStageBlockRecords = 16384;
inline constexpr uint32_t kMostStageColumns = 64, kMostStageWidth = 64;

class StageFileWriter {
 public:
  StageFileWriter(FileSystem& fs, const std::string& path, const StageShape& shape);
  Result<void> add(Bytes record);  // columns * width bytes
  // Publishes the file; `totals.records` is counted here.
  Result<void> finish(StageTotals totals);

 private:
  Result<void> begin();
  Result<void> flush();

  AtomicFile file_;
  StageShape shape_;
  bool begun_ = false;
  uint64_t records_ = 0, held_ = 0;
  std::vector<std::string> columns_;
};

class StageFileReader {
 public:
  // Kind corrupt on anything but a complete file of this format.
  static Result<StageFileReader> open(FileSystem& fs, const std::string& path);
  // Besides, kind corrupt if it has another shape.
  static Result<StageFileReader> open(FileSystem& fs, const std::string& path,
                                      const StageShape& shape);

  const StageShape& shape() const { return shape_; }
  const StageTotals& totals() const { return totals_; }
  int64_t blocks() const;
  // The values of one column, valid until the next call; kind corrupt if the checksum differs.
  Result<Bytes> read(int64_t block, uint32_t column);

 private:
  StageFileReader() = default;
  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  StageShape shape_;
  StageTotals totals_;
  std::vector<std::byte> buffer_;
};

}  // namespace ballast
