#include <atomic>

#include "libcore/io/memory_file_system.h"

namespace ballast {

struct FaultyFileSystem::State {
  FileSystem& inner;
  int64_t fail_at;
  bool fail_all_after;
  std::atomic<int64_t> count = 0;

  // Counts one operation; true when it has to fail.
  bool fails() {
    const int64_t number = ++count;
    return number == fail_at || (fail_all_after && number > fail_at);
  }
  bool is_dead() const { return fail_all_after && count > fail_at; }
};

namespace {

Error injected(const std::string& path) { return io_error("injected failure", path); }

}  // namespace

// Counts appends, syncs and the close of one file.
class FaultyWritable final : public WritableFile {
 public:
  FaultyWritable(std::shared_ptr<FaultyFileSystem::State> state,
                 std::unique_ptr<WritableFile> inner, std::string path)
      : state_(std::move(state)), inner_(std::move(inner)), path_(std::move(path)) {}

  Result<void> append(Bytes data) override {
    if (!state_->fails()) return inner_->append(data);
    // A torn write: the disk filled up, or the process died, half way.
    if (!state_->is_dead()) BALLAST_TRY(inner_->append(data.first(data.size() / 2)));
    return injected(path_);
  }
  Result<void> sync() override {
    if (state_->fails()) return injected(path_);
    return inner_->sync();
  }
  Result<void> close() override {
    if (state_->fails()) return injected(path_);
    return inner_->close();
  }

 private:
  std::shared_ptr<FaultyFileSystem::State> state_;
  std::unique_ptr<WritableFile> inner_;
  std::string path_;
};

FaultyFileSystem::FaultyFileSystem(FileSystem& inner, int64_t fail_at, bool fail_all_after)
    : state_(new State{inner, fail_at, fail_all_after}) {}
FaultyFileSystem::~FaultyFileSystem() = default;

int64_t FaultyFileSystem::operations() const { return state_->count; }

Result<std::unique_ptr<ReadableFile>> FaultyFileSystem::open_read(const std::string& path) {
  return state_->inner.open_read(path);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::create_exclusive(const std::string& path) {
  if (state_->fails()) return injected(path);
  auto file = BALLAST_TRY(state_->inner.create_exclusive(path));
  return std::make_unique<FaultyWritable>(state_, std::move(file), path);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::open_append(const std::string& path) {
  if (state_->fails()) return injected(path);
  auto file = BALLAST_TRY(state_->inner.open_append(path));
  return std::make_unique<FaultyWritable>(state_, std::move(file), path);
}

Result<void> FaultyFileSystem::truncate(const std::string& path, int64_t size) {
  if (state_->fails()) return injected(path);
  return state_->inner.truncate(path, size);
}
Result<void> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  if (state_->fails()) return injected(to);
  return state_->inner.rename(from, to);
}
Result<void> FaultyFileSystem::rename_exclusive(const std::string& from, const std::string& to) {
  if (state_->fails()) return injected(to);
  return state_->inner.rename_exclusive(from, to);
}
Result<bool> FaultyFileSystem::link(const std::string& from, const std::string& to) {
  if (state_->fails()) return injected(to);
  return state_->inner.link(from, to);
}
Result<void> FaultyFileSystem::remove(const std::string& path) {
  if (state_->fails()) return injected(path);
  return state_->inner.remove(path);
}
Result<void> FaultyFileSystem::remove_all(const std::string& path) {
  if (state_->fails()) return injected(path);
  return state_->inner.remove_all(path);
}
Result<void> FaultyFileSystem::make_directories(const std::string& path) {
  if (state_->fails()) return injected(path);
  return state_->inner.make_directories(path);
}
Result<void> FaultyFileSystem::sync_directory(const std::string& path) {
  if (state_->fails()) return injected(path);
  return state_->inner.sync_directory(path);
}
Result<FileInfo> FaultyFileSystem::info(const std::string& path) {
  return state_->inner.info(path);
}
bool FaultyFileSystem::exists(const std::string& path) { return state_->inner.exists(path); }
Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& directory) {
  return state_->inner.list(directory);
}
Result<int64_t> FaultyFileSystem::free_bytes(const std::string& path) {
  return state_->inner.free_bytes(path);
}

}  // namespace ballast
