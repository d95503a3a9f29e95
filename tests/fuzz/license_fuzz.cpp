// Any text as a licence and as a policy: an expression that was made is made of itself again, and
// is satisfied by everything and nothing as it must be; a policy that is read judges without
// falling.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/license/license_policy.h"
#include "libcore/text/license/spdx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string license = ballast::normalized_license(text);
  if (!license.empty()) {
    BALLAST_CHECK(license.size() > ballast::kMaxLicenseText ||
                  ballast::normalized_license(license) == license);
    BALLAST_CHECK(ballast::license_satisfies(license, [](std::string_view) { return true; }));
    BALLAST_CHECK(!ballast::license_satisfies(license, [](std::string_view) { return false; }));
  }
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
