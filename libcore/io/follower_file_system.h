// What a rank that does not lead sees of the files of a run: it reads the real ones, and everything
// that would change them is done in word only. So the same code runs on every rank while one rank
// writes. Files that it "creates" take any bytes and keep none. Threads: as the file system
// underneath, which must outlive it.
#pragma once

#include "libcore/io/file_system.h"

namespace ballast {

class FollowerFileSystem final : public FileSystem {
 public:
  explicit FollowerFileSystem(FileSystem& real) : real_(real) {}
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    return real_.open_read(path);
  }
  Result<std::unique_ptr<WritableFile>> create_exclusive(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override;
  Result<void> truncate(const std::string&, int64_t) override { return {}; }
  Result<void> rename(const std::string&, const std::string&) override { return {}; }
  Result<void> rename_exclusive(const std::string&, const std::string&) override { return {}; }
  Result<bool> link(const std::string&, const std::string&) override { return true; }
  Result<void> remove(const std::string&) override { return {}; }
  Result<void> remove_all(const std::string&) override { return {}; }
  Result<void> make_directories(const std::string&) override { return {}; }
  Result<void> sync_directory(const std::string&) override { return {}; }
  Result<FileInfo> info(const std::string& path) override { return real_.info(path); }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return real_.list(directory);
  }
  Result<int64_t> free_bytes(const std::string& path) override { return real_.free_bytes(path); }

 private:
  FileSystem& real_;
};

}  // namespace ballast
