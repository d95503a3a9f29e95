// Any text as a licence, as what a page claims line by line, and as a policy: an expression that
// was made is made of itself again, and is satisfied by everything and nothing as it must be; a
// policy that is read judges without falling.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/text/license/license_claim.h"
#include "libcore/text/license/license_policy.h"
#include "libcore/text/license/spdx.h"

namespace {

// What several claims make together is not satisfied where no licence is allowed.
void claim_lines(std::string_view text) {
  std::vector<ballast::LicenseClaim> claims;
  while (!text.empty() && claims.size() < ballast::kMaxLicenseClaims) {
    const size_t end = std::min(text.find('\n'), text.size());
    claims.push_back({ballast::LicenseSource::rel, std::string(text.substr(0, end))});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const std::string claimed = ballast::claimed_license(claims);
  BALLAST_CHECK(!ballast::license_satisfies(claimed, [](std::string_view) { return false; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string license = ballast::normalized_license(text);
  if (!license.empty()) {
    BALLAST_CHECK(license.size() > ballast::kMaxLicenseText ||
                  ballast::normalized_license(license) == license);
    BALLAST_CHECK(ballast::license_satisfies(license, [](std::string_view) { return true; }));
    BALLAST_CHECK(!ballast::license_satisfies(license, [](std::string_view) { return false; }));
  }
  claim_lines(text);
  const size_t cut = text.find('\n');
  const ballast::Result<ballast::LicensePolicy> policy =
      ballast::LicensePolicy::parse(text.substr(0, cut), "policy");
  if (policy.ok() && cut != std::string_view::npos) {
    const ballast::LicenseVerdict verdict = policy->judge(text.substr(cut + 1));
    BALLAST_CHECK(verdict.expression.empty() ==
                  (verdict.outcome == ballast::LicenseOutcome::missing ||
                   verdict.outcome == ballast::LicenseOutcome::unrecognised));
  }
  return 0;
}
