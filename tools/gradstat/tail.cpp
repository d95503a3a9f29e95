#include "tools/gradstat/tail.h"

#include <fcntl.h>
#include <poll.h>
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
constexpr int kPollMs = 50;  // how often a file that has not grown is looked at

Error failure(const char* what, const std::string& path) {
  return io_error(what, path, std::generic_category().message(errno));
}

bool is_regular(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Result<Tail> Tail::open(const std::string& path) {
  Tail tail(path);
  if (path == "-") {
    tail.restart(STDIN_FILENO);
    return tail;
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno != ENOENT) return failure("cannot open", path);
  struct stat info {};
  if (fd >= 0 && ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(fd);
    return io_error("cannot open", path, "it is a directory");
  }
  if (fd >= 0) tail.restart(fd);
  return tail;
}

Tail::Tail(Tail&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      regular_(other.regular_),
      ended_(other.ended_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      consumed_(other.consumed_),
      line_number_(other.line_number_) {}

Tail::~Tail() { close(); }

void Tail::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  ended_ = true;
}

void Tail::restart(int fd) {
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
  regular_ = path_ != "-" && is_regular(fd);  // what stdin comes from ends at its end
  buffer_.clear();
  begin_ = 0;
  consumed_ = 0;
  line_number_ = 0;
}

bool Tail::take_line(std::string_view& line) {
  const size_t end = buffer_.find('\n', begin_);
  if (end == std::string::npos) return false;
  line = std::string_view(buffer_).substr(begin_, end - begin_);
  consumed_ += static_cast<int64_t>(line.size()) + 1;
  begin_ = end + 1;
  ++line_number_;
  return true;
}

Result<bool> Tail::read_more() {
  if (fd_ < 0) return false;
  if (begin_ > 0) buffer_.erase(0, std::exchange(begin_, 0));
  if (buffer_.size() > kMaxLine) return corrupt_error("a line is longer than 64 MiB", path_);
  const size_t held = buffer_.size();
  buffer_.resize(held + kChunk);
  ssize_t got = 0;
  do {
    const auto offset = static_cast<off_t>(consumed_ + static_cast<int64_t>(held));
    got = regular_ ? ::pread(fd_, buffer_.data() + held, kChunk, offset)
                   : ::read(fd_, buffer_.data() + held, kChunk);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(held + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return failure("cannot read", path_);
  if (got == 0 && !regular_) ended_ = true;
  return got > 0;
}

// At the end of a regular file: is it still the same one, and as long as what was read?
Result<void> Tail::look_at_file() {
  if (path_ == "-") return {};
  struct stat named {};
  if (::stat(path_.c_str(), &named) != 0) return {};  // moved away; its successor is waited for
  if (S_ISDIR(named.st_mode)) {                       // a run that began only now
    path_ += "/trace.jsonl";
    return {};
  }
  struct stat open {};
  const bool same = fd_ >= 0 && ::fstat(fd_, &open) == 0 && open.st_ino == named.st_ino &&
                    open.st_dev == named.st_dev;
  if (!same) {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) restart(fd);
    return {};
  }
  const auto size = static_cast<int64_t>(named.st_size);
  const auto held = static_cast<int64_t>(buffer_.size() - begin_);
  if (size < consumed_) {
    restart(fd_);  // truncated below what was already returned: it begins anew
  } else if (size < consumed_ + held) {
    buffer_.resize(begin_);  // a torn line was cut
  }
  return {};
}

Result<Tail::Next> Tail::next(int wait_ms) {
  Next next;
  while (true) {
    if (take_line(next.line)) {
      next.state = State::line;
      return next;
    }
    if (ended_) {
      next.state = State::ended;
      return next;
    }
    if (fd_ >= 0 && !regular_) {
      struct pollfd wait {
        fd_, POLLIN, 0
      };
      const int ready = ::poll(&wait, 1, wait_ms);
      if (ready < 0 && errno != EINTR) return failure("cannot wait for", path_);
      if (ready <= 0) return next;
    }
    if (BALLAST_TRY(read_more()) || ended_) continue;
    BALLAST_TRY(look_at_file());
    if (BALLAST_TRY(read_more())) continue;
    if (wait_ms <= 0) return next;
    const int pause = std::min(wait_ms, kPollMs);
    ::poll(nullptr, 0, pause);
    wait_ms -= pause;
  }
}

}  // namespace ballast
