// IP addresses as text, and which of them are of the public internet: not private, loopback, link
// local, shared (RFC 6598), documentation, benchmarking, multicast or reserved (IANA's registries
// of special purpose addresses). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ballast {

using Ipv6 = std::array<uint8_t, 16>;

// Four octets from 0 to 255 without leading zeros.
std::optional<uint32_t> parse_ipv4(std::string_view text);
// RFC 4291, section 2.2, the form with a dotted tail included; no zone, no prefix length.
std::optional<Ipv6> parse_ipv6(std::string_view text);

bool is_public(uint32_t ipv4);
bool is_public(const Ipv6& ipv6);

}  // namespace ballast
