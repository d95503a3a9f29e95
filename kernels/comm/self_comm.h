// SelfComm: the one-rank transport. Collectives copy where out is not x, and return at once.
#pragma once

#include <memory>

#include "libcore/tensor/comm.h"

namespace ballast {

std::unique_ptr<Comm> make_self_comm(Backend& backend);

}  // namespace ballast
