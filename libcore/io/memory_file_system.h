// Two FileSystems for tests. MemoryFileSystem keeps files in maps and models durability: crash()
// drops every byte and every directory entry that was not synced. FaultyFileSystem wraps another
// and fails chosen operations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "libcore/io/file_system.h"

namespace ballast {

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  // What a power cut leaves: unsynced file content is lost, unsynced creations, renames and
  // removals are undone. A directory's entries are durable once sync_directory() saw them.
  void crash();
  void set_free_bytes(int64_t bytes);  // appends past it fail with "no space left on device"

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create_exclusive(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override;
  Result<void> truncate(const std::string& path, int64_t size) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> rename_exclusive(const std::string& from, const std::string& to) override;
  Result<bool> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  bool exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<int64_t> free_bytes(const std::string& path) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Counts mutating operations (create, append, sync, close, rename, link, remove, truncate, make,
// sync_directory) from 1 and fails number `fail_at`; with `fail_all_after` every later one fails
// too (the process died there). A failed append has written half of its data.
class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem(FileSystem& inner, int64_t fail_at, bool fail_all_after = true);
  ~FaultyFileSystem() override;
  int64_t operations() const;  // counted so far

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create_exclusive(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override;
  Result<void> truncate(const std::string& path, int64_t size) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> rename_exclusive(const std::string& from, const std::string& to) override;
  Result<bool> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  bool exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<int64_t> free_bytes(const std::string& path) override;

 private:
  friend class FaultyWritable;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ballast
