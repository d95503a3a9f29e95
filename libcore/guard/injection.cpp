#include "libcore/guard/injection.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr const char* kAccepted =
    "accepted: grad@N:x=F, spike@N:x=F, nan@N[:rank=R], flip@N[:rank=R], rare@N";
constexpr int64_t kMostRanks = 1 << 20;

struct KindName {
  std::string_view name;
  FaultKind kind;
  std::string_view key;  // of its value; empty: takes none
  bool needs_value;
};
constexpr KindName kKinds[] = {{"grad", FaultKind::grad, "x=", true},
                               {"spike", FaultKind::spike, "x=", true},
                               {"nan", FaultKind::nan, "rank=", false},
                               {"flip", FaultKind::flip, "rank=", false},
                               {"rare", FaultKind::rare, "", false}};

// "x=30" or "rank=2" into the fault.
bool take_value(std::string_view value, const KindName& kind, Fault& fault) {
  if (kind.key.empty() || !value.starts_with(kind.key)) return false;
  value.remove_prefix(kind.key.size());
  if (kind.key == "x=") {
    const auto factor = parse_double(value);
    if (factor.ok()) fault.factor = *factor;
    return factor.ok();
  }
  const auto rank = parse_count(value);
  if (!rank.ok() || *rank < 0 || *rank >= kMostRanks) return false;
  fault.rank = *rank;
  return true;
}

Result<Fault> parse_fault(std::string_view text) {
  const Error bad = usage_error(fmt::format("--inject: '{}' is not a fault", text), "", kAccepted);
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return bad;
  const auto* kind = std::ranges::find(kKinds, text.substr(0, at), &KindName::name);
  if (kind == std::end(kKinds)) return bad;
  Fault fault;
  fault.kind = kind->kind;
  const size_t colon = text.find(':', at);
  const bool bare = colon == std::string_view::npos;
  const auto step = parse_count(text.substr(at + 1, bare ? colon : colon - at - 1));
  if (!step.ok() || *step < 1) return bad;
  fault.step = *step;
  if (bare ? kind->needs_value : !take_value(text.substr(colon + 1), *kind, fault)) return bad;
  return fault;
}

}  // namespace

std::string Fault::text() const {
  const std::string on_rank = rank == 0 ? "" : fmt::format(":rank={}", rank);
  switch (kind) {
    case FaultKind::grad:
      return fmt::format("grad@{}:x={}", step, format_double(factor));
    case FaultKind::spike:
      return fmt::format("spike@{}:x={}", step, format_double(factor));
    case FaultKind::nan:
      return fmt::format("nan@{}{}", step, on_rank);
    case FaultKind::flip:
      return fmt::format("flip@{}{}", step, on_rank);
    case FaultKind::rare:
      return fmt::format("rare@{}", step);
  }
  return "";
}

Result<std::vector<Fault>> parse_injection(std::string_view spec) {
  std::vector<Fault> faults;
  if (spec.empty()) return faults;
  for (size_t begin = 0; begin <= spec.size();) {
    const size_t comma = std::min(spec.find(',', begin), spec.size());
    const Fault fault = BALLAST_TRY(parse_fault(spec.substr(begin, comma - begin)));
    const auto same = [&](const Fault& other) { return other.text() == fault.text(); };
    if (std::ranges::any_of(faults, same)) {
      return usage_error(fmt::format("--inject: '{}' is given twice", fault.text()));
    }
    faults.push_back(fault);
    begin = comma + 1;
  }
  return faults;
}

}  // namespace ballast
