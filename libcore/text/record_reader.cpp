#include "libcore/text/record_reader.h"

#include <fmt/format.h>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kLookBytes = size_t{64} << 10;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trim_start(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "[{...},", over one line or many. Of "[INFO] starting" and of a list that is a line of its own
// documents may follow.
bool is_list(std::string_view content) {
  if (!content.starts_with('[') || !trim_start(content.substr(1)).starts_with('{')) return false;
  const std::string_view first = trim_end(content.substr(0, content.find('\n')));
  return first == "[" || !first.ends_with(']');
}

// A record of a WARC, or what is left of its header.
bool has_warc_lines(std::string_view content) {
  return content.find("\nWARC/1.") != content.npos || content.find("\nWARC-") != content.npos;
}

// Lines of documents behind a first one that is damaged: the rest of a file that was cut, a
// message of a program. A list has them too and is none, and so may the pages of a damaged WARC.
bool has_document_lines(std::string_view content) {
  return content.find("\n{\"") != content.npos && !is_list(content) && !has_warc_lines(content);
}

}  // namespace

Result<std::unique_ptr<RecordReader>> RecordReader::open(FileSystem& fs, const std::string& path) {
  auto source = BALLAST_TRY(open_source(fs, path));
  return std::make_unique<RecordReader>(std::move(source));
}

RecordReader::RecordReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

Result<void> RecordReader::look() {
  std::string start(kLookBytes, '\0');
  size_t known = 0;
  while (known < start.size()) {
    MutableBytes free{reinterpret_cast<std::byte*>(start.data() + known), start.size() - known};
    size_t n = BALLAST_TRY(source_->read(free));
    if (n == 0) break;
    known += n;
  }
  start.resize(known);
  std::string_view content = trim_start(start);
  std::string_view magic = "WARC/";
  if (content.empty() && known < kLookBytes) {
    kind_ = Kind::empty;
  } else if (content.starts_with('{')) {
    kind_ = Kind::json_lines;
  } else if (!content.empty() && content.substr(0, 5) == magic.substr(0, content.size())) {
    kind_ = Kind::warc;
  } else if (has_document_lines(content)) {
    kind_ = Kind::json_lines;
  } else {
    return corrupt_error("neither JSON Lines nor WARC", source_->name(),
                         "starts with '" + printable(content.substr(0, 16)) + "'");
  }
  size_t bom = start.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  skipped_ = static_cast<int64_t>(bom);
  source_ = prefixed_source(start.substr(bom), std::move(source_));
  if (kind_ == Kind::json_lines) lines_ = std::make_unique<LineReader>(*source_);
  if (kind_ == Kind::warc) warc_ = std::make_unique<WarcReader>(*source_);
  return {};
}

Result<bool> RecordReader::next_line(InputRecord& record) {
  while (true) {
    std::optional<std::string_view> line = BALLAST_TRY(lines_->next());
    if (!line) return false;
    const std::string_view text = trim_end(*line);
    if (text.empty()) continue;
    // No malformed line but another file, or a damaged WARC whose next record lies beyond the look.
    if (text.starts_with("WARC/1."))
      return corrupt_error("a WARC record among JSON Lines",
                           fmt::format("{}:{}", source_->name(), lines_->line_number()));
    record.is_warc = false;
    record.line = text;
    record.where = fmt::format("{}:{}", source_->name(), lines_->line_number());
    record.offset = skipped_ + lines_->offset();
    return true;
  }
}

Result<bool> RecordReader::next(InputRecord& record) {
  if (kind_ == Kind::unknown) BALLAST_TRY(look());
  if (kind_ == Kind::empty) return false;
  if (kind_ == Kind::json_lines) return next_line(record);
  if (!BALLAST_TRY(warc_->next(record.warc))) return false;
  record.is_warc = true;
  record.where = fmt::format("{}: record {}", source_->name(), record.warc.number);
  record.offset = skipped_ + record.warc.offset;
  return true;
}

}  // namespace ballast
