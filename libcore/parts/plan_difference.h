// In what the plans of two jobs in parts differ, for the message that refuses a folder.
#pragma once

#include <string>

#include "libcore/parts/parts_folder.h"

namespace ballast {

// The first difference, what the folder has first: "--min-chars is 20 there and 30 here". Empty
// when there is none.
std::string plan_difference(const PartsPlan& there, const PartsPlan& here);

}  // namespace ballast
