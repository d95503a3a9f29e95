// Reads what is added to a file, a FIFO or stdin, as lines, without ever blocking for longer than
// it was told. Survives rotation (another file under the same name, once it holds something: the
// writer may finish the old one first), truncation, a file that was written anew in place, and the
// cut of a torn last line that a restarting writer does. On file systems of networks it waits out
// what is not there yet: zeros where another machine's bytes are to come, and handles gone stale.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

class Tail {
 public:
  // PATH or "-". A file that does not exist yet is waited for; when a directory appears in its
  // place, that is a run, and its trace is read. `fs` must outlive it; FIFOs and stdin are those of
  // the process.
  static Result<Tail> open(FileSystem& fs, const std::string& path);
  Tail(Tail&& other) noexcept;
  Tail& operator=(Tail&&) = delete;
  ~Tail();

  enum class State { line, nothing, ended };
  struct Next {
    State state = State::nothing;  // nothing: no whole line within the wait; ended: pipe closed
    std::string_view line;         // without LF, valid until the next call
    bool restarted = false;  // the first line of another file, or of the same one written anew
  };
  Result<Next> next(int wait_ms);
  bool is_open() const { return file_ != nullptr || pipe_ >= 0; }  // false: not there yet
  // The writer sees a closed pipe.
  void close();
  int64_t line_number() const { return line_number_; }  // in the present file
  const std::string& path() const { return path_; }

 private:
  Tail(FileSystem& fs, std::string path) : fs_(&fs), path_(std::move(path)) {}
  Result<bool> open_path();  // false: not there
  bool take_line(Next& next);
  Result<bool> read_more();  // false: nothing there now
  Result<bool> read_file();
  Result<bool> read_pipe();
  Result<void> look_at_file();
  bool continues(std::string_view before) const { return before == recent_; }
  void begin_anew();
  void pause(int ms);
  void watch();

  FileSystem* fs_;
  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  uint64_t device_ = 0, inode_ = 0;  // of file_
  int pipe_ = -1;
  int notify_ = -1;  // inotify: wakes at once where there is one
  bool ended_ = false, restarted_ = false, failed_ = false;
  std::string buffer_;
  size_t begin_ = 0;      // of the first line not yet returned, in buffer_
  int64_t consumed_ = 0;  // offset of buffer_[begin_] in the file
  std::string recent_;    // the bytes before it, by which a file is known to be the same
  int zeros_ = 0;         // looks in a row that found zeros at the end
  int64_t line_number_ = 0;
};

}  // namespace ballast
