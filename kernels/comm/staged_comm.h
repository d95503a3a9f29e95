// A Comm for memory that the host cannot address, over one that works in host memory: every call
// copies out, exchanges, and copies back in, and has run when it returns. Slower than a transport
// that reaches the device, and the same bits.
#pragma once

#include <memory>

#include "libcore/tensor/comm.h"

namespace ballast {

std::unique_ptr<Comm> make_staged_comm(Backend& backend, std::unique_ptr<Comm> host);

}  // namespace ballast
