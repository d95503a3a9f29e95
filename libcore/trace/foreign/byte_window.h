// A sliding window over a ByteSource, for binary formats that look ahead before they believe a
// length. The buffer grows to the longest look ahead that was asked for. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"

namespace ballast {

class ByteWindow {
 public:
  explicit ByteWindow(ByteSource& source) : source_(source) {}
  // What is there from the position on: at least `n` bytes, fewer only at the end of the source.
  // Valid until the next call.
  Result<std::string_view> peek(size_t n);
  void skip(size_t n);                        // at most what peek() gave
  int64_t offset() const { return offset_; }  // of the position in the source

 private:
  ByteSource& source_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace ballast
