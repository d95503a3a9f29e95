// HTTP responses as crawlers store them: status line, fields, and a body in whatever coding it came
// over the wire. Pure. Kind corrupt on what is no response and on damaged or oversized bodies.
//
// Crawlers disagree on whether they undo the codings and keep the fields, so a body that does not
// begin as the field says is taken as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

// Names keep their case; lookups ignore it. Values have no blanks at their ends.
using Fields = std::vector<std::pair<std::string, std::string>>;

// The first field of that name, or empty.
std::string_view field_value(const Fields& fields, std::string_view name);

// Field lines up to an empty line, which is taken too: LF or CRLF, folded lines joined by one
// space (RFC 9112 5.2, WARC 4). `text` becomes what follows. Lines without a colon are skipped.
// False when the empty line is missing.
bool parse_fields(std::string_view& text, Fields& into);

struct HttpResponse {
  int status = 0;
  Fields fields;
  std::string_view body;  // as stored; a view into the argument
};

Result<HttpResponse> parse_http_response(std::string_view message, const std::string& where);

// The body without transfer coding (chunked) and content codings (gzip, deflate, br, zstd), at most
// `limit` bytes.
Result<std::string> decode_http_body(const HttpResponse& response, int64_t limit,
                                     const std::string& where);

struct MediaType {
  std::string type;     // "text/html", lower case; empty when absent
  std::string charset;  // as written, without quotes
};
MediaType parse_media_type(std::string_view content_type);

}  // namespace ballast
