#include "libcore/trace/step_line.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "libcore/trace/parser.h"
#include "libcore/trace/step_fields.h"

namespace ballast {
namespace {

constexpr std::string_view kHead = "{\"v\":1,\"type\":\"step\",";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Eight bytes of text at a time. Each test gives the top bit of the bytes that pass it; the first
// byte that does (the lowest, on little-endian machines) is always found, later ones may be wrong.
constexpr uint64_t kOnes = 0x0101010101010101u;
constexpr uint64_t kTops = 0x8080808080808080u;
uint64_t eight_at(const char* p) {
  uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}
constexpr uint64_t equal_to(uint64_t word, char c) {
  const uint64_t off = word ^ (kOnes * static_cast<uint8_t>(c));
  return (off - kOnes) & ~off & kTops;
}
constexpr uint64_t below(uint64_t word, uint8_t limit) {
  return (word - kOnes * limit) & ~word & kTops;
}
const char* first_of(const char* p, uint64_t found) { return p + std::countr_zero(found) / 8; }
static_assert(std::endian::native == std::endian::little);

// The first byte from `p` on that ends a plain string: its quote, or what needs the general parser.
// May lie up to kPadding behind `end`.
const char* end_of_text(const char* p, const char* end) {
  for (; p < end; p += 8) {
    const uint64_t word = eight_at(p);
    const uint64_t found = equal_to(word, '"') | equal_to(word, '\\') | equal_to(word, 0x7f) |
                           below(word, 0x20) | (word & kTops);
    if (found != 0) return first_of(p, found);
  }
  return end;
}

const char* end_of_plain(const char* p, const char* end) {
  for (; p < end; p += 8) {
    const uint64_t word = eight_at(p);
    const uint64_t found = equal_to(word, ',') | equal_to(word, '}');
    if (found != 0) return first_of(p, found);
  }
  return end;
}

// A value's text, between `begin` and `end`; `quoted` ones without their quotes.
struct Value {
  const char* begin = nullptr;
  const char* end = nullptr;
  bool quoted = false;
  std::string_view text() const { return {begin, static_cast<size_t>(end - begin)}; }
};

// Leaves `p` behind the value; false for what the general parser must look at.
bool take_value(const char*& p, const char* end, Value& value) {
  if (*p == '"') {
    value.quoted = true;
    value.begin = ++p;
    value.end = end_of_text(p, end);
    p = value.end + 1;
    return p <= end && *value.end == '"';
  }
  value.quoted = false;
  value.begin = p;
  if (*p == '{' || *p == '[') return false;
  p = value.end = end_of_plain(p, end);
  return value.begin < value.end && p <= end;
}

bool starts_number(const char* p, const char* end) {
  p += *p == '-' ? 1 : 0;
  return p < end && is_digit(*p) && (*p != '0' || p + 1 == end || !is_digit(p[1]));
}

bool to_double(const Value& v, double& out) {
  if (v.quoted) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (v.text() == "NaN") out = std::numeric_limits<double>::quiet_NaN();
    if (v.text() == "Infinity") out = kInfinity;
    if (v.text() == "-Infinity") out = -kInfinity;
    return v.text() == "NaN" || v.text() == "Infinity" || v.text() == "-Infinity";
  }
  if (!starts_number(v.begin, v.end) || !is_digit(v.end[-1])) return false;
  const auto [end, code] = std::from_chars(v.begin, v.end, out);
  return code == std::errc() && end == v.end;
}

bool to_whole(const Value& v, int64_t& out) {
  constexpr std::ptrdiff_t kSafeDigits = 18;  // of any such number fit
  if (v.quoted || !starts_number(v.begin, v.end)) return false;
  if (*v.begin == '-' || v.end - v.begin > kSafeDigits) {
    const auto [end, code] = std::from_chars(v.begin, v.end, out);
    return code == std::errc() && end == v.end;
  }
  int64_t whole = 0;
  for (const char* p = v.begin; p < v.end; ++p) {
    if (!is_digit(*p)) return false;
    whole = 10 * whole + (*p - '0');
  }
  out = whole;
  return true;
}

bool store(const StepField& field, const Value& v, StepRecord& record) {
  switch (field.kind) {
    case StepField::Kind::time: {
      if (!v.quoted) return false;
      const Result<int64_t> time = parse_time_us(v.text());
      if (time.ok()) record.time_us = *time;
      return time.ok();
    }
    case StepField::Kind::whole:
      return to_whole(v, record.*field.whole);
    case StepField::Kind::maybe_whole: {
      int64_t whole = 0;
      if (!to_whole(v, whole)) return false;
      record.*field.maybe_whole = whole;
      return true;
    }
    case StepField::Kind::number: {
      double number = 0;
      if (!to_double(v, number)) return false;
      record.*field.number = number;
      return true;
    }
    case StepField::Kind::text:
      if (!v.quoted) return false;
      (record.*field.text).assign(v.begin, v.end);
      return true;
    case StepField::Kind::flag:
      record.skipped = v.text() == "true";
      return !v.quoted && (record.skipped || v.text() == "false");
    case StepField::Kind::sources:
      break;  // nested
  }
  return false;
}

// The losses by source: one object of plain numbers.
bool take_sources(const char*& p, const char* end, bool wanted, StepRecord& record) {
  while (p < end && (*p == '{' || *p == ',')) {
    Value name, loss;
    double number = 0;
    if (*++p != '"' || !take_value(p, end, name) || p >= end || *p++ != ':') return false;
    if (p >= end || !take_value(p, end, loss)) return false;
    if (wanted) {
      if (!to_double(loss, number)) return false;
      record.source_loss.emplace_back(name.text(), number);
    }
  }
  return p < end && *p++ == '}';
}

// A field's name with the quote and colon behind it, for comparing with three words of text.
struct FieldKey {
  std::array<uint64_t, 3> words{};
  std::array<uint64_t, 3> masks{};
  size_t size = 0;
};
constexpr FieldKey key_of(std::string_view name) {
  FieldKey key;
  key.size = name.size() + 2;
  for (size_t i = 0; i < key.size; ++i) {
    const char c = i < name.size() ? name[i] : i == name.size() ? '"' : ':';
    key.words[i / 8] |= uint64_t{static_cast<uint8_t>(c)} << (i % 8 * 8);
    key.masks[i / 8] |= uint64_t{0xff} << (i % 8 * 8);
  }
  return key;
}
template <size_t... kAt>
constexpr auto all_keys(std::index_sequence<kAt...>) {
  return std::array{key_of(kStepFields[kAt].name)...};
}
constexpr auto kKeys = all_keys(std::make_index_sequence<kStepFields.size()>());
static_assert(std::all_of(kKeys.begin(), kKeys.end(),
                          [](const FieldKey& key) { return key.size <= sizeof key.words; }));
static_assert(sizeof(FieldKey::words) <= TraceParser::kPadding);

// Position of the field whose name stands at `p` with its quote and colon behind, from `guess` on.
size_t find_field(const char* p, size_t guess) {
  const std::array text = {eight_at(p), eight_at(p + 8), eight_at(p + 16)};
  for (size_t i = 0; i < kKeys.size(); ++i) {
    const size_t at = guess + i < kKeys.size() ? guess + i : guess + i - kKeys.size();
    const FieldKey& key = kKeys[at];
    if ((((text[0] ^ key.words[0]) & key.masks[0]) | ((text[1] ^ key.words[1]) & key.masks[1]) |
         ((text[2] ^ key.words[2]) & key.masks[2])) == 0)
      return at;
  }
  return kKeys.size();
}

// Unrolled: it is done for each record.
template <size_t... kAt>
void clear_fields(StepRecord& r, std::index_sequence<kAt...>) {
  const auto clear = [&r]<size_t kField>(std::integral_constant<size_t, kField>) {
    constexpr StepField field = kStepFields[kField];
    if constexpr (field.whole != nullptr) r.*field.whole = 0;
    if constexpr (field.number != nullptr) (r.*field.number).reset();
    if constexpr (field.maybe_whole != nullptr) (r.*field.maybe_whole).reset();
    if constexpr (field.text != nullptr) (r.*field.text).clear();
  };
  r.time_us = 0;
  (clear(std::integral_constant<size_t, kAt>()), ...);
}

}  // namespace

void clear_step(StepRecord& r) {
  clear_fields(r, std::make_index_sequence<kStepFields.size()>());
  r.skipped = false;
  r.source_loss.clear();
}

bool is_step_line(std::string_view line) { return line.starts_with(kHead); }

bool parse_step_line(std::string_view line, uint64_t fields, StepRecord& record) {
  if (!is_step_line(line)) return false;
  const char* p = line.data() + kHead.size();
  const char* end = line.data() + line.size();
  clear_step(record);
  bool has_step = false;
  size_t guess = 0;
  while (p < end && *p++ == '"') {
    const size_t at = find_field(p, guess);
    if (at == kStepFields.size()) return false;
    const StepField& field = kStepFields[at];
    p += kKeys[at].size;
    const bool wanted = (field.mask & fields) != 0;
    if (p < end && field.kind == StepField::Kind::sources && *p == '{') {
      if (!take_sources(p, end, wanted, record)) return false;
    } else {
      Value value;
      if (p >= end || !take_value(p, end, value)) return false;
      if (wanted && !store(field, value, record)) return false;
    }
    guess = at + 1;
    has_step = has_step || field.whole == &StepRecord::step;
    if (p >= end) return false;
    if (*p++ == '}') return has_step && p == end;
  }
  return false;
}

}  // namespace ballast
