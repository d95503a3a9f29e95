// A diagnosis as people read it.
#pragma once

#include <string>

#include "libcore/guard/diagnosis.h"

namespace ballast {

// The verdict, then each cause that something speaks for or against, then what was not recorded.
// Ends with LF.
std::string diagnosis_text(const RunIncident& incident, const Diagnosis& diagnosis);

}  // namespace ballast
