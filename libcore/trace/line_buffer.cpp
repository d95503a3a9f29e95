#include "libcore/trace/line_buffer.h"

#include <fmt/format.h>

#include <cstring>

#include "libcore/trace/parser.h"

namespace ballast {
namespace {
constexpr size_t kChunk = 256 << 10;
}  // namespace

LineBuffer::LineBuffer(ByteSource& source)
    : source_(source), buffer_(2 * kChunk + TraceParser::kPadding) {}

Error LineBuffer::too_long() {
  return corrupt_error(fmt::format("the line is longer than {} MiB", kMaxLine >> 20));
}

Result<bool> LineBuffer::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (end_ > kMaxLine) {
    Error error = too_long();
    error.where = fmt::format("{}:{}", source_.name(), line_number_ + 1);
    return error;
  }
  if (buffer_.size() - TraceParser::kPadding - end_ < kChunk) buffer_.resize(2 * buffer_.size());
  const size_t got = BALLAST_TRY(source_.read(MutableBytes(buffer_).subspan(end_, kChunk)));
  end_ += got;
  return got > 0;
}

Result<std::optional<std::string_view>> LineBuffer::next() {
  while (true) {
    const void* found = std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
    if (found != nullptr) {
      const auto* line = reinterpret_cast<const char*>(buffer_.data() + begin_);
      const auto size = static_cast<size_t>(static_cast<const char*>(found) - line);
      begin_ += size + 1;
      scanned_ = begin_;
      ++line_number_;
      return std::optional<std::string_view>(std::string_view(line, size));
    }
    scanned_ = end_;
    if (!BALLAST_TRY(fill())) {
      torn_bytes_ = static_cast<int64_t>(end_ - begin_);
      return std::optional<std::string_view>();
    }
  }
}

}  // namespace ballast
