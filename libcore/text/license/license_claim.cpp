#include "libcore/text/license/license_claim.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/text/license/spdx.h"

namespace ballast {

std::string claimed_license(const std::vector<LicenseClaim>& claims) {
  std::vector<std::string> found;
  LicenseSource strongest = LicenseSource::link;
  for (const LicenseClaim& claim : claims) {
    std::string license = normalized_license(claim.value);
    if (license.empty() || (!found.empty() && claim.source > strongest)) continue;
    if (found.empty() || claim.source < strongest) found.clear();
    strongest = claim.source;
    if (std::find(found.begin(), found.end(), license) == found.end())
      found.push_back(std::move(license));
  }
  if (found.empty()) {
    const auto named = std::find_if(claims.begin(), claims.end(), [](const LicenseClaim& claim) {
      return claim.source != LicenseSource::link && !claim.value.empty();
    });
    return named == claims.end() ? std::string() : named->value;
  }
  if (found.size() > kMaxLicenseClaims)
    return fmt::format("more than {} licences", kMaxLicenseClaims);
  return joined_licenses(found);
}

}  // namespace ballast
