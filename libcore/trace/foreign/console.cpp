#include "libcore/trace/foreign/console.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

constexpr char kEscape = '\x1b';

// `line` without ECMA-48 control sequences ("ESC [ parameters letter") and other two-byte escapes.
void strip_escapes(std::string_view line, std::string& plain) {
  plain.clear();
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != kEscape) {
      plain.push_back(line[i]);
      continue;
    }
    if (++i >= line.size() || line[i] != '[') continue;
    while (++i < line.size() && !(line[i] >= '@' && line[i] <= '~')) {
    }
  }
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

}  // namespace

std::string_view ConsoleLines::take(size_t size) {
  const std::string_view line = rest_.substr(0, size);
  if (line.empty() || std::memchr(line.data(), kEscape, line.size()) == nullptr) return line;
  strip_escapes(line, plain_);
  return plain_;
}

Result<std::optional<std::string_view>> ConsoleLines::next() {
  while (true) {
    if (!open_) {
      const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
      if (!line) return std::optional<std::string_view>();
      rest_ = *line;
      open_ = true;
    }
    const void* cr = rest_.empty() ? nullptr : std::memchr(rest_.data(), '\r', rest_.size());
    if (cr == nullptr) {
      open_ = false;
      if (lines_.last_line_complete()) return std::optional(take(rest_.size()));
      torn_ = torn_ || !rest_.empty();
      continue;
    }
    const auto size = static_cast<size_t>(static_cast<const char*>(cr) - rest_.data());
    const std::string_view line = take(size);
    rest_.remove_prefix(size + 1);
    // The usual CR LF.
    if (rest_.empty()) open_ = false;
    return std::optional(line);
  }
}

Result<bool> NamedConsole::read_more() {
  const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
  if (line) {
    take_line(*line);
    return true;
  }
  finish_step();
  if (!queue_.empty()) return true;
  notes_.truncated = lines_.torn();
  notes_.norm_tick = tick_.tick();
  BALLAST_TRY(names_.check_mapped(lines_.name()));
  return false;
}

bool RepeatedSteps::is_repeat(const StepRecord& record) {
  constexpr int64_t kSeconds = 10'000'000;
  constexpr size_t kSteps = 2;
  const Seen now{record.step, record.time_us, record.loss.value_or(-1),
                 record.grad_norm.value_or(-1)};
  for (size_t back = 0; back < kRemembered; ++back) {
    const Seen& seen = seen_[(newest_ + kRemembered - back) % kRemembered];
    if (seen.step != now.step || !same_bits(seen.loss, now.loss) ||
        !same_bits(seen.grad_norm, now.grad_norm))
      continue;
    const bool timed = seen.time_us != 0 && now.time_us != 0;
    if (timed ? std::abs(seen.time_us - now.time_us) <= kSeconds : back < kSteps) return true;
  }
  newest_ = (newest_ + 1) % kRemembered;
  seen_[newest_] = now;
  return false;
}

void DecimalTick::add(std::string_view number) {
  const size_t point = number.find('.');
  if (point == std::string_view::npos) return;
  size_t end = point + 1;
  while (end < number.size() && is_ascii_digit(number[end])) ++end;
  exponent_ = exponent_ || (end < number.size() && ascii_lower(number[end]) == 'e');
  decimals_ = std::max(decimals_, static_cast<int>(std::min<size_t>(end - point - 1, 20)));
}

double DecimalTick::tick() const {
  return decimals_ < 0 || exponent_ ? 0 : std::pow(10.0, -decimals_);
}

std::optional<int64_t> time_in_prefix(std::string_view prefix) {
  constexpr size_t kSeconds = 19;  // "2025-01-31 12:00:00"
  for (size_t i = 0; i + kSeconds <= prefix.size(); ++i) {
    if (!is_ascii_digit(prefix[i])) continue;
    const std::string_view text = prefix.substr(i);
    if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') continue;
    char time[kSeconds + 7];
    std::copy_n(text.begin(), kSeconds, time);
    size_t size = kSeconds;
    if (text.size() > kSeconds + 1 && (text[kSeconds] == '.' || text[kSeconds] == ',') &&
        is_ascii_digit(text[kSeconds + 1])) {
      time[size++] = '.';
      while (size < sizeof time && size < text.size() && is_ascii_digit(text[size])) {
        time[size] = text[size];
        ++size;
      }
    }
    return time_us_in(std::string_view(time, size));
  }
  return std::nullopt;
}

size_t read_number(std::string_view text, double& value) {
  // Exact: a whole number below 2^53 by a power of ten below 10^22 is one rounded division.
  constexpr size_t kDigits = 15;
  constexpr double kPowers[kDigits + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int64_t digits = 0;
  size_t i = 0, point = 0;
  for (; i < text.size() && i <= kDigits; ++i) {
    if (is_ascii_digit(text[i])) {
      digits = digits * 10 + (text[i] - '0');
    } else if (text[i] == '.' && point == 0 && i > 0) {
      point = i;
    } else {
      break;
    }
  }
  const bool ends = i == text.size() || text[i] == ' ' || text[i] == '|';
  if (ends && i > point + 1 && i <= kDigits) {
    const size_t decimals = point == 0 ? 0 : i - point - 1;
    value = static_cast<double>(digits) / kPowers[decimals];
    return i;
  }
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() ? static_cast<size_t>(end - text.data()) : 0;
}

std::optional<int64_t> take_whole(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

}  // namespace ballast
