#include "libcore/trace/step_line.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "libcore/trace/step_fields.h"

namespace ballast {
namespace {

constexpr std::string_view kHead = "{\"v\":1,\"type\":\"step\",";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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
    while (p < end && *p != '"')
      if (const auto c = static_cast<unsigned char>(*p++); c == '\\' || c < 0x20 || c > 0x7e)
        return false;
    value.end = p;
    return p++ < end;
  }
  value.quoted = false;
  value.begin = p;
  if (*p == '{' || *p == '[') return false;
  while (p < end && *p != ',' && *p != '}') ++p;
  value.end = p;
  return value.begin < value.end;
}

bool starts_number(const Value& v) {
  if (v.quoted) return false;
  const char* p = v.begin + (*v.begin == '-' ? 1 : 0);
  return p < v.end && is_digit(*p) && (*p != '0' || p + 1 == v.end || !is_digit(p[1]));
}

bool to_double(const Value& v, double& out) {
  if (v.quoted) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (v.text() == "NaN") out = std::numeric_limits<double>::quiet_NaN();
    if (v.text() == "Infinity") out = kInfinity;
    if (v.text() == "-Infinity") out = -kInfinity;
    return v.text() == "NaN" || v.text() == "Infinity" || v.text() == "-Infinity";
  }
  if (!starts_number(v) || !is_digit(v.end[-1])) return false;
  const auto [end, code] = std::from_chars(v.begin, v.end, out);
  return code == std::errc() && end == v.end;
}

bool to_whole(const Value& v, int64_t& out) {
  if (!starts_number(v)) return false;
  const auto [end, code] = std::from_chars(v.begin, v.end, out);
  return code == std::errc() && end == v.end;
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

// Position of the field whose name stands at `p` with its quote and colon behind, from `guess` on.
size_t find_field(const char* p, const char* end, size_t guess) {
  const auto left = static_cast<size_t>(end - p);
  for (size_t i = 0; i < kStepFields.size(); ++i) {
    const size_t at = guess + i < kStepFields.size() ? guess + i : guess + i - kStepFields.size();
    const std::string_view name = kStepFields[at].name;
    if (left > name.size() + 2 && std::memcmp(p, name.data(), name.size()) == 0 &&
        p[name.size()] == '"' && p[name.size() + 1] == ':')
      return at;
  }
  return kStepFields.size();
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

bool parse_step_line(std::string_view line, uint64_t fields, StepRecord& record) {
  if (!line.starts_with(kHead)) return false;
  const char* p = line.data() + kHead.size();
  const char* end = line.data() + line.size();
  clear_step(record);
  bool has_step = false;
  size_t guess = 0;
  while (p < end && *p++ == '"') {
    const size_t at = find_field(p, end, guess);
    if (at == kStepFields.size()) return false;
    const StepField& field = kStepFields[at];
    p += field.name.size() + 2;
    Value value;
    if (!take_value(p, end, value)) return false;
    guess = at + 1;
    if ((field.mask & fields) != 0 && !store(field, value, record)) return false;
    has_step = has_step || field.whole == &StepRecord::step;
    if (p >= end) return false;
    if (*p++ == '}') return has_step && p == end;
  }
  return false;
}

}  // namespace ballast
