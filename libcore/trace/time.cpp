#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "libcore/trace/record.h"

namespace ballast {
namespace {

constexpr int64_t kMicros = 1000000;
constexpr int64_t kFirstMinute = int64_t{-719528} * 1440;  // of the year 0
constexpr int64_t kEndMinute =
    int64_t{2932897} * 1440 - 1;  // in the year 9999, a leap second kept in

// `count` digits at the start of `text`, which loses them.
std::optional<int> take_digits(std::string_view& text, size_t count) {
  int value = 0;
  if (text.size() < count) return std::nullopt;
  const auto [end, code] = std::from_chars(text.data(), text.data() + count, value);
  if (code != std::errc() || end != text.data() + count || value < 0) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// ".123456789" -> microseconds; nothing there is 0.
std::optional<int64_t> take_fraction(std::string_view& text) {
  if (!take_char(text, '.')) return 0;
  int64_t micros = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits++ < 6) micros = micros * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

// "Z" or "+01:30", in minutes.
std::optional<int> take_offset(std::string_view& text) {
  if (take_char(text, 'Z')) return 0;
  const bool minus = take_char(text, '-');
  if (!minus && !take_char(text, '+')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take_char(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes) return std::nullopt;
  return (minus ? -1 : 1) * (*hours * 60 + *minutes);
}

struct DayTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int64_t micros = 0;
  int offset = 0;  // of the clock, in minutes
};

std::optional<int64_t> since_1970(const DayTime& t) {
  const std::chrono::year_month_day date{std::chrono::year(t.year),
                                         std::chrono::month(static_cast<unsigned>(t.month)),
                                         std::chrono::day(static_cast<unsigned>(t.day))};
  if (!date.ok() || t.hour > 23 || t.minute > 59 || t.second > 60) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t minutes = (days * 24 + t.hour) * 60 + t.minute - t.offset;
  if (minutes < kFirstMinute || minutes >= kEndMinute) return std::nullopt;  // offsets reach out
  return (minutes * 60 + t.second) * kMicros + t.micros;
}

// As format_time_us writes it: about every time there is to read.
std::optional<int64_t> parse_own_time(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000Z";
  if (text.size() != kForm.size()) return std::nullopt;
  bool fits = true;
  for (size_t i = 0; i < kForm.size(); ++i)
    fits &= kForm[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == kForm[i];
  if (!fits) return std::nullopt;
  const auto number = [&](size_t begin, size_t end) {
    int value = 0;
    for (size_t i = begin; i < end; ++i) value = 10 * value + (text[i] - '0');
    return value;
  };
  return since_1970({number(0, 4), number(5, 7), number(8, 10), number(11, 13), number(14, 16),
                     number(17, 19), number(20, 26)});
}

std::optional<int64_t> parse_time(std::string_view text) {
  const auto year = take_digits(text, 4);
  const bool dash1 = take_char(text, '-');
  const auto month = take_digits(text, 2);
  const bool dash2 = take_char(text, '-');
  const auto day = take_digits(text, 2);
  if (!year || !month || !day || !dash1 || !dash2) return std::nullopt;
  if (!take_char(text, 'T') && !take_char(text, ' ')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  const bool colon1 = take_char(text, ':');
  const auto minute = take_digits(text, 2);
  const bool colon2 = take_char(text, ':');
  const auto second = take_digits(text, 2);
  if (!hour || !minute || !second || !colon1 || !colon2) return std::nullopt;
  const auto micros = take_fraction(text);
  const auto offset = take_offset(text);
  if (!micros || !offset || !text.empty()) return std::nullopt;
  return since_1970({*year, *month, *day, *hour, *minute, *second, *micros, *offset});
}

}  // namespace

std::string format_time_us(int64_t time_us) {
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds(time_us)};
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const int64_t micros = (time - day).count();
  const int64_t seconds = micros / kMicros;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     seconds / 3600, seconds / 60 % 60, seconds % 60, micros % kMicros);
}

Result<int64_t> parse_time_us(std::string_view text) {
  std::optional<int64_t> time = parse_own_time(text);
  if (!time) time = parse_time(text);
  if (!time) return corrupt_error(fmt::format("'{}' is not a time", text), "", "RFC 3339");
  return *time;
}

int64_t wall_clock_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace ballast
