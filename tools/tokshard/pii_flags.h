// The options of verbs that look for personal data.
#pragma once

#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/text/pii.h"

namespace ballast {

struct PiiFlags {
  std::string actions = "redact", mode = "apertus", addresses;  // addresses empty: by mode
  std::vector<std::string> markers;                             // KIND=TEXT
};

// `flags` must outlive the parsing.
void add_pii_flags(CLI::App& app, PiiFlags& flags);

Result<PiiPolicy> pii_policy(const PiiFlags& flags);

}  // namespace ballast
