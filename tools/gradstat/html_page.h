// The report as one HTML file: no network, no other file, charts that zoom together.
#pragma once

#include <string>

#include "tools/gradstat/overview.h"
#include "tools/gradstat/series.h"

namespace ballast {

std::string html_page(const std::string& title, const Overview& overview,
                      const std::vector<RunIncident>& incidents, const Curves& curves,
                      const std::string& post_mortem_text);

// Text inside HTML.
std::string html_escaped(std::string_view text);

}  // namespace ballast
