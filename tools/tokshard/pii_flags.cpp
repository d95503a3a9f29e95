#include "tools/tokshard/pii_flags.h"

#include <algorithm>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kMaxMarker = 256;

Result<void> set_marker(std::string_view item, PiiPolicy& policy) {
  const size_t equals = item.find('=');
  const auto kind = std::find_if(kPiiKinds.begin(), kPiiKinds.end(), [&](PiiKind known) {
    return item.substr(0, equals) == pii_kind_name(known);
  });
  if (equals == std::string_view::npos || kind == kPiiKinds.end()) {
    return usage_error("not KIND=TEXT", "--pii-marker", "kinds: email, ip, iban");
  }
  const std::string_view marker = item.substr(equals + 1);
  if (marker.size() > kMaxMarker || !is_valid_utf8(marker)) {
    return usage_error("a marker is at most 256 bytes of UTF-8", "--pii-marker");
  }
  policy.markers[*kind] = marker;
  return {};
}

}  // namespace

void add_pii_flags(CLI::App& app, PiiFlags& flags) {
  choice_option(app.add_option("--pii", flags.actions,
                               "e-mail, IP, IBAN: an action for all, or KIND=ACTION,... (redact)"),
                {"redact", "drop", "keep", "off"},
                [](const std::string& spec) { return parse_pii_actions(spec, "--pii").ok(); });
  choice_option(app.add_option("--pii-mode", flags.mode,
                               "how they are found: as Apertus did, or strictly as whole words "
                               "(apertus)"),
                {"apertus", "strict"});
  choice_option(app.add_option("--pii-addresses", flags.addresses,
                               "IP addresses that count (all; in mode strict public)"),
                {"public", "all"});
  app.add_option("--pii-marker", flags.markers,
                 "KIND=TEXT: what replaces a kind (<email-pii>, <ip-pii>, <iban-pii>)");
}

Result<PiiPolicy> pii_policy(const PiiFlags& flags) {
  PiiPolicy policy;
  policy.actions = BALLAST_TRY(parse_pii_actions(flags.actions, "--pii"));
  const bool strict = flags.mode == "strict";
  policy.mode = strict ? PiiMode::strict : PiiMode::apertus;
  policy.public_addresses_only = flags.addresses.empty() ? strict : flags.addresses == "public";
  for (const std::string& marker : flags.markers) BALLAST_TRY(set_marker(marker, policy));
  return policy;
}

}  // namespace ballast
