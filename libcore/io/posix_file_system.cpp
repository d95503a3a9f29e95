#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "libcore/io/file_system.h"

#include <fmt/format.h>

namespace ballast {
namespace {

Error system_error(std::string_view doing, const std::string& path, int code = errno) {
  return io_error(fmt::format("cannot {}", doing), path, std::generic_category().message(code));
}

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int open_retrying(const std::string& path, int flags) {
  int fd = -1;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  return fd;
}

// Regular files are read at any offset; pipes and terminals only forwards, as read_at in order.
class PosixReadable final : public ReadableFile {
 public:
  PosixReadable(Descriptor fd, std::string path, int64_t size, bool seekable)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size), seekable_(seekable) {}

  Result<size_t> read_at(int64_t offset, MutableBytes into) override {
    if (!seekable_ && offset != position_)
      return io_error("cannot seek", path_, "a pipe can only be read forwards");
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = seekable_ ? ::pread(fd_.get(), into.data() + done, into.size() - done,
                                            offset + static_cast<int64_t>(done))
                                  : ::read(fd_.get(), into.data() + done, into.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
      // What a pipe has is handed on at once, so that a slow writer's lines arrive as they come.
      if (!seekable_) break;
    }
    position_ = offset + static_cast<int64_t>(done);
    return done;
  }
  int64_t size() const override { return size_; }

 private:
  Descriptor fd_;
  std::string path_;
  int64_t size_;
  bool seekable_;
  int64_t position_ = 0;
};

class PosixWritable final : public WritableFile {
 public:
  PosixWritable(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> append(Bytes data) override {
    while (!data.empty()) {
      const ssize_t n = ::write(fd_.get(), data.data(), data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("write", path_);
      data = data.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  Result<void> sync() override {
    // Devices and pipes have nothing to sync and say so with EINVAL.
    if (::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS)
      return system_error("sync", path_);
    return {};
  }

  Result<void> close() override {
    // Never retried: on Linux the descriptor is gone even after EINTR.
    if (::close(fd_.release()) != 0 && errno != EINTR) return system_error("close", path_);
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    Descriptor fd(open_retrying(path, O_RDONLY));
    if (fd.get() < 0) return system_error("open", path);
    struct stat status;
    if (::fstat(fd.get(), &status) != 0) return system_error("read", path);
    if (S_ISDIR(status.st_mode)) return system_error("read", path, EISDIR);
    const bool seekable = ::lseek(fd.get(), 0, SEEK_CUR) >= 0;
    return std::make_unique<PosixReadable>(std::move(fd), path, status.st_size, seekable);
  }

  Result<std::unique_ptr<WritableFile>> create_exclusive(const std::string& path) override {
    return open_write(path, O_WRONLY | O_CREAT | O_EXCL, "create");
  }
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override {
    return open_write(path, O_WRONLY | O_CREAT | O_APPEND, "open for writing");
  }

  Result<void> truncate(const std::string& path, int64_t size) override {
    if (::truncate(path.c_str(), size) != 0) return system_error("truncate", path);
    return {};
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("rename to", to);
    return {};
  }
  Result<void> rename_exclusive(const std::string& from, const std::string& to) override;

  Result<bool> link(const std::string& from, const std::string& to) override {
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
    // Another file system, one without links, a full count of them, or somebody else's file.
    for (const int code : {EXDEV, EPERM, EOPNOTSUPP, ENOSYS, EMLINK})
      if (errno == code) return false;
    return system_error("link to", to);
  }
  Result<void> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return system_error("remove", path);
    return {};
  }
  Result<void> remove_all(const std::string& path) override {
    std::error_code code;
    std::filesystem::remove_all(path, code);
    if (code) return system_error("remove", path, code.value());
    return {};
  }
  Result<void> make_directories(const std::string& path) override {
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) return system_error("create directory", path, code.value());
    return {};
  }
  Result<void> sync_directory(const std::string& path) override {
    Descriptor fd(open_retrying(path, O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return system_error("sync directory", path);
    // Some network filesystems cannot sync a directory and say so with EINVAL.
    if (::fsync(fd.get()) != 0 && errno != EINVAL) return system_error("sync directory", path);
    return {};
  }

  Result<FileInfo> info(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return system_error("read", path);
    FileInfo info;
    info.is_directory = S_ISDIR(status.st_mode);
    info.is_regular = S_ISREG(status.st_mode);
    info.size = status.st_size;
    info.device = status.st_dev;
    info.inode = status.st_ino;
    info.mtime_ns = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    return info;
  }
  bool exists(const std::string& path) override {
    struct stat status;
    return ::lstat(path.c_str(), &status) == 0;
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::error_code code;
    std::vector<std::string> names;
    std::filesystem::directory_iterator it(directory, code);
    for (; !code && it != std::filesystem::directory_iterator(); it.increment(code))
      names.push_back(it->path().filename().string());
    if (code) return system_error("list", directory, code.value());
    std::sort(names.begin(), names.end());
    return names;
  }
  Result<int64_t> free_bytes(const std::string& path) override {
    struct statvfs status;
    if (::statvfs(path.c_str(), &status) != 0) return system_error("read free space of", path);
    return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
  }

 private:
  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path, int flags,
                                                   std::string_view doing) {
    Descriptor fd(open_retrying(path, flags));
    if (fd.get() < 0) return system_error(doing, path);
    return std::make_unique<PosixWritable>(std::move(fd), path);
  }
};

Result<void> PosixFileSystem::rename_exclusive(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error("rename to", to);
  // The filesystem (NFS, some FUSE) lacks the flag. A hard link and a fresh directory are exclusive
  // everywhere: rename(2) replaces an empty directory.
  struct stat status;
  if (::lstat(from.c_str(), &status) != 0) return system_error("rename", from);
  if (S_ISDIR(status.st_mode)) {
    if (::mkdir(to.c_str(), 0777) != 0) return system_error("rename to", to);
    return rename(from, to);
  }
  if (::link(from.c_str(), to.c_str()) != 0) return system_error("rename to", to);
  return remove(from);
}

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem fs;
  return fs;
}

}  // namespace ballast
