#include "tools/tokshard/document_lines.h"

#include <fmt/format.h>

#include "libcore/io/json.h"
#include "libcore/text/url.h"

namespace ballast {

Result<std::optional<std::string_view>> DocumentLines::line() {
  if (!reader_) {
    source_ = BALLAST_TRY(open_source(posix_file_system(), path_));
    reader_ = std::make_unique<LineReader>(*source_);
  }
  return reader_->next();
}

std::string DocumentLines::where() const {
  return fmt::format("{}:{}", path_, reader_ ? reader_->line_number() : 0);
}

Result<std::optional<std::string>> DocumentLines::next(ShardDocument& document) {
  const auto text = BALLAST_TRY(line());
  if (!text) return corrupt_error("fewer lines than the shard has documents", path_);
  const Json json = BALLAST_TRY(parse_json(*text, where()));
  if (!json.is_object()) return corrupt_error("line is not an object", where());
  const std::pair<const char*, std::string*> keys[] = {{"id", &document.id},
                                                       {"url", &document.url},
                                                       {"date", &document.date},
                                                       {"license", &document.license},
                                                       {"language", &document.language},
                                                       {"source", &document.source}};
  for (const auto& [key, value] : keys)
    if (json.contains(key) && !json.at(key).is_null())
      *value = BALLAST_TRY(string_member(json, key, where()));
  document.host = url_host(document.url);
  std::optional<std::string> content;
  if (json.contains("text")) content = BALLAST_TRY(string_member(json, "text", where()));
  return content;
}

Result<bool> DocumentLines::at_end() { return !BALLAST_TRY(line()); }

Result<void> check_line_count(const std::string& path, int64_t documents) {
  const auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader reader(*source);
  int64_t lines = 0;
  while (BALLAST_TRY(reader.next())) ++lines;
  if (lines != documents)
    return corrupt_error("not a line for each document", path,
                         fmt::format("{} lines, {} documents", lines, documents));
  return {};
}

}  // namespace ballast
