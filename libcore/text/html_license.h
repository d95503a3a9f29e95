// Finds what a parsed page says about its licence.
#pragma once

#include <gumbo.h>

#include <vector>

#include "libcore/text/license/license_claim.h"

namespace ballast {

// Walks the whole tree, whose depth is bounded by the caller. Values are valid UTF-8 of at most
// kMaxLicenseText bytes, longer ones are passed over; no claim is there twice, and of one source
// there are at most kMaxLicenseClaims.
void collect_license_claims(const GumboNode& root, std::vector<LicenseClaim>& claims);

}  // namespace ballast
