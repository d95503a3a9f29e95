#include "libcore/text/ip_address.h"

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

constexpr uint32_t quad(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

struct Block {
  uint32_t first;
  int bits;
};
constexpr Block kSpecial[] = {
    {quad(0, 0, 0, 0), 8},                                    // this network
    {quad(10, 0, 0, 0), 8},                                   // private
    {quad(100, 64, 0, 0), 10},                                // shared by carriers
    {quad(127, 0, 0, 0), 8},                                  // loopback
    {quad(169, 254, 0, 0), 16},                               // link local
    {quad(172, 16, 0, 0), 12},                                // private
    {quad(192, 0, 0, 0), 24},                                 // protocol assignments
    {quad(192, 0, 2, 0), 24},                                 // documentation
    {quad(192, 168, 0, 0), 16},                               // private
    {quad(198, 18, 0, 0), 15},                                // benchmarking
    {quad(198, 51, 100, 0), 24}, {quad(203, 0, 113, 0), 24},  // documentation
    {quad(224, 0, 0, 0), 3},                                  // multicast, reserved, broadcast
};

// Up to four hexadecimal digits at the front of `text`; false where there is none or there are
// more.
bool take_group(std::string_view& text, uint16_t& group) {
  size_t digits = 0;
  uint32_t value = 0;
  while (digits < text.size() && hex_digit(text[digits]) >= 0) {
    if (digits == 4) return false;
    value = value * 16 + static_cast<uint32_t>(hex_digit(text[digits++]));
  }
  text.remove_prefix(digits);
  group = static_cast<uint16_t>(value);
  return digits > 0;
}

// The groups of one address, and before which of them "::" stands.
struct Groups {
  std::array<uint16_t, 8> values{};
  size_t count = 0;
  std::optional<size_t> gap;

  bool take_dotted(std::string_view text) {
    const std::optional<uint32_t> tail = count <= 6 ? parse_ipv4(text) : std::nullopt;
    if (!tail) return false;
    values[count++] = static_cast<uint16_t>(*tail >> 16);
    values[count++] = static_cast<uint16_t>(*tail & 0xFFFF);
    return true;
  }

  bool take_all(std::string_view text) {
    if (text.starts_with("::")) {
      gap = 0;
      text.remove_prefix(2);
    }
    while (!text.empty()) {
      const std::string_view rest = text;
      if (count == 8) return false;
      if (!take_group(text, values[count])) return false;
      if (text.starts_with('.')) return take_dotted(rest);
      ++count;
      if (text.empty()) break;
      if (text.starts_with("::")) {
        if (gap) return false;
        gap = count;
        text.remove_prefix(2);
      } else {
        if (text.size() < 2 || text[0] != ':') return false;
        text.remove_prefix(1);
      }
    }
    return true;
  }
};

}  // namespace

std::optional<uint32_t> parse_ipv4(std::string_view text) {
  uint32_t address = 0;
  for (int i = 0; i < 4; ++i) {
    size_t digits = 0;
    uint32_t octet = 0;
    while (digits < text.size() && digits < 3 && is_ascii_digit(text[digits])) {
      octet = octet * 10 + static_cast<uint32_t>(text[digits++] - '0');
    }
    if (digits == 0 || octet > 255 || (digits > 1 && text[0] == '0')) return {};
    address = address << 8 | octet;
    text.remove_prefix(digits);
    if (i == 3) break;
    if (!text.starts_with('.')) return {};
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(address) : std::nullopt;
}

std::optional<Ipv6> parse_ipv6(std::string_view text) {
  Groups groups;
  if (text.size() < 2 || !groups.take_all(text)) return {};
  if (groups.gap ? groups.count > 7 : groups.count != 8) return {};
  const size_t gap = groups.gap.value_or(groups.count);
  Ipv6 address{};
  for (size_t i = 0; i < groups.count; ++i) {
    const size_t at = i < gap ? i : i + 8 - groups.count;
    address[2 * at] = static_cast<uint8_t>(groups.values[i] >> 8);
    address[2 * at + 1] = static_cast<uint8_t>(groups.values[i] & 0xFF);
  }
  return address;
}

bool is_public(uint32_t ipv4) {
  return std::none_of(std::begin(kSpecial), std::end(kSpecial), [&](const Block& block) {
    return (ipv4 ^ block.first) >> (32 - block.bits) == 0;
  });
}

bool is_public(const Ipv6& ipv6) {
  constexpr Ipv6 kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::equal(kMapped.begin(), kMapped.begin() + 12, ipv6.begin())) {
    return is_public(quad(ipv6[12], ipv6[13], ipv6[14], ipv6[15]));
  }
  if (ipv6[0] >> 5 != 1) return false;  // global unicast is 2000::/3
  const bool documentation =
      (ipv6[0] == 0x20 && ipv6[1] == 0x01 && ipv6[2] == 0x0D && ipv6[3] == 0xB8) ||
      (ipv6[0] == 0x3F && ipv6[1] == 0xFF && ipv6[2] >> 4 == 0);
  return !documentation;
}

}  // namespace ballast
