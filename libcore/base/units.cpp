#include "libcore/base/units.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace ballast {
namespace {

Error bad(std::string_view text, std::string_view accepted) {
  return usage_error(fmt::format("'{}' is not {}", text, accepted));
}

// The number at the start of `text`; the rest is left in `text`.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// What a suffix multiplies by; 0 for one that is not known.
int64_t factor_of(std::string_view suffix) {
  if (suffix.empty()) return 1;
  if (suffix == "K" || suffix == "k") return 1'000;
  if (suffix == "M") return 1'000'000;
  if (suffix == "G" || suffix == "B") return 1'000'000'000;
  if (suffix == "T") return 1'000'000'000'000;
  if (suffix == "KiB") return int64_t{1} << 10;
  if (suffix == "MiB") return int64_t{1} << 20;
  if (suffix == "GiB") return int64_t{1} << 30;
  if (suffix == "TiB") return int64_t{1} << 40;
  return 0;
}

}  // namespace

Result<int64_t> parse_count(std::string_view text) {
  constexpr std::string_view kAccepted = "a count (like 4096, 0.5M, 4B, 64KiB)";
  // Whole numbers are taken exactly; a double would round those above 2^53.
  int64_t whole = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (code == std::errc() && end == text.data() + text.size() && text[0] != '-') return whole;
  std::string_view rest = text;
  const auto number = take_number(rest);
  const int64_t factor = factor_of(rest);
  if (!number || *number < 0 || factor == 0) return bad(text, kAccepted);
  const double count = std::round(*number * static_cast<double>(factor) * 1e6) / 1e6;
  if (count != std::floor(count) || count >= 0x1p63) return bad(text, kAccepted);
  return static_cast<int64_t>(count);
}

Result<double> parse_seconds(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  double factor = 0;
  if (rest.empty() || rest == "s") factor = 1;
  if (rest == "m") factor = 60;
  if (rest == "h") factor = 3600;
  if (rest == "d") factor = 86400;
  if (!number || *number < 0 || factor == 0)
    return bad(text, "a duration (like 90, 90s, 30m, 2h, 1d)");
  return *number * factor;
}

Result<double> parse_double(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (!number || !rest.empty()) return bad(text, "a finite number");
  return *number;
}

Result<Length> parse_length(std::string_view text) {
  constexpr std::string_view kSteps = "steps";
  const bool steps = text.ends_with(kSteps);
  auto count = parse_count(steps ? text.substr(0, text.size() - kSteps.size()) : text);
  if (!count.ok()) return bad(text, "a length (tokens like 4B, or steps like 1000steps)");
  return Length{*count, steps};
}

std::string format_count(int64_t count) {
  constexpr const char* kSuffix[] = {"", "K", "M", "B", "T"};
  double value = static_cast<double>(count);
  size_t i = 0;
  while (std::abs(value) >= 999.5 && i < 4) {
    value /= 1000;
    ++i;
  }
  return i == 0 ? fmt::format("{}", count) : fmt::format("{:.3g}{}", value, kSuffix[i]);
}

std::string format_bytes(int64_t bytes) {
  constexpr const char* kSuffix[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t i = 0;
  while (std::abs(value) >= 1024 && i < 5) {
    value /= 1024;
    ++i;
  }
  return i == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, kSuffix[i]);
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  if (seconds >= 1e12) return fmt::format("{:.3g}d", seconds / 86400);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

std::string format_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

}  // namespace ballast
