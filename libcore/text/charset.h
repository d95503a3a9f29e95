// Bytes of a page to UTF-8. The label comes from, in this order: a byte-order mark, the HTTP
// header, a <meta> in the first 4 KiB, validity as UTF-8, statistical detection (ICU). Labels mean
// what browsers take them for (WHATWG Encoding): latin1 is windows-1252, gb2312 is gb18030.
// Threads: any. Nothing fails: what cannot be decoded becomes U+FFFD and is counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ballast {

struct DecodedText {
  std::string text;       // valid UTF-8, without byte-order mark
  std::string charset;    // as ICU or we name it, "utf-8" for the usual case
  std::string_view from;  // "bom", "header", "meta", "utf-8", "detected"
  int64_t replaced = 0;   // ill-formed sequences
};

// `header` is the charset of Content-Type, or empty; `html` allows looking for <meta>.
DecodedText decode_text(std::string_view bytes, std::string_view header, bool html);

// The charset a <meta> in the first 4 KiB declares, lower case; empty if none does.
std::string meta_charset(std::string_view bytes);

}  // namespace ballast
