// ExchangeComm: the collectives of Comm over a Link, for host memory. A reduction gives part r of
// the tensor to rank r, which adds the ranks' values pairwise in rank order, and gathers the parts
// again: the traffic of a ring, and sums whose bits depend on the number of ranks only.
// Point-to-point calls inside a group run together when it ends; collectives run at once.
#pragma once

#include <memory>
#include <vector>

#include "kernels/comm/link.h"
#include "libcore/tensor/comm.h"

namespace ballast {

// A Comm of all ranks of the link. Every rank must call it at the same point: hosts are exchanged.
std::unique_ptr<Comm> make_exchange_comm(std::shared_ptr<Link> link);

}  // namespace ballast
