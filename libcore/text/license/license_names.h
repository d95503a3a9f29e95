// Licences by address and by name; see spdx.h.
#pragma once

#include <string>
#include <string_view>

namespace ballast {

// An identifier of SPDX's list in the list's spelling, or empty. Exceptions are no licences.
std::string_view spdx_license(std::string_view id);
std::string_view spdx_exception(std::string_view id);

// Some identifier begins with this.
bool starts_spdx_license(std::string_view prefix);

// CC-BY with these elements, LicenseRef-CC-BY-... where the list has no such version.
std::string creative_commons(bool nc, bool sa, bool nd, const std::string& version);

// Is an address, or has one: never a name.
bool is_address(std::string_view said);

// The identifier that an address or a name in words means, or empty.
std::string license_of_address(std::string_view address);
std::string license_of_name(std::string_view name);

}  // namespace ballast
