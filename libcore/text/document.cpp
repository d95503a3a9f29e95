#include "libcore/text/document.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <unordered_set>

#include "libcore/base/ascii.h"
#include "libcore/base/hash.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

namespace dom = simdjson::dom;

constexpr int kMaxDepth = 64;
constexpr size_t kLinearKeys = 16;

// The first key that an object names twice, or that it cannot go deeper; empty when all is well.
std::string find_fault(const dom::element& element, int depth) {
  bool nests = element.is_object() || element.is_array();
  if (nests && depth == kMaxDepth) return fmt::format("over {} levels deep", kMaxDepth);
  if (element.is_array()) {
    for (dom::element child : dom::array(element)) {
      std::string fault = find_fault(child, depth + 1);
      if (!fault.empty()) return fault;
    }
  }
  if (!element.is_object()) return {};
  std::vector<std::string_view> few;
  std::unordered_set<std::string_view> many;
  for (dom::key_value_pair field : dom::object(element)) {
    bool fresh = true;
    if (few.size() < kLinearKeys) {
      for (std::string_view known : few) fresh = fresh && known != field.key;
      few.push_back(field.key);
    } else {
      if (many.empty()) many.insert(few.begin(), few.end());
      fresh = many.insert(field.key).second;
    }
    if (!fresh) return fmt::format("duplicate key '{}'", printable(field.key));
    std::string fault = find_fault(field.value, depth + 1);
    if (!fault.empty()) return fault;
  }
  return {};
}

// The four digits of a \uXXXX at `i`, or -1.
int escape_at(std::string_view text, size_t i) {
  if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u') return -1;
  int code = 0;
  for (size_t j = i + 2; j < i + 6; ++j) {
    int digit = hex_digit(text[j]);
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code;
}

// Escaped surrogates without their partner, as some writers leave them, become U+FFFD.
std::string repair_surrogates(std::string_view line, int64_t* replaced) {
  std::string out;
  out.reserve(line.size());
  for (size_t i = 0; i < line.size();) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      out += line[i++];
      continue;
    }
    int code = escape_at(line, i);
    if (code < 0xD800 || code > 0xDFFF) {
      out.append(line, i, 2);
      i += 2;
      continue;
    }
    int next = escape_at(line, i + 6);
    bool pair = code < 0xDC00 && next >= 0xDC00 && next <= 0xDFFF;
    out += pair ? line.substr(i, 12) : std::string_view("\\ufffd");
    i += pair ? 12 : 6;
    if (!pair) ++*replaced;
  }
  return out;
}

struct KnownKey {
  std::string_view name;
  std::string Document::*member;
};
constexpr KnownKey kKnown[] = {{"text", &Document::text},         {"id", &Document::id},
                               {"url", &Document::url},           {"date", &Document::date},
                               {"language", &Document::language}, {"license", &Document::license},
                               {"source", &Document::source}};

const KnownKey* find_known(std::string_view name) {
  for (const KnownKey& key : kKnown) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

// A known key takes a string or null; an id may also be a whole number.
Result<void> read_known(const KnownKey& key, const dom::element& value, Document& document,
                        const std::string& where) {
  if (value.is_string()) {
    document.*key.member = std::string_view(value);
  } else if (key.name == "id" && (value.is_int64() || value.is_uint64())) {
    document.id = simdjson::to_string(value);
  } else if (!value.is_null()) {
    return corrupt_error("malformed document", where, fmt::format("'{}' is no string", key.name));
  }
  return {};
}

// What the top level lacks and a writer put into "metadata", or into Dolma's "created".
void read_elsewhere(const dom::object& root, Document& document) {
  dom::object metadata;
  if (root["metadata"].get(metadata) == simdjson::SUCCESS) {
    for (const KnownKey& key : kKnown) {
      std::string_view value;
      bool wanted = key.name != "text" && key.name != "id" && (document.*key.member).empty();
      if (wanted && metadata[key.name].get(value) == simdjson::SUCCESS)
        document.*key.member = value;
    }
  }
  std::string_view created;
  if (document.date.empty() && root["created"].get(created) == simdjson::SUCCESS)
    document.date = created;
}

Result<Document> read_document(const dom::object& root, const std::string& where) {
  Document document;
  bool has_text = false;
  for (dom::key_value_pair field : root) {
    if (const KnownKey* key = find_known(field.key)) {
      BALLAST_TRY(read_known(*key, field.value, document, where));
      has_text = has_text || (key->name == "text" && field.value.is_string());
    } else if (field.key == "ballast") {
      if (!field.value.is_object())
        return corrupt_error("malformed document", where, "'ballast' is no object");
      document.ballast = BALLAST_TRY(parse_json(simdjson::minify(field.value), where));
    } else {
      document.extra.emplace_back(field.key, simdjson::minify(field.value));
    }
  }
  if (!has_text) return corrupt_error("malformed document", where, "no 'text'");
  read_elsewhere(root, document);
  return document;
}

}  // namespace

struct DocumentParser::State {
  dom::parser parser;
};

DocumentParser::DocumentParser() : state_(std::make_unique<State>()) {}
DocumentParser::~DocumentParser() = default;
DocumentParser::DocumentParser(DocumentParser&&) noexcept = default;

Result<Document> DocumentParser::parse(std::string_view line, const std::string& where) {
  int64_t replaced = 0;
  std::string repaired;
  dom::element root;
  simdjson::error_code error = state_->parser.parse(line.data(), line.size(), true).get(root);
  if (error == simdjson::UTF8_ERROR) {
    repaired = replace_invalid_utf8(line, &replaced);
    line = repaired;
    error = state_->parser.parse(line.data(), line.size(), true).get(root);
  }
  if (error == simdjson::STRING_ERROR) {
    repaired = repair_surrogates(line, &replaced);
    error = state_->parser.parse(repaired.data(), repaired.size(), true).get(root);
  }
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  if (error != simdjson::SUCCESS) {
    return corrupt_error("malformed JSON", where, simdjson::error_message(error));
  }
  std::string fault = find_fault(root, 0);
  if (!fault.empty()) return corrupt_error("malformed JSON", where, fault);
  if (!root.is_object()) return corrupt_error("malformed document", where, "not a JSON object");
  Document document = BALLAST_TRY(read_document(dom::object(root), where));
  document.replaced = replaced;
  return document;
}

void append_document(std::string& out, const Document& document) {
  char before = '{';
  for (const KnownKey& key : kKnown) {
    const std::string& value = document.*key.member;
    if (value.empty() && key.name != "text" && key.name != "id") continue;
    out += before;
    before = ',';
    append_json_string(out, key.name);
    out += ':';
    append_json_string(out, value);
  }
  for (const auto& [name, value] : document.extra) {
    out += ',';
    append_json_string(out, name);
    out += ':';
    out += value;
  }
  if (!document.ballast.empty()) out += ",\"ballast\":" + to_json_line(document.ballast);
  out += "}\n";
}

std::string default_document_id(const Document& document) {
  Xxh3Hasher hasher;
  hasher.update(as_bytes(document.url));
  hasher.update(as_bytes(std::string_view("\n")));
  hasher.update(as_bytes(document.text));
  return hasher.digest().hex();
}

}  // namespace ballast
