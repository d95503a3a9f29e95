// Reads what is added to a file, a FIFO or stdin, as lines, without ever blocking for longer than
// it was told. Survives rotation (another file under the same name), truncation, and the cut of a
// torn last line that a restarting writer does. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

class Tail {
 public:
  // PATH or "-". A file that does not exist yet is waited for; when a directory appears in its
  // place, that is a run, and its trace is read.
  static Result<Tail> open(const std::string& path);
  Tail(Tail&& other) noexcept;
  Tail& operator=(Tail&&) = delete;
  ~Tail();

  enum class State { line, nothing, ended };
  struct Next {
    State state = State::nothing;  // nothing: no whole line within the wait; ended: pipe closed
    std::string_view line;         // without LF, valid until the next call
  };
  Result<Next> next(int wait_ms);
  bool is_open() const { return fd_ >= 0; }  // false: the file is not there yet
  // The writer sees a closed pipe.
  void close();
  int64_t line_number() const { return line_number_; }

 private:
  explicit Tail(std::string path) : path_(std::move(path)) {}
  bool take_line(std::string_view& line);
  Result<bool> read_more();  // false: nothing there now
  Result<void> look_at_file();
  void restart(int fd);

  std::string path_;
  int fd_ = -1;
  bool regular_ = false;
  bool ended_ = false;
  std::string buffer_;
  size_t begin_ = 0;      // of the first line not yet returned, in buffer_
  int64_t consumed_ = 0;  // file offset of buffer_[begin_]
  int64_t line_number_ = 0;
};

}  // namespace ballast
