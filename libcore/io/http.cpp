#include "libcore/io/http.h"

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/io/stream.h"

namespace ballast {
namespace {

// The first line without its end; `text` becomes what follows. False when no LF is left.
bool take_line(std::string_view& text, std::string_view& line) {
  size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  text.remove_prefix(end + 1);
  return true;
}

bool parse_chunk_size(std::string_view line, size_t* size) {
  line = trim_blanks(line.substr(0, std::min(line.find(';'), line.size())));
  if (line.empty() || line.size() > 15) return false;
  *size = 0;
  for (char c : line) {
    int digit = hex_digit(c);
    if (digit < 0) return false;
    *size = *size * 16 + static_cast<size_t>(digit);
  }
  return true;
}

bool is_chunked(std::string_view body) {
  std::string_view line;
  size_t size = 0;
  return take_line(body, line) && parse_chunk_size(line, &size) && size <= body.size();
}

Result<std::string> join_chunks(std::string_view body, const std::string& where) {
  std::string joined;
  joined.reserve(body.size());
  while (true) {
    std::string_view line;
    size_t size = 0;
    if (!take_line(body, line)) return corrupt_error("truncated chunked body", where);
    if (!parse_chunk_size(line, &size)) return corrupt_error("bad chunk size", where);
    if (size == 0) return joined;
    if (size > body.size()) return corrupt_error("truncated chunked body", where);
    joined += body.substr(0, size);
    body.remove_prefix(size);
    if (!take_line(body, line) || !line.empty()) {
      return corrupt_error("chunk does not end where its size says", where);
    }
  }
}

// A body that is not in the coding its field names was decoded by the crawler.
Result<std::string> undo_coding(std::string body, std::string_view coding, int64_t limit,
                                const std::string& where) {
  if (ascii_equal(coding, "gzip") || ascii_equal(coding, "x-gzip")) {
    if (!body.starts_with("\x1f\x8b")) return body;
    return gzip_decompress(as_bytes(body), limit);
  }
  if (ascii_equal(coding, "zstd")) {
    if (!body.starts_with("\x28\xB5\x2F\xFD")) return body;
    return zstd_decompress(as_bytes(body), limit);
  }
  if (ascii_equal(coding, "deflate")) return deflate_decompress(as_bytes(body), limit);
  if (ascii_equal(coding, "br")) return brotli_decompress(as_bytes(body), limit);
  if (ascii_equal(coding, "identity") || coding.empty()) return body;
  return corrupt_error("unknown content coding '" + std::string(coding) + "'", where);
}

}  // namespace

std::string_view field_value(const Fields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (ascii_equal(key, name)) return value;
  }
  return {};
}

bool parse_fields(std::string_view& text, Fields& into) {
  std::string_view line;
  bool last_was_field = false;
  while (take_line(text, line)) {
    if (line.empty()) return true;
    if (line[0] == ' ' || line[0] == '\t') {
      if (last_was_field) into.back().second.append(" ").append(trim_blanks(line));
      continue;
    }
    size_t colon = line.find(':');
    last_was_field = colon != std::string_view::npos && colon > 0;
    if (!last_was_field) continue;
    into.emplace_back(trim_blanks(line.substr(0, colon)), trim_blanks(line.substr(colon + 1)));
  }
  return false;
}

Result<HttpResponse> parse_http_response(std::string_view message, const std::string& where) {
  std::string_view line;
  if (!message.starts_with("HTTP/") || !take_line(message, line)) {
    return corrupt_error("not an HTTP response", where);
  }
  size_t space = line.find(' ');
  std::string_view code =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1, 3);
  bool number = code.size() == 3 && std::all_of(code.begin(), code.end(), is_ascii_digit);
  if (!number) return corrupt_error("bad HTTP status line", where);
  HttpResponse response;
  response.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  if (!parse_fields(message, response.fields)) message = {};  // fields to the end, no body
  response.body = message;
  return response;
}

Result<std::string> decode_http_body(const HttpResponse& response, int64_t limit,
                                     const std::string& where) {
  std::string body;
  std::string transfer = to_ascii_lower(field_value(response.fields, "Transfer-Encoding"));
  if (transfer.find("chunked") != std::string::npos && is_chunked(response.body)) {
    body = BALLAST_TRY(join_chunks(response.body, where));
  } else {
    body = response.body;
  }
  // The coding applied last stands last.
  std::string_view codings = field_value(response.fields, "Content-Encoding");
  for (int depth = 0; !codings.empty(); ++depth) {
    if (depth == 4) return corrupt_error("over four content codings", where);
    size_t comma = codings.rfind(',');
    size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
    Result<std::string> plain =
        undo_coding(std::move(body), trim_blanks(codings.substr(begin)), limit, where);
    if (!plain.ok()) return corrupt_error("damaged body", where, plain.error().what);
    body = plain.take_value();
    codings = codings.substr(0, begin == 0 ? 0 : begin - 1);
  }
  if (static_cast<int64_t>(body.size()) > limit) return corrupt_error("body is too large", where);
  return body;
}

MediaType parse_media_type(std::string_view content_type) {
  MediaType media;
  size_t end = std::min(content_type.find_first_of(";,"), content_type.size());
  media.type = to_ascii_lower(trim_blanks(content_type.substr(0, end)));
  while (end < content_type.size()) {
    content_type.remove_prefix(end + 1);
    end = std::min(content_type.find_first_of(";,"), content_type.size());
    std::string_view parameter = content_type.substr(0, end);
    size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (!ascii_equal(trim_blanks(parameter.substr(0, equals)), "charset")) continue;
    std::string_view value = trim_blanks(parameter.substr(equals + 1));
    while (!value.empty() && (value[0] == '"' || value[0] == '\'')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == '"' || value.back() == '\'')) value.remove_suffix(1);
    media.charset = value;
    return media;
  }
  return media;
}

}  // namespace ballast
