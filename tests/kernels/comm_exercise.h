// Collectives with exact answers, for every transport and any number of ranks. Each returns what is
// wrong, empty when nothing is: values are small integers, so all orders of adding agree.
#pragma once

#include <string>

#include "libcore/tensor/comm.h"

namespace ballast {

std::string exercise_collectives(Comm& comm);
std::string exercise_ring(Comm& comm);
std::string exercise_split(Comm& comm);

}  // namespace ballast
