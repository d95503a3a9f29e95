// The dygraphs charting library (MIT licence), taken into the binary from the Debian package
// libjs-dygraphs when it is built, so that a report opens anywhere without a network.
#pragma once

#include <string_view>

namespace ballast {

std::string_view dygraphs_script();
std::string_view dygraphs_style();

}  // namespace ballast
