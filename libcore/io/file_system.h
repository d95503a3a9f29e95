// The filesystem seam: every file Ballast reads or writes goes through it, so that tests can run in
// memory, fail the n-th operation, or drop unsynced bytes as a power cut would. Threads: a
// FileSystem may be used from several threads; one File from one thread at a time. Errors: kind io
// with the path; "no such file" is told apart by exists().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/result.h"

namespace ballast {

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to into.size() bytes at `offset`; fewer only at the end of the file.
  virtual Result<size_t> read_at(int64_t offset, MutableBytes into) = 0;
  virtual int64_t size() const = 0;  // when it was opened
};

class WritableFile {
 public:
  // Destruction without close() abandons the file; its content is then unspecified.
  virtual ~WritableFile() = default;
  virtual Result<void> append(Bytes data) = 0;
  // Data and metadata reach the disk. After an error the file must be given up: a second sync may
  // lie.
  virtual Result<void> sync() = 0;
  virtual Result<void> close() = 0;
};

struct FileInfo {
  bool is_directory = false;
  bool is_regular = true;  // false: directory, device, pipe, socket
  int64_t size = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t mtime_ns = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> create_exclusive(
      const std::string& path) = 0;  // fails if it exists
  virtual Result<std::unique_ptr<WritableFile>> open_append(
      const std::string& path) = 0;  // creates it
  virtual Result<void> truncate(const std::string& path, int64_t size) = 0;
  virtual Result<void> rename(const std::string& from,
                              const std::string& to) = 0;  // replaces files
  virtual Result<void> rename_exclusive(const std::string& from,
                                        const std::string& to) = 0;  // target must not exist
  // A second name for a file; `to` must not exist. False: these two places cannot share a file.
  virtual Result<bool> link(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;  // a file or an empty directory
  virtual Result<void> remove_all(const std::string& path) = 0;
  virtual Result<void> make_directories(const std::string& path) = 0;
  virtual Result<void> sync_directory(const std::string& path) = 0;
  virtual Result<FileInfo> info(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  virtual Result<int64_t> free_bytes(const std::string& path) = 0;
};

// The real one; lives for the process.
FileSystem& posix_file_system();

// Whole small files (configs, manifests). Refuses more than `limit` bytes.
Result<std::string> read_file(FileSystem& fs, const std::string& path,
                              int64_t limit = int64_t{1} << 30);

std::string parent_directory(const std::string& path);  // "." when there is none
std::string file_name(const std::string& path);
std::string join_path(const std::string& directory, const std::string& name);

}  // namespace ballast
