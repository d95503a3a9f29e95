// Personal data in text: e-mail addresses, IP addresses and IBANs, each kind left alone, counted,
// replaced by its marker, or reason enough to drop the document. Two ways to find them:
//
// `apertus`: the decisions of the published Apertus formatter, quirks included: IPv4 alone and
// without boundaries (version numbers and the tails of longer digit runs match, private addresses
// too), IBANs only as four groups of four digits, and every literal occurrence of a found string is
// replaced, also inside longer ones.
//
// `strict`: one pass from left to right over whole words (pii_strict.h): nothing longer is damaged,
// IPv6 too, IBANs of every country whose check digits are right.
//
// Pure; near linear in the text, however many hits there are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class PiiKind { email, ip, iban };
inline constexpr std::array<PiiKind, 3> kPiiKinds = {PiiKind::email, PiiKind::ip, PiiKind::iban};
const char* pii_kind_name(PiiKind kind);

// Of each kind, in the order of kPiiKinds.
template <class T>
struct OfPiiKinds : std::array<T, 3> {
  T& operator[](PiiKind kind) { return this->at(static_cast<size_t>(kind)); }
  const T& operator[](PiiKind kind) const { return this->at(static_cast<size_t>(kind)); }
};

inline constexpr std::string_view kEmailMarker = "<email-pii>";
inline constexpr std::string_view kIpMarker = "<ip-pii>";
inline constexpr std::string_view kIbanMarker = "<iban-pii>";

// `off` does not look for the kind, `keep` counts it, `drop` rejects the document.
enum class PiiAction { off, keep, redact, drop };
enum class PiiMode { apertus, strict };

struct PiiPolicy {
  PiiMode mode = PiiMode::apertus;
  bool public_addresses_only = false;
  OfPiiKinds<PiiAction> actions{{PiiAction::redact, PiiAction::redact, PiiAction::redact}};
  OfPiiKinds<std::string> markers{
      {std::string(kEmailMarker), std::string(kIpMarker), std::string(kIbanMarker)}};

  bool asks(PiiAction action) const;  // of any kind
  bool off() const { return actions == OfPiiKinds<PiiAction>{}; }
};

// "redact", "ip=keep,iban=drop", "off,email=redact": items from left to right, a word alone is for
// all kinds. `where` is the flag.
Result<OfPiiKinds<PiiAction>> parse_pii_actions(std::string_view spec, const std::string& where);

// Distinct strings found, by kind.
struct PiiCounts {
  int64_t email = 0;
  int64_t ip = 0;
  int64_t iban = 0;
  int64_t total() const { return email + ip + iban; }
  int64_t& operator[](PiiKind kind);

  // For json_counts.h.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("email", self.email);
    field("ip", self.ip);
    field("iban", self.iban);
  }
};

struct PiiFindings {
  PiiCounts counts;
  bool dropped = false;  // by a kind whose action is drop; the text is then half redacted
};

// Replaces in place what the policy redacts.
PiiFindings apply_pii(std::string& text, const PiiPolicy& policy);

// The way `apertus`. Matches from left to right that do not overlap; views into `text`.
std::vector<std::string_view> find_emails(std::string_view text);
std::vector<std::string_view> find_ipv4(std::string_view text);
std::vector<std::string_view> find_ibans(std::string_view text);

// Redacts with the default policy.
PiiCounts redact_pii(std::string& text);

}  // namespace ballast
