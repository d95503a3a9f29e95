// Incidents as people read them.
#pragma once

#include <string>
#include <vector>

#include "libcore/guard/incidents.h"

namespace ballast {

// "3.41" with four significant digits; "-" when there is none.
std::string short_number(double value);
// The text, or "not recorded" when it is empty.
std::string recorded(const std::string& text);
// Tokens consumed during the incident; "-" when the log does not count tokens.
std::string tokens_cell(const RunIncident& incident);
// One incident in one sentence: what, where, how bad, how it ended.
std::string incident_sentence(const RunIncident& incident);
// A table with a header, one line each; ends with LF.
std::string incident_table(const std::vector<RunIncident>& incidents);

}  // namespace ballast
