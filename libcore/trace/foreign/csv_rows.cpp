#include "libcore/trace/foreign/csv_rows.h"

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool quotes_match(std::string_view text) {
  return std::count(text.begin(), text.end(), '"') % 2 == 0;
}

char delimiter_of(std::string_view line) {
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == '\t' && !quoted) return '\t';
  }
  return ',';
}

}  // namespace

// A row into row_, over several lines when a quoted cell has line ends.
Result<bool> CsvRows::read_row() {
  constexpr size_t kLongestRow = size_t{1} << 20;
  row_.clear();
  bad_ = torn_ = false;
  while (true) {
    const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
    if (!line) {
      bad_ = torn_ = !row_.empty();
      return !row_.empty();
    }
    std::string_view text = *line;
    if (lines_.line_number() == 1 && text.starts_with(kByteOrderMark))
      text.remove_prefix(kByteOrderMark.size());
    if (row_.empty()) {
      number_ = lines_.line_number();
      if (trim_blanks(text).empty() || text == "\r") continue;
      row_ = text;
    } else {
      row_ += '\n';
      row_ += text;
    }
    if (quotes_match(text) == (row_.size() == text.size())) break;
    bad_ = row_.size() > kLongestRow;
    if (bad_) break;
  }
  torn_ = !lines_.last_line_complete() && !row_.ends_with('"');
  if (row_.ends_with('\r')) row_.pop_back();
  if (delimiter_ == 0) delimiter_ = delimiter_of(row_);
  return true;
}

// One cell from `at` on, which moves behind its delimiter; false when its quotes do not match.
bool CsvRows::take_cell(size_t& at, bool& last) {
  const size_t text = std::min(row_.find_first_not_of(' ', at), row_.size());
  const bool quoted = text < row_.size() && row_[text] == '"';
  if (quoted) at = text;
  size_t end = 0;
  if (!quoted) {
    end = std::min(row_.find(delimiter_, at), row_.size());
    spans_.emplace_back(at, end - at);
    unescaped_.push_back(false);
  } else {
    const size_t begin = at + 1;
    end = row_.find('"', begin);
    const bool doubled = end != std::string::npos && end + 1 < row_.size() && row_[end + 1] == '"';
    const size_t plain = plain_.size();
    size_t from = begin;
    while (end != std::string::npos && end + 1 < row_.size() && row_[end + 1] == '"') {
      plain_.append(row_, from, end + 1 - from);
      from = end + 2;
      end = row_.find('"', from);
    }
    if (end == std::string::npos) return false;
    if (doubled) plain_.append(row_, from, end - from);
    spans_.emplace_back(doubled ? plain : begin, doubled ? plain_.size() - plain : end - begin);
    unescaped_.push_back(doubled);
    ++end;
    if (end < row_.size() && row_[end] != delimiter_) return false;
  }
  last = end == row_.size();
  at = end + 1;
  return true;
}

void CsvRows::split() {
  spans_.clear();
  unescaped_.clear();
  plain_.clear();
  size_t at = 0;
  for (bool last = false; !last && !bad_;) bad_ = !take_cell(at, last);
}

Result<bool> CsvRows::next(std::vector<std::string_view>& cells) {
  cells.clear();
  if (!BALLAST_TRY(read_row())) return false;
  if (!bad_) split();
  if (bad_) return true;
  for (size_t i = 0; i < spans_.size(); ++i)
    cells.push_back(
        std::string_view(unescaped_[i] ? plain_ : row_).substr(spans_[i].first, spans_[i].second));
  return true;
}

}  // namespace ballast
