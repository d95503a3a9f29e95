#include "libcore/trace/foreign/json_pull.h"

#include <cmath>
#include <limits>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"
#include "libcore/trace/foreign/column_map.h"

namespace ballast {
namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kLongestString = size_t{1} << 20;
constexpr size_t kLongestNumber = 1024;
constexpr size_t kChunk = size_t{64} << 10;
constexpr int kEnd = -1;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_json_number(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && is_ascii_digit(text[at])) ++at;
    return at - begin;
  };
  const auto take = [&](std::string_view any) {
    if (at >= text.size() || any.find(text[at]) == std::string_view::npos) return false;
    ++at;
    return true;
  };
  take("-");
  const size_t whole = at;
  const size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) return false;
  if (take(".") && digits() == 0) return false;
  if (take("eE")) {
    take("+-");
    if (digits() == 0) return false;
  }
  return at == text.size();
}

}  // namespace

bool nonfinite_word(std::string_view text, double& value) {
  if (text == "NaN") return value = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == "Infinity") return value = kInfinity, true;
  if (text == "-Infinity") return value = -kInfinity, true;
  return false;
}

struct JsonPull::State {
  enum class Expect { value, value_or_end, key, key_or_end, comma_or_end };

  ByteSource* source = nullptr;
  std::string buffer;  // of a source
  std::string_view rest;
  int64_t before = 0;  // bytes of the input before `rest` began
  size_t rest_size = 0;
  bool ended = false;

  std::string open;  // '{' and '['
  Expect expect = Expect::value;
  std::string text;
  double number = 0;
  std::string damage;
  bool is_damaged = false;
  bool is_truncated = false;
  std::optional<Error> error;

  void begin(std::string_view input) {
    rest = input;
    rest_size = input.size();
  }

  int64_t offset() const { return before + static_cast<int64_t>(rest_size - rest.size()); }

  bool fill() {
    if (source == nullptr || ended) return false;
    before = offset();
    buffer.resize(kChunk);
    Result<size_t> got = source->read({reinterpret_cast<std::byte*>(buffer.data()), kChunk});
    if (!got.ok()) error = got.take_error();
    const size_t size = error ? 0 : *got;
    ended = size == 0;
    begin(std::string_view(buffer).substr(0, size));
    return !ended;
  }

  int peek() {
    if (rest.empty() && !fill()) return kEnd;
    return static_cast<unsigned char>(rest.front());
  }
  int take() {
    const int c = peek();
    if (c != kEnd) rest.remove_prefix(1);
    return c;
  }
  void skip_blanks() {
    for (int c = peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek())
      rest.remove_prefix(1);
  }

  JsonToken fail(std::string why) {
    is_damaged = true;
    is_truncated = ended_here();
    damage = is_truncated ? "it ends within a value" : std::move(why);
    return JsonToken::damaged;
  }
  bool ended_here() { return !error && peek() == kEnd; }

  void after_value() { expect = open.empty() ? Expect::value : Expect::comma_or_end; }

  JsonToken scan() {
    skip_blanks();
    int c = peek();
    if (expect == Expect::comma_or_end) {
      const char close = open.back() == '{' ? '}' : ']';
      if (c == close) return end_container();
      if (c != ',') return fail("a ',' or an end is missing");
      take();
      skip_blanks();
      c = peek();
      expect = open.back() == '{' ? Expect::key : Expect::value;
    }
    if (c == kEnd) return open.empty() ? JsonToken::end : fail("");
    if (expect == Expect::key_or_end && c == '}') return end_container();
    if (expect == Expect::value_or_end && c == ']') return end_container();
    if (expect == Expect::key || expect == Expect::key_or_end) return scan_key();
    return scan_value(c);
  }

  JsonToken end_container() {
    take();
    const bool object = open.back() == '{';
    open.pop_back();
    after_value();
    return object ? JsonToken::end_object : JsonToken::end_array;
  }

  JsonToken scan_key() {
    if (peek() != '"') return fail("a key is missing");
    if (!scan_string()) return fail("a string is damaged or too long");
    skip_blanks();
    if (peek() != ':') return fail("a ':' is missing");
    take();
    expect = Expect::value;
    return JsonToken::key;
  }

  JsonToken scan_value(int c) {
    if (c == '{' || c == '[') {
      if (open.size() >= kDeepest) return fail("it is nested over 64 levels deep");
      take();
      open.push_back(static_cast<char>(c));
      expect = c == '{' ? Expect::key_or_end : Expect::value_or_end;
      return c == '{' ? JsonToken::begin_object : JsonToken::begin_array;
    }
    if (c == '"') {
      if (!scan_string()) return fail("a string is damaged or too long");
      after_value();
      return JsonToken::string;
    }
    const JsonToken token = scan_word();
    if (token != JsonToken::damaged) after_value();
    return token;
  }

  JsonToken scan_word() {
    text.clear();
    const auto part = [](int c) {
      const char letter = ascii_lower(static_cast<char>(c));
      return (letter >= 'a' && letter <= 'z') || is_ascii_digit(letter) || c == '-' || c == '+' ||
             c == '.';
    };
    for (int c = peek(); c != kEnd && part(c) && text.size() <= kLongestNumber; c = peek())
      text.push_back(static_cast<char>(take()));
    if (text == "null") return JsonToken::null;
    if (text == "true" || text == "false") {
      number = text == "true" ? 1 : 0;
      return JsonToken::boolean;
    }
    if (nonfinite_word(text, number)) return JsonToken::number;
    const std::optional<double> value =
        is_json_number(text) ? number_in(text) : std::optional<double>();
    if (!value) return fail("what stands there is no value");
    number = *value;
    return JsonToken::number;
  }

  bool scan_string() {
    text.clear();
    take();
    while (text.size() <= kLongestString) {
      if (rest.empty() && peek() == kEnd) return false;
      // As many plain characters at once as there are.
      size_t plain = 0;
      while (plain < rest.size() && rest[plain] != '"' && rest[plain] != '\\' &&
             static_cast<unsigned char>(rest[plain]) >= 0x20)
        ++plain;
      text.append(rest.substr(0, plain));
      rest.remove_prefix(plain);
      if (rest.empty()) continue;
      if (rest.front() != '"' && rest.front() != '\\') return false;
      if (take() == '"') {
        if (!is_valid_utf8(text)) text = replace_invalid_utf8(text, nullptr);
        return true;
      }
      if (!scan_escape()) return false;
    }
    return false;
  }

  bool scan_escape() {
    const int c = take();
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (c == 'u') return scan_unicode();
    const size_t at = c == kEnd ? std::string_view::npos : kLetters.find(static_cast<char>(c));
    if (at == std::string_view::npos) return false;
    text.push_back(kMeant[at]);
    return true;
  }

  bool hex4(uint32_t& code) {
    code = 0;
    for (int i = 0; i < 4; ++i) {
      const int c = take();
      const int digit = c == kEnd ? -1 : hex_digit(static_cast<char>(c));
      if (digit < 0) return false;
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  // Halves of a pair that stand alone, as Python may write them, become U+FFFD.
  bool scan_unicode() {
    uint32_t code = 0;
    if (!hex4(code)) return false;
    while (code >= 0xd800 && code < 0xdc00 && text.size() <= kLongestString) {
      if (peek() != '\\') break;
      take();
      if (peek() != 'u') {
        append_utf8(text, U'\uFFFD');
        return scan_escape();
      }
      take();
      uint32_t low = 0;
      if (!hex4(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        append_utf8(text, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        return true;
      }
      append_utf8(text, U'\uFFFD');
      code = low;
    }
    append_utf8(text, code);
    return true;
  }
};

JsonPull::JsonPull(std::string_view text) : state_(std::make_unique<State>()) {
  state_->begin(text);
}
JsonPull::JsonPull(ByteSource& source) : state_(std::make_unique<State>()) {
  state_->source = &source;
}
JsonPull::~JsonPull() = default;

void JsonPull::reset(std::string_view text) {
  State& s = *state_;
  s.source = nullptr;
  s.before = 0;
  s.open.clear();
  s.expect = State::Expect::value;
  s.damage.clear();
  s.is_damaged = s.is_truncated = false;
  s.begin(text);
}

Result<JsonToken> JsonPull::next() {
  const JsonToken token = state_->is_damaged ? JsonToken::damaged : state_->scan();
  if (state_->error) return *state_->error;
  return token;
}

const std::string& JsonPull::text() const { return state_->text; }
double JsonPull::number() const { return state_->number; }
int64_t JsonPull::offset() const { return state_->offset(); }
const std::string& JsonPull::damage() const { return state_->damage; }
bool JsonPull::truncated() const { return state_->is_truncated; }

// Reads on until no more than `depth` containers are open.
Result<bool> JsonPull::leave(size_t depth) {
  while (state_->open.size() > depth) {
    const JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::damaged) return false;
  }
  return true;
}

Result<bool> JsonPull::skip(JsonToken first) {
  if (first == JsonToken::damaged) return false;
  if (first != JsonToken::begin_object && first != JsonToken::begin_array) return true;
  return leave(state_->open.size() - 1);
}

Result<bool> JsonPull::value(JsonToken first, Json& into, int64_t most) {
  const bool nested = first == JsonToken::begin_object || first == JsonToken::begin_array;
  const size_t depth = state_->open.size() - (nested ? 1 : 0);
  const int64_t limit = offset() + most;
  if (!BALLAST_TRY(build(first, into, limit))) return false;
  if (offset() > limit) into = nullptr;
  return leave(depth);
}

Result<bool> JsonPull::build(JsonToken first, Json& into, int64_t limit) {
  switch (first) {
    case JsonToken::number:
      into = json_number(number());
      return true;
    case JsonToken::boolean:
      into = number() != 0;
      return true;
    case JsonToken::string:
      into = text();
      return true;
    case JsonToken::null:
      into = nullptr;
      return true;
    case JsonToken::begin_object:
    case JsonToken::begin_array:
      break;
    default:
      return false;
  }
  const bool object = first == JsonToken::begin_object;
  into = object ? Json::object() : Json::array();
  for (;;) {
    if (offset() > limit) return true;  // value() gives it up
    JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::end_object || token == JsonToken::end_array) return true;
    if (token == JsonToken::damaged) return false;
    std::string key;
    if (object) {
      key = text();
      token = BALLAST_TRY(next());
    }
    Json item;
    if (!BALLAST_TRY(build(token, item, limit))) return false;
    if (object) {
      into[key] = std::move(item);
    } else {
      into.push_back(std::move(item));
    }
  }
}

Result<bool> JsonPull::numbers(JsonToken first, std::string& name, const NumberFunction& f) {
  double word = 0;
  if (first == JsonToken::number || first == JsonToken::boolean) f(name, number());
  if (first == JsonToken::string && nonfinite_word(text(), word)) f(name, word);
  if (first != JsonToken::begin_object) return skip(first);
  const size_t size = name.size();
  for (;;) {
    JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::end_object) return true;
    if (token == JsonToken::damaged) return false;
    if (size > 0) name += '.';
    name += text();
    token = BALLAST_TRY(next());
    if (!BALLAST_TRY(numbers(token, name, f))) return false;
    name.resize(size);
  }
}

}  // namespace ballast
