// Which licences a corpus may hold. A policy is written in clauses with ';' between them:
//
//   allow:LIST       licences that may stay; what is not on a list goes
//   deny:LIST        licences that go, whatever is allowed
//   unknown=keep     documents that say nothing about their licence, or nothing that is recognised
//           |drop    (default: keep, or drop where something is allowed)
//
// A LIST has SPDX identifiers and names of presets, separated by commas. A "*" at the end stands
// for a version and what follows it, so that CC-BY-* has CC-BY-4.0 and not CC-BY-NC-4.0; "*" alone
// is every recognised licence. A LIST without word before it is allowed. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class LicenseOutcome { allowed, missing, unrecognised, denied };
const char* license_outcome_name(LicenseOutcome outcome);

struct LicenseVerdict {
  LicenseOutcome outcome = LicenseOutcome::allowed;
  bool kept = true;
  std::string expression;  // SPDX; empty where nothing was recognised
};

class LicensePolicy {
 public:
  static Result<LicensePolicy> parse(std::string_view spec, const std::string& where);
  bool empty() const { return !given_; }
  LicenseVerdict judge(std::string_view said) const;

 private:
  bool allows(std::string_view id) const;
  std::vector<std::string> allowed_, denied_;
  bool given_ = false, keep_unknown_ = true;
};

// Names of the presets, in alphabetical order.
std::vector<std::string> license_presets();

}  // namespace ballast
