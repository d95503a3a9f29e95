#include "libcore/trace/foreign/byte_window.h"

#include <algorithm>
#include <cstring>

#include "libcore/base/check.h"

namespace ballast {
namespace {

constexpr size_t kChunk = size_t{256} << 10;

}  // namespace

Result<std::string_view> ByteWindow::peek(size_t n) {
  while (end_ - begin_ < n && !ended_) {
    if (buffer_.size() - end_ < kChunk) {
      if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      // Grown by what has come, never by what a length promises.
      if (buffer_.size() - end_ < kChunk) buffer_.resize(std::max(2 * buffer_.size(), 2 * kChunk));
    }
    const size_t got =
        BALLAST_TRY(source_.read(MutableBytes(buffer_).subspan(end_, buffer_.size() - end_)));
    ended_ = got == 0;
    end_ += got;
  }
  return as_text(Bytes(buffer_).subspan(begin_, end_ - begin_));
}

void ByteWindow::skip(size_t n) {
  BALLAST_CHECK(n <= end_ - begin_);
  begin_ += n;
  offset_ += static_cast<int64_t>(n);
}

}  // namespace ballast
