// A Comm whose calls run one after another in a thread of their own, so that communication overlaps
// with compute on a host without streams. That thread also opens and closes the transport: a
// transport sees one thread for its whole life, as MPI_THREAD_FUNNELED asks. A failure in it is
// thrown by the next join() or blocking call, and by all later ones.
#pragma once

#include <functional>
#include <memory>

#include "libcore/base/result.h"
#include "libcore/tensor/comm.h"

namespace ballast {

using CommOpener = std::function<Result<std::unique_ptr<Comm>>()>;

Result<std::unique_ptr<Comm>> make_async_comm(const CommOpener& open);

}  // namespace ballast
