#include "libcore/text/pii.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/io/utf8.h"
#include "libcore/text/pii_apertus.h"
#include "libcore/text/pii_strict.h"

namespace ballast {
namespace {

struct ActionName {
  std::string_view name;
  PiiAction action;
};
constexpr ActionName kActions[] = {{"off", PiiAction::off},
                                   {"keep", PiiAction::keep},
                                   {"redact", PiiAction::redact},
                                   {"drop", PiiAction::drop}};

Result<PiiAction> parse_action(std::string_view word, const std::string& where) {
  for (const ActionName& known : kActions) {
    if (word == known.name) return known.action;
  }
  return usage_error(fmt::format("unknown action '{}'", printable(word)), where,
                     "accepted: redact, drop, keep, off");
}

}  // namespace

const char* pii_kind_name(PiiKind kind) {
  constexpr const char* kNames[] = {"email", "ip", "iban"};
  return kNames[static_cast<size_t>(kind)];
}

bool PiiPolicy::asks(PiiAction action) const {
  return std::find(actions.begin(), actions.end(), action) != actions.end();
}

int64_t& PiiCounts::operator[](PiiKind kind) {
  return kind == PiiKind::email ? email : kind == PiiKind::ip ? ip : iban;
}

Result<OfPiiKinds<PiiAction>> parse_pii_actions(std::string_view spec, const std::string& where) {
  OfPiiKinds<PiiAction> actions = PiiPolicy().actions;
  while (true) {
    const size_t comma = std::min(spec.find(','), spec.size());
    const std::string_view item = spec.substr(0, comma);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      actions.fill(BALLAST_TRY(parse_action(item, where)));
    } else {
      const std::string_view name = item.substr(0, equals);
      const auto kind = std::find_if(kPiiKinds.begin(), kPiiKinds.end(),
                                     [&](PiiKind known) { return name == pii_kind_name(known); });
      if (kind == kPiiKinds.end()) {
        return usage_error(fmt::format("unknown kind '{}'", printable(name)), where,
                           "accepted: email, ip, iban");
      }
      actions[*kind] = BALLAST_TRY(parse_action(item.substr(equals + 1), where));
    }
    if (comma == spec.size()) return actions;
    spec.remove_prefix(comma + 1);
  }
}

PiiFindings apply_pii(std::string& text, const PiiPolicy& policy) {
  if (policy.off()) return {};
  PiiFindings findings;
  findings.counts = policy.mode == PiiMode::apertus ? redact_as_apertus(text, policy)
                                                    : redact_strictly(text, policy);
  for (const PiiKind kind : kPiiKinds) {
    const bool found = findings.counts[kind] > 0;
    findings.dropped = findings.dropped || (found && policy.actions[kind] == PiiAction::drop);
  }
  return findings;
}

PiiCounts redact_pii(std::string& text) { return apply_pii(text, PiiPolicy()).counts; }

}  // namespace ballast
