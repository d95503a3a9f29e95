// safetensors (ballast-safetensors(5)): u64 header length, JSON header, data. The reader refuses
// every malformed case of the man page with a message of its own and never allocates by a length it
// has not bounded; the writer orders tensors as given, pads the header to 8 bytes and always writes
// __metadata__ {"format":"pt", ...}. Readers may be used from several threads (read_at only).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

// Type names and bits as in the format: F64 F32 F16 BF16 F8_E4M3 F8_E5M2 ... I64 ... BOOL.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;  // [] is a scalar
  int64_t begin = 0;           // byte range in the data section, half open
  int64_t end = 0;
  int64_t elements() const;
  int64_t bytes() const { return end - begin; }
};

// Bits of one element; 0 for a name the format does not know.
int safetensors_bits(std::string_view dtype);

class SafetensorsReader {
 public:
  static Result<SafetensorsReader> open(FileSystem& fs, const std::string& path);

  const std::vector<SafetensorsEntry>& entries() const { return entries_; }  // in file order
  const SafetensorsEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  int64_t data_offset() const { return data_offset_; }  // of the data section in the file
  const std::string& path() const { return path_; }

  // into.size() bytes of `entry` from byte `offset` of it.
  Result<void> read(const SafetensorsEntry& entry, int64_t offset, MutableBytes into) const;
  // Kind corrupt when the path no longer names the file that was opened, or its size or mtime
  // moved: call it after the last read, before trusting what was read.
  Result<void> check_unchanged() const;

 private:
  FileSystem* fs_ = nullptr;
  FileInfo info_;
  std::string path_;
  std::shared_ptr<ReadableFile> file_;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
  int64_t data_offset_ = 0;
};

// Parses and checks a header (without the 8 length bytes) against the size of the data section.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, int64_t data_bytes,
                                                   const std::string& where);

// Streams tensors out in the declared order. Sizes are known beforehand, data come in pieces of any
// length.
class SafetensorsWriter {
 public:
  // Entries need name, dtype and shape; ranges are assigned in order. The file must not exist.
  static Result<SafetensorsWriter> create(FileSystem& fs, const std::string& path,
                                          std::vector<SafetensorsEntry> entries,
                                          std::map<std::string, std::string> metadata);
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  Result<void> append(Bytes data);  // must end exactly at the last tensor's end
  struct Summary {
    int64_t bytes = 0;                   // of the whole file
    Hash128 hash;                        // of the whole file
    std::vector<Hash128> tensor_hashes;  // in entry order
  };
  Result<Summary> finish();  // syncs and closes

 private:
  void close_finished_tensors();
  std::unique_ptr<WritableFile> file_;
  std::vector<SafetensorsEntry> entries_;
  std::string path_;
  int64_t position_ = 0;  // in the data section
  size_t current_ = 0;
  Xxh3Hasher file_hash_;
  Xxh3Hasher tensor_hash_;
  std::vector<Hash128> tensor_hashes_;
  int64_t header_bytes_ = 0;
};

}  // namespace ballast
