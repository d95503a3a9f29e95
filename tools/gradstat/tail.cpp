#include "tools/gradstat/tail.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ballast {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr size_t kMaxLine = 64 << 20;
constexpr size_t kKnown = 64;                    // bytes by which a file is recognised
constexpr int kPollMs = 50;                      // how often a file that has not grown is looked at
constexpr int kZeroPatience = 10'000 / kPollMs;  // looks until zeros are taken for what is written

Error failure(const char* what, const std::string& path) {
  return io_error(what, path, std::generic_category().message(errno));
}

bool is_fifo(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && !S_ISREG(info.st_mode);
}

}  // namespace

Result<Tail> Tail::open(FileSystem& fs, const std::string& path) {
  Tail tail(fs, path);
  if (path == "-") {
    tail.pipe_ = STDIN_FILENO;
    return tail;
  }
  const Result<FileInfo> info = fs.info(path);
  if (info.ok() && !info->is_regular && !info->is_directory) {
    tail.pipe_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (tail.pipe_ < 0) return failure("cannot open", path);
    if (!is_fifo(tail.pipe_)) return io_error("cannot open", path, "it changed meanwhile");
    return tail;
  }
  BALLAST_TRY(tail.open_path());
  return tail;
}

Tail::Tail(Tail&& other) noexcept
    : fs_(other.fs_),
      path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      device_(other.device_),
      inode_(other.inode_),
      pipe_(std::exchange(other.pipe_, -1)),
      notify_(std::exchange(other.notify_, -1)),
      ended_(other.ended_),
      restarted_(other.restarted_),
      failed_(other.failed_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      consumed_(other.consumed_),
      recent_(std::move(other.recent_)),
      zeros_(other.zeros_),
      line_number_(other.line_number_) {}

Tail::~Tail() { close(); }

void Tail::close() {
  if (pipe_ >= 0) ::close(pipe_);
  if (notify_ >= 0) ::close(notify_);
  pipe_ = notify_ = -1;
  file_.reset();
  ended_ = true;
}

// The file under the name, and which one it is; its identity is asked before and after, so that a
// rotation in between cannot mix two up.
Result<bool> Tail::open_path() {
  const Result<FileInfo> before = fs_->info(path_);
  if (!before.ok()) {
    if (fs_->exists(path_)) return before.error();
    return false;
  }
  if (before->is_directory) {
    path_ = join_path(path_, "trace.jsonl");
    return fs_->exists(path_) ? open_path() : Result<bool>(false);
  }
  Result<std::unique_ptr<ReadableFile>> file = fs_->open_read(path_);
  if (!file.ok()) {
    if (fs_->exists(path_)) return file.take_error();
    return false;  // moved away between the two
  }
  const Result<FileInfo> after = fs_->info(path_);
  if (!after.ok() || after->inode != before->inode || after->device != before->device)
    return false;  // looked at again soon
  file_ = std::move(file.value());
  device_ = after->device;
  inode_ = after->inode;
  watch();
  return true;
}

// Wakes next() when the file grows. Where that is not to be had it is looked at every kPollMs.
void Tail::watch() {
  if (fs_ != &posix_file_system()) return;
  if (notify_ >= 0) ::close(notify_);
  notify_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (notify_ < 0) return;
  if (::inotify_add_watch(notify_, path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0)
    ::close(std::exchange(notify_, -1));
}

void Tail::pause(int ms) {
  if (fs_ != &posix_file_system()) return;  // in memory nothing happens meanwhile
  struct pollfd wait {
    notify_, POLLIN, 0
  };
  if (::poll(&wait, notify_ >= 0 ? 1 : 0, ms) <= 0) return;
  char events[4096];
  while (::read(notify_, events, sizeof events) > 0) {
  }
}

void Tail::begin_anew() {
  buffer_.clear();
  recent_.clear();
  begin_ = 0;
  consumed_ = line_number_ = 0;
  zeros_ = 0;
  restarted_ = true;
}

bool Tail::take_line(Next& next) {
  const size_t end = buffer_.find('\n', begin_);
  if (end == std::string::npos) return false;
  next.state = State::line;
  next.line = std::string_view(buffer_).substr(begin_, end - begin_);
  next.restarted = std::exchange(restarted_, false);
  const std::string_view taken(buffer_.data() + begin_, end + 1 - begin_);
  recent_.append(taken.substr(taken.size() - std::min(taken.size(), kKnown)));
  if (recent_.size() > kKnown) recent_.erase(0, recent_.size() - kKnown);
  consumed_ += static_cast<int64_t>(end + 1 - begin_);
  begin_ = end + 1;
  ++line_number_;
  return true;
}

Result<bool> Tail::read_pipe() {
  if (begin_ > 0) buffer_.erase(0, std::exchange(begin_, 0));
  if (buffer_.size() > kMaxLine) return corrupt_error("a line is longer than 64 MiB", path_);
  const size_t held = buffer_.size();
  buffer_.resize(held + kChunk);
  ssize_t got = 0;
  do got = ::read(pipe_, buffer_.data() + held, kChunk);
  while (got < 0 && errno == EINTR);
  buffer_.resize(held + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return failure("cannot read", path_);
  if (got == 0) ended_ = true;
  return got > 0;
}

// Reads again from a little before the first byte that was not returned: so a torn line that was
// cut meanwhile, or a file that was written anew, is seen whatever its size is by now.
Result<bool> Tail::read_file() {
  const size_t held = buffer_.size() - begin_;
  if (held > kMaxLine) return corrupt_error("a line is longer than 64 MiB", path_);
  std::string fresh(recent_.size() + 2 * held + kChunk, '\0');
  Result<size_t> got = file_->read_at(consumed_ - static_cast<int64_t>(recent_.size()),
                                      {reinterpret_cast<std::byte*>(fresh.data()), fresh.size()});
  if (!got.ok()) {
    // A handle gone stale: the file is opened once more under its name, and must be the same.
    if (std::exchange(failed_, true)) return got.take_error();
    file_.reset();
    return false;
  }
  failed_ = false;
  fresh.resize(*got);
  if (!continues(std::string_view(fresh).substr(0, recent_.size()))) {
    begin_anew();
    return true;
  }
  fresh.erase(0, recent_.size());
  const size_t zero = fresh.find('\0');
  zeros_ = zero == std::string::npos ? 0 : zeros_ + 1;
  if (zeros_ > 0 && zeros_ < kZeroPatience) fresh.resize(zero);
  const bool grew = fresh.size() > held;
  buffer_ = std::move(fresh);
  begin_ = 0;
  return grew;
}

Result<bool> Tail::read_more() {
  if (pipe_ >= 0) return read_pipe();
  return file_ != nullptr ? read_file() : Result<bool>(false);
}

// At the end of a file: is another one under its name by now?
Result<void> Tail::look_at_file() {
  if (pipe_ >= 0) return {};
  const Result<FileInfo> named = fs_->info(path_);
  if (!named.ok()) return {};  // moved away; its successor is waited for
  if (named->is_directory) {
    BALLAST_TRY(open_path());
    return {};
  }
  if (file_ != nullptr && named->inode == inode_ && named->device == device_) return {};
  if (file_ != nullptr && (named->size == 0 || BALLAST_TRY(read_file()))) return {};
  const bool same = file_ == nullptr && consumed_ > 0 && named->inode == inode_;
  if (BALLAST_TRY(open_path()) && !same && (consumed_ > 0 || !buffer_.empty())) begin_anew();
  return {};
}

Result<Tail::Next> Tail::next(int wait_ms) {
  Next next;
  while (true) {
    if (take_line(next)) return next;
    if (ended_) {
      next.state = State::ended;
      return next;
    }
    if (pipe_ >= 0) {
      struct pollfd wait {
        pipe_, POLLIN, 0
      };
      const int ready = ::poll(&wait, 1, wait_ms);
      if (ready < 0 && errno != EINTR) return failure("cannot wait for", path_);
      if (ready <= 0) return next;
    }
    if (BALLAST_TRY(read_more()) || ended_) continue;
    BALLAST_TRY(look_at_file());
    if (BALLAST_TRY(read_more())) continue;
    if (wait_ms <= 0) return next;
    const int ms = std::min(wait_ms, kPollMs);
    pause(ms);
    wait_ms -= ms;
  }
}

}  // namespace ballast
