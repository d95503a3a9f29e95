#include "libcore/guard/injection.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr const char* kAccepted = "accepted: grad@N:x=F, spike@N:x=F, nan@N";

Result<Fault> parse_fault(std::string_view text) {
  const Error bad = usage_error(fmt::format("--inject: '{}' is not a fault", text), "", kAccepted);
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return bad;
  const std::string_view name = text.substr(0, at);
  const size_t colon = text.find(':', at);
  Fault fault;
  if (name == "grad") {
    fault.kind = FaultKind::grad;
  } else if (name == "spike") {
    fault.kind = FaultKind::spike;
  } else if (name == "nan") {
    fault.kind = FaultKind::nan;
  } else if (name == "flip" || name == "rare") {
    return usage_error(fmt::format("--inject: '{}' is not built", name), "", kAccepted);
  } else {
    return bad;
  }
  const auto step =
      parse_count(text.substr(at + 1, colon == std::string_view::npos ? colon : colon - at - 1));
  if (!step.ok() || *step < 1) return bad;
  fault.step = *step;
  const bool wants_factor = fault.kind != FaultKind::nan;
  if (wants_factor != (colon != std::string_view::npos)) return bad;
  if (!wants_factor) return fault;
  const std::string_view value = text.substr(colon + 1);
  if (!value.starts_with("x=")) return bad;
  const auto factor = parse_double(value.substr(2));
  if (!factor.ok()) return bad;
  fault.factor = *factor;
  return fault;
}

}  // namespace

std::string Fault::text() const {
  switch (kind) {
    case FaultKind::grad:
      return fmt::format("grad@{}:x={}", step, format_double(factor));
    case FaultKind::spike:
      return fmt::format("spike@{}:x={}", step, format_double(factor));
    case FaultKind::nan:
      return fmt::format("nan@{}", step);
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
