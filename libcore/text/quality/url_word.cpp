// The published URL pattern that spaCy adapted, as a scan: optional scheme, optional user, host by
// name or public IPv4 address, optional port, optional rest. The pattern may take the user up to
// any
// '@', so every host that could follow is tried; each try ends at the next character that no host
// has, which keeps the whole linear.
#include <algorithm>
#include <array>

#include "libcore/base/ascii.h"
#include "libcore/text/quality/word_class.h"
#include "libcore/text/quality/words.h"

namespace ballast {
namespace {

bool is_host_char(const TextChar& c) {
  return c.point < 0x80 ? is_ascii_alnum(static_cast<char>(c.point))
                        : c.point >= 0xA1 && c.point <= 0xFFFF;
}

// One to three decimal digits; the pattern takes any script where it does not spell them out.
struct Octet {
  int digits = 0;
  std::array<int, 3> value{};  // -1: a digit of another script
};
bool read_octet(std::string_view part, Octet& octet, const uint32_t* masks) {
  octet.digits = 0;
  while (!part.empty()) {
    const TextChar c = text_char(part, 0, masks);
    if ((c.mask & kDigit) == 0 || octet.digits == 3) return false;
    octet.value[static_cast<size_t>(octet.digits++)] =
        c.point < 0x80 ? static_cast<int>(c.point - '0') : -1;
    part.remove_prefix(c.bytes);
  }
  return octet.digits > 0;
}

// 100 to 199, and 200 to 2`last`.
bool three_digits(const Octet& o, int last) {
  const auto& v = o.value;
  if (v[0] == 1) return true;
  if (v[0] != 2) return false;
  if (v[1] >= 0 && v[1] < last / 10) return true;
  return v[1] == last / 10 && v[2] >= 0 && v[2] <= last % 10;
}

bool first_octet(const Octet& o) {
  const auto& v = o.value;
  if (o.digits < 3) return v[0] >= 1;
  if (v[0] == 1) return true;
  return v[0] == 2 && (v[1] == 0 || v[1] == 1 || (v[1] == 2 && v[2] >= 0 && v[2] <= 3));
}

bool middle_octet(const Octet& o) { return o.digits < 3 || three_digits(o, 55); }

bool last_octet(const Octet& o) {
  if (o.digits < 3) return o.value[0] >= 1;
  return three_digits(o, 54);
}

bool is_private(const std::array<Octet, 4>& parts) {
  const auto equals = [&](size_t i, int number) {
    int value = 0;
    for (int d = 0; d < parts[i].digits; ++d) {
      const int digit = parts[i].value[static_cast<size_t>(d)];
      if (digit < 0 || (d == 0 && digit == 0)) return false;
      value = value * 10 + digit;
    }
    return value == number;
  };
  if (equals(0, 10) || equals(0, 127)) return true;
  if ((equals(0, 169) && equals(1, 254)) || (equals(0, 192) && equals(1, 168))) return true;
  if (!equals(0, 172) || parts[1].digits != 2) return false;
  const auto& v = parts[1].value;
  return (v[0] == 1 && v[1] >= 6) || v[0] == 2 || (v[0] == 3 && (v[1] == 0 || v[1] == 1));
}

bool is_public_address(std::string_view host, const uint32_t* masks) {
  std::array<Octet, 4> parts;
  for (size_t i = 0; i < 4; ++i) {
    const size_t dot = host.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return false;
    if (!read_octet(host.substr(0, dot), parts[i], masks)) return false;
    host.remove_prefix(std::min(dot, host.size() - 1) + 1);
  }
  return !is_private(parts) && first_octet(parts[0]) && middle_octet(parts[1]) &&
         middle_octet(parts[2]) && last_octet(parts[3]);
}

bool is_label(std::string_view label, const uint32_t* masks) {
  int64_t chars = 0;
  bool good = false;  // the last character may end it
  while (!label.empty()) {
    const TextChar c = text_char(label, 0, masks);
    good = is_host_char(c);
    if (!good && (chars == 0 || (c.point != '-' && c.point != '_'))) return false;
    label.remove_prefix(c.bytes);
    ++chars;
  }
  return good && chars <= 64;
}

bool is_top_level(std::string_view name, const uint32_t* masks) {
  int64_t chars = 0;
  while (!name.empty()) {
    const TextChar c = text_char(name, 0, masks);
    if ((c.mask & kAlphaLower) == 0) return false;
    name.remove_prefix(c.bytes);
    ++chars;
  }
  return chars >= 2 && chars <= 63;
}

bool is_host_name(std::string_view host, const uint32_t* masks) {
  const size_t last = host.rfind('.');
  if (last == std::string_view::npos || !is_top_level(host.substr(last + 1), masks)) return false;
  for (std::string_view labels = host.substr(0, last);;) {
    const size_t dot = labels.find('.');
    if (!is_label(labels.substr(0, dot), masks)) return false;
    if (dot == std::string_view::npos) return true;
    labels.remove_prefix(dot + 1);
  }
}

// What follows a host: nothing, or a port of two to five digits, then nothing or a path.
bool is_tail(std::string_view rest, const uint32_t* masks) {
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    int digits = 0;
    while (!rest.empty()) {
      const TextChar c = text_char(rest, 0, masks);
      if ((c.mask & kDigit) == 0) break;
      rest.remove_prefix(c.bytes);
      ++digits;
    }
    if (digits < 2 || digits > 5) return false;
  }
  return rest.empty() || rest[0] == '/' || rest[0] == '?' || rest[0] == '#';
}

bool host_follows(std::string_view text, const uint32_t* masks) {
  const size_t end = std::min(text.find_first_of(":/?#@"), text.size());
  const std::string_view host = text.substr(0, end);
  if (!is_tail(text.substr(end), masks)) return false;
  return is_host_name(host, masks) || is_public_address(host, masks);
}

// Length of "scheme://", 0 if there is none.
size_t scheme_size(std::string_view word, const uint32_t* masks) {
  const size_t colon = word.find(':');
  if (colon == std::string_view::npos || !word.substr(colon).starts_with("://")) return 0;
  int64_t chars = 0;
  for (size_t at = 0; at < colon; ++chars) {
    const TextChar c = text_char(word, at, masks);
    const bool accepted =
        (c.mask & kWordChar) != 0 || c.point == '+' || c.point == '-' || c.point == '.';
    if (!accepted) return 0;
    at += c.bytes;
  }
  return chars >= 2 ? colon + 3 : 0;
}

}  // namespace

bool is_url_word(std::string_view word) {
  if (word.find('.') == std::string_view::npos) return false;
  const uint32_t* masks = word_masks();
  if (host_follows(word, masks)) return true;
  const size_t scheme = scheme_size(word, masks);
  if (scheme > 0 && host_follows(word.substr(scheme), masks)) return true;
  for (size_t at = word.find('@', 1); at != std::string_view::npos; at = word.find('@', at + 1)) {
    if (host_follows(word.substr(at + 1), masks)) return true;
  }
  return false;
}

}  // namespace ballast
