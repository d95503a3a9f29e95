// What people write about licences, as SPDX expressions: identifiers and expressions themselves in
// any case and with deprecated names, addresses of licences (creativecommons.org, gnu.org, ...),
// and common names ("CC BY-SA 4.0", "Apache License, Version 2.0", "GPLv3+"). Pure.
//
// Ports of Creative Commons count as the licence they port (by/3.0/de is CC-BY-3.0). What has no
// identifier but a clear meaning is LicenseRef-Public-Domain, or LicenseRef-CC-BY-SA for a Creative
// Commons licence whose version is not said.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

inline constexpr size_t kMaxLicenseText = 4096;  // longer texts are not recognised

// The expression in the list's spelling, operators in capitals; empty: not recognised, or longer
// than kMaxLicenseText in that spelling.
std::string normalized_license(std::string_view said);

// All of these expressions of normalized_license(), of which there is one at least, in one. It is
// longer than kMaxLicenseText where they are.
std::string joined_licenses(const std::vector<std::string>& expressions);

// Of an expression that normalized_license() made: AND needs both sides, OR one of them; a licence
// WITH an exception counts as the licence.
bool license_satisfies(std::string_view expression,
                       const std::function<bool(std::string_view id)>& allows);

}  // namespace ballast
