// What a page's markup says about its licence: candidates with the way in which they are said.
#pragma once

#include <string>
#include <vector>

namespace ballast {

// From the strongest to the weakest: <a> and <link rel=license>; schema.org's "license" as
// microdata, RDFa or JSON-LD; <meta name="license"> and Dublin Core's rights; a plain link to
// Creative Commons, which may as well be about an image.
enum class LicenseSource { rel, schema, meta, link };

struct LicenseClaim {
  LicenseSource source = LicenseSource::rel;
  std::string value;  // an address or words, as written
};

inline constexpr size_t kMaxLicenseClaims = 64;  // different licences of one source

// The licence of the page: an SPDX expression of what the strongest source says that is recognised
// at all (several licences of one source count together: AND; of more than kMaxLicenseClaims that
// there are too many, which no policy recognises), else the first value of a source other than a
// plain link, else nothing.
std::string claimed_license(const std::vector<LicenseClaim>& claims);

}  // namespace ballast
