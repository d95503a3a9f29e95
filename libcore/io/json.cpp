#include "libcore/io/json.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <vector>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"

namespace ballast {

void append_json_string(std::string& out, std::string_view text) {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text, nullptr);
    text = repaired;
  }
  out += '"';
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out += text.substr(begin, i - begin);
    begin = i + 1;
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += '\\';
      out += static_cast<char>(byte);
    }
  }
  out += text.substr(begin);
  out += '"';
}

namespace {

constexpr size_t kMaxDepth = 64;
// Objects up to this many keys are searched in line; larger ones get a hash set, so that a hostile
// object with a million keys costs linear time.
constexpr size_t kLinearKeys = 16;

// Bytes of the input that leave a count of how far the lexer has come.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Builds the tree and stops at the first duplicate key or level too deep.
class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  Json root;
  std::string why;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return refuse("binary value"); }

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    auto& object = level.node->get_ref<Json::object_t&>();
    if (object.size() == kLinearKeys)
      for (const auto& [known, value] : object) level.keys.insert(known);
    bool fresh = true;
    if (object.size() < kLinearKeys) {
      for (const auto& [known, value] : object) fresh = fresh && known != name;
    } else {
      fresh = level.keys.insert(name).second;
    }
    if (!fresh) return refuse(fmt::format("duplicate key '{}'", printable(name)));
    object.emplace_back(std::move(name), nullptr);
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: the reason"
    std::string_view text = error.what();
    const size_t position = text.find("column");
    const size_t colon = text.find(": ", position == std::string_view::npos ? 0 : position);
    if (colon != std::string_view::npos) text.remove_prefix(colon + 2);
    if (text.starts_with("syntax error ")) text.remove_prefix(13);
    return refuse(printable(text));
  }

 private:
  struct Level {
    Json* node;
    std::unordered_set<std::string> keys;
  };

  bool refuse(std::string reason) {
    why = std::move(reason);
    return false;
  }

  Json* place(Json value) {
    if (levels_.empty()) {
      root = std::move(value);
      return &root;
    }
    Json& parent = *levels_.back().node;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& slot = parent.get_ref<Json::object_t&>().back().second;
    slot = std::move(value);
    return &slot;
  }

  template <class T>
  bool put(T&& value) {
    place(Json(std::forward<T>(value)));
    return true;
  }

  bool open(Json value) {
    if (levels_.size() == kMaxDepth) return refuse(fmt::format("over {} levels deep", kMaxDepth));
    levels_.push_back({place(std::move(value)), {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::vector<Level> levels_;
};

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) return append_json_string(out, format_double(value));
  const std::string text = format_double(value);
  out += text;
  // A double stays recognisable as one: 1.0, not 1.
  if (text.find_first_of(".e") == std::string::npos) out += ".0";
}

// indent < 0 is compact.
void append_json(std::string& out, const Json& value, int indent) {
  const auto new_line = [&](int columns) {
    if (indent >= 0) {
      out += '\n';
      out.append(static_cast<size_t>(columns), ' ');
    }
  };
  const int inner = indent < 0 ? indent : indent + 2;
  bool first = true;
  if (value.is_object() && !value.empty()) {
    out += '{';
    for (const auto& [key, child] : value.items()) {
      if (!first) out += ',';
      first = false;
      new_line(inner);
      append_json_string(out, key);
      out += indent < 0 ? ":" : ": ";
      append_json(out, child, inner);
    }
    new_line(indent);
    out += '}';
  } else if (value.is_array() && !value.empty()) {
    out += '[';
    for (const Json& child : value) {
      if (!first) out += ',';
      first = false;
      new_line(inner);
      append_json(out, child, inner);
    }
    new_line(indent);
    out += ']';
  } else if (value.is_string()) {
    append_json_string(out, value.get_ref<const std::string&>());
  } else if (value.is_number_float()) {
    append_double(out, value.get<double>());
  } else {
    out += value.dump();
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& where) {
  const char* reached = text.data();
  TreeBuilder builder;
  // The lexer takes a NUL for the end of the input, so it is refused beforehand.
  const size_t nul = text.find('\0');
  bool accepted = false;
  if (nul != std::string_view::npos) {
    reached = text.data() + nul;
    builder.why = "NUL byte";
  } else {
    accepted = Json::sax_parse(CountingIterator(text.data(), &reached),
                               CountingIterator(text.data() + text.size(), &reached), &builder);
  }
  if (accepted) return std::move(builder.root);
  return corrupt_error(fmt::format("malformed JSON at byte {}", reached - text.data()), where,
                       builder.why);
}

std::string to_json_line(const Json& value) {
  std::string out;
  append_json(out, value, -1);
  return out;
}

std::string to_json_text(const Json& value) {
  std::string out;
  append_json(out, value, 0);
  out += '\n';
  return out;
}

Json json_number(double value) {
  if (std::isfinite(value)) return value;
  return format_double(value);
}

Result<double> number_of(const Json& value, const std::string& where) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  }
  return corrupt_error("not a number", where);
}

Result<const Json*> member(const Json& object, const std::string& key, const std::string& where) {
  if (!object.is_object()) return corrupt_error("not a JSON object", where);
  const auto found = object.find(key);
  if (found == object.end()) return corrupt_error(fmt::format("missing key '{}'", key), where);
  return &*found;
}

Result<std::string> string_member(const Json& object, const std::string& key,
                                  const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  if (!value->is_string()) return corrupt_error(fmt::format("'{}' is not a string", key), where);
  return value->get<std::string>();
}

Result<int64_t> integer_member(const Json& object, const std::string& key,
                               const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  if (value->is_number_unsigned()) {
    const auto number = value->get<uint64_t>();
    if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return static_cast<int64_t>(number);
  } else if (value->is_number_integer()) {
    return value->get<int64_t>();
  } else if (value->is_number_float()) {
    // Other writers turn 3 into 3.0 or 1e3; up to 2^53 nothing is lost.
    const auto number = value->get<double>();
    if (number == std::floor(number) && std::abs(number) <= 0x1p53)
      return static_cast<int64_t>(number);
  }
  return corrupt_error(fmt::format("'{}' is not a whole number", key), where);
}

Result<double> number_member(const Json& object, const std::string& key, const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  auto number = number_of(*value, where);
  if (!number.ok()) return corrupt_error(fmt::format("'{}' is not a number", key), where);
  return number;
}

}  // namespace ballast
