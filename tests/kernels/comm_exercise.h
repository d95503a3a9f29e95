// Collectives with exact answers, for every transport and any number of ranks. Each returns what is
// wrong, empty when nothing is: values are small integers, so all orders of adding agree.
#pragma once

#include <functional>
#include <string>

#include "libcore/tensor/comm.h"

namespace ballast {

// `wait`: for the compute stream, where join() does not make the host wait.
using WaitForCompute = std::function<void()>;

std::string exercise_collectives(Comm& comm, const WaitForCompute& wait = {});
std::string exercise_ring(Comm& comm, const WaitForCompute& wait = {});
std::string exercise_split(Comm& comm, const WaitForCompute& wait = {});

}  // namespace ballast
