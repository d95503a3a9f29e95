// One document of a corpus as a JSON line (ballast-documents(5)): text, id, url, date, language,
// license, source, whatever other keys it came with, and what Ballast did to it under "ballast".
// Lines of datatrove, Dolma and FineWeb are read: url, date, language, license and source are also
// looked for in "metadata", the date also in "created".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

struct Document {
  std::string text;                                        // valid UTF-8
  std::string id, url, date, language, license, source;    // empty: absent
  std::vector<std::pair<std::string, std::string>> extra;  // other keys, values as JSON, in order
  Json ballast = Json::object();
  int64_t replaced = 0;  // ill-formed sequences of the line, now U+FFFD
};

// Keeps its buffers between lines: one per thread. Kind corrupt on malformed JSON, duplicate keys,
// over 64 levels, a missing text or a known key of the wrong type; `where` is named ("file:line").
class DocumentParser {
 public:
  DocumentParser();
  ~DocumentParser();
  DocumentParser(DocumentParser&&) noexcept;
  Result<Document> parse(std::string_view line, const std::string& where);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The line with its LF: known keys in the order above, extra keys, "ballast" last; absent ones are
// left out, text and id never.
void append_document(std::string& out, const Document& document);

// xxh3-128 of url, LF and text: the id of documents that bring none.
std::string default_document_id(const Document& document);

}  // namespace ballast
