// What a report carries in itself, taken into the binary when it is built: the dygraphs charting
// library (MIT licence, from the Debian package libjs-dygraphs), and report.js and report.css of
// this folder. So a report opens anywhere without a network.
#pragma once

#include <string_view>

namespace ballast {

std::string_view dygraphs_script();
std::string_view dygraphs_style();
std::string_view report_script();
std::string_view report_style();

}  // namespace ballast
