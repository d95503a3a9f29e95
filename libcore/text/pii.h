// Personal data in text, in the mode of the Apertus corpus: e-mail addresses, IPv4 addresses and
// IBANs become the markers <email-pii>, <ip-pii>, <iban-pii>. Decisions equal those of the
// published Apertus formatter, quirks included: IPv4 has no boundaries (version numbers and the
// tails of longer digit runs match, private addresses too), IBANs match only as four groups of four
// digits, and every literal occurrence of a found string is replaced, also inside longer ones.
// Pure; near linear in the text, however many hits there are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

inline constexpr std::string_view kEmailMarker = "<email-pii>";
inline constexpr std::string_view kIpMarker = "<ip-pii>";
inline constexpr std::string_view kIbanMarker = "<iban-pii>";

// Distinct strings found, by kind.
struct PiiCounts {
  int64_t email = 0;
  int64_t ip = 0;
  int64_t iban = 0;
  int64_t total() const { return email + ip + iban; }
};

// Matches from left to right that do not overlap; views into `text`.
std::vector<std::string_view> find_emails(std::string_view text);
std::vector<std::string_view> find_ipv4(std::string_view text);
std::vector<std::string_view> find_ibans(std::string_view text);

// Redacts `text` in place: e-mails, then addresses, then IBANs, each kind searched in the text that
// the kinds before it left.
PiiCounts redact_pii(std::string& text);

}  // namespace ballast
