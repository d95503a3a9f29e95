#include "libcore/trace/writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace ballast {
namespace {

constexpr int64_t kTailChunk = 64 << 10;

// Offset just after the last LF before `end`; 0 when there is none.
Result<int64_t> after_last_line(ReadableFile& file, int64_t end) {
  std::vector<std::byte> chunk(static_cast<size_t>(kTailChunk));
  while (end > 0) {
    const int64_t begin = std::max<int64_t>(0, end - kTailChunk);
    const auto wanted = static_cast<size_t>(end - begin);
    const size_t got = BALLAST_TRY(file.read_at(begin, MutableBytes(chunk).first(wanted)));
    for (size_t i = got; i > 0; --i)
      if (chunk[i - 1] == std::byte{'\n'}) return begin + static_cast<int64_t>(i);
    end = begin;
  }
  return 0;
}

}  // namespace

Result<int64_t> cut_torn_line(FileSystem& fs, const std::string& path) {
  if (!fs.exists(path)) return 0;
  int64_t size = 0;
  int64_t keep = 0;
  {
    const std::unique_ptr<ReadableFile> file = BALLAST_TRY(fs.open_read(path));
    size = file->size();
    keep = BALLAST_TRY(after_last_line(*file, size));
  }
  if (keep < size) BALLAST_TRY(fs.truncate(path, keep));
  return size - keep;
}

Result<std::unique_ptr<TraceWriter>> TraceWriter::open(FileSystem& fs,
                                                       const std::string& run_directory,
                                                       const std::string& copy) {
  std::unique_ptr<TraceWriter> writer(new TraceWriter());
  const std::string path = join_path(run_directory, kTraceFileName);
  BALLAST_TRY(cut_torn_line(fs, path));
  writer->file_ = BALLAST_TRY(fs.open_append(path));
  writer->copy_path_ = copy;
  writer->copy_to_stdout_ = copy == "-";
  if (!copy.empty() && copy != "-") writer->copy_ = BALLAST_TRY(fs.open_append(copy));
  return writer;
}

TraceWriter::~TraceWriter() = default;

Result<void> TraceWriter::write(std::string_view type, int64_t segment, int64_t time_us,
                                int64_t step, const Json& object) {
  line_.clear();
  append_record(line_, type, segment, time_us, step, object);
  return write_line();
}

Result<void> TraceWriter::write_line() {
  if (!file_) return io_error("the trace is closed", kTraceFileName);
  BALLAST_TRY(file_->append(as_bytes(line_)));
  write_copy();
  return {};
}

void TraceWriter::write_copy() {
  if (copy_) {
    if (const Result<void> done = copy_->append(as_bytes(line_)); !done.ok()) {
      warning_ = fmt::format("the copy of the trace stops here: {}", done.error().message());
      copy_.reset();
    }
  }
  std::string_view rest = copy_to_stdout_ ? std::string_view(line_) : std::string_view();
  while (!rest.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      reader_closed_ = errno == EPIPE;
      stdout_failed_ = !reader_closed_;
      if (stdout_failed_)
        warning_ = fmt::format("the copy of the trace stops here: stdout: {}", strerror(errno));
      copy_to_stdout_ = false;
      return;
    }
  }
}

Result<void> TraceWriter::sync() {
  if (!file_) return io_error("the trace is closed", kTraceFileName);
  return file_->sync();
}

Result<void> TraceWriter::close() {
  if (!file_) return {};
  BALLAST_TRY(file_->close());
  file_.reset();
  if (copy_) {
    const Result<void> done = copy_->close();
    copy_.reset();
    if (!done.ok()) warning_ = done.error().message();
  }
  return {};
}

std::string TraceWriter::take_warning() { return std::exchange(warning_, {}); }

}  // namespace ballast
