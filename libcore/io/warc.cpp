#include "libcore/io/warc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kChunk = size_t{1} << 17;
constexpr size_t kMaxHead = size_t{1} << 20;

// Behind the empty line that ends the fields, or npos.
size_t find_head_end(std::string_view text, size_t from) {
  for (size_t lf = text.find('\n', from); lf != std::string_view::npos;
       lf = text.find('\n', lf + 1)) {
    std::string_view rest = text.substr(lf + 1);
    if (rest.starts_with('\n')) return lf + 2;
    if (rest.starts_with("\r\n")) return lf + 3;
  }
  return std::string_view::npos;
}

bool parse_length(std::string_view text, int64_t* length) {
  if (text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), is_ascii_digit)) {
    return false;
  }
  *length = 0;
  for (char c : text) *length = *length * 10 + (c - '0');
  return true;
}

}  // namespace

std::string_view WarcRecord::uri(std::string_view name) const {
  std::string_view value = field(name);
  if (value.size() >= 2 && value.front() == '<' && value.back() == '>') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

WarcReader::WarcReader(ByteSource& source, int64_t max_block)
    : source_(source), max_block_(max_block) {}

Error WarcReader::damaged(std::string what, std::string why) const {
  std::string where = fmt::format("{}: record {} at byte {}", source_.name(), number_, position());
  return corrupt_error(std::move(what), std::move(where), std::move(why));
}

Result<bool> WarcReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    consumed_ += static_cast<int64_t>(begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kChunk) buffer_.resize(end_ + 2 * kChunk);
  MutableBytes free{reinterpret_cast<std::byte*>(buffer_.data() + end_), buffer_.size() - end_};
  size_t n = BALLAST_TRY(source_.read(free));
  end_ += n;
  return n > 0;
}

// The lines of a record up to its block; empty at the end of the file.
Result<std::string_view> WarcReader::take_head() {
  while (true) {  // empty lines between records
    while (begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) ++begin_;
    if (begin_ < end_) break;
    if (!BALLAST_TRY(fill())) return std::string_view();
  }
  size_t searched = 0;
  while (true) {
    std::string_view have(buffer_.data() + begin_, end_ - begin_);
    std::string_view magic = "WARC/";
    if (have.substr(0, magic.size()) != magic.substr(0, have.size())) {
      return damaged("not a WARC record", "'" + printable(have.substr(0, 16)) + "'");
    }
    size_t head = find_head_end(have, searched);
    if (head != std::string_view::npos) {
      begin_ += head;
      return have.substr(0, head);
    }
    if (have.size() > kMaxHead) return damaged("record header over 1 MiB");
    searched = have.size() < 2 ? 0 : have.size() - 2;
    if (!BALLAST_TRY(fill())) return damaged("truncated WARC", "file ends inside a record header");
  }
}

Result<void> WarcReader::take_block(int64_t length, std::string& block) {
  block.clear();
  auto want = static_cast<size_t>(length);
  while (true) {
    size_t take = std::min(want - block.size(), end_ - begin_);
    block.append(buffer_, begin_, take);
    begin_ += take;
    if (block.size() == want) return {};
    if (!BALLAST_TRY(fill())) {
      return damaged("truncated WARC",
                     fmt::format("{} bytes of a block of {} are there", block.size(), length));
    }
  }
}

Result<bool> WarcReader::next(WarcRecord& record) {
  ++number_;
  std::string_view head = BALLAST_TRY(take_head());
  if (head.empty()) return false;
  record.number = number_;
  record.offset = position() - static_cast<int64_t>(head.size());
  record.fields.clear();
  std::string_view version = head.substr(0, head.find_first_of("\r\n"));
  if (version != "WARC/1.0" && version != "WARC/1.1") {
    return damaged("unsupported WARC version", printable(version.substr(0, 16)));
  }
  head.remove_prefix(std::min(head.find('\n') + 1, head.size()));
  parse_fields(head, record.fields);
  int64_t length = 0, lengths = 0;
  for (const auto& [name, value] : record.fields) {
    if (!ascii_equal(name, "Content-Length")) continue;
    if (!parse_length(value, &length)) return damaged("bad Content-Length", printable(value));
    ++lengths;
  }
  if (lengths != 1) {
    return damaged(lengths == 0 ? "record without Content-Length" : "repeated Content-Length");
  }
  if (length > max_block_) {
    return damaged("block is too large", fmt::format("at most {} bytes", max_block_));
  }
  BALLAST_TRY(take_block(length, record.block));
  return true;
}

}  // namespace ballast
