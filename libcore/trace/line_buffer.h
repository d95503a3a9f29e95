// Splits a ByteSource into lines in place, with TraceParser::kPadding readable bytes behind each,
// so that lines are parsed without a copy. The buffer grows to the longest line, which is bounded.
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "libcore/io/stream.h"

namespace ballast {

class LineBuffer {
 public:
  static constexpr size_t kMaxLine = 64 << 20;
  static Error too_long();  // without its place

  explicit LineBuffer(ByteSource& source);
  // The next line that ends with LF, without it; valid until the next call. nullopt at the end.
  Result<std::optional<std::string_view>> next();
  int64_t line_number() const { return line_number_; }  // of the line last returned, from 1
  int64_t torn_bytes() const { return torn_bytes_; }    // after the last LF, once at the end

 private:
  Result<bool> fill();

  ByteSource& source_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t scanned_ = 0;  // no LF in [begin_, scanned_)
  size_t end_ = 0;
  int64_t line_number_ = 0;
  int64_t torn_bytes_ = 0;
};

}  // namespace ballast
