// What ought to have the same bits: the copies that ranks hold of one thing, and two computations
// of one step. One thread per rank; collective.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/tensor/backend.h"
#include "libcore/tensor/comm.h"

namespace ballast {

// xxh3-128 of the bytes of contiguous tensors, one after another, read back in pieces.
Hash128 hash_tensors(Backend& backend, const std::vector<Tensor>& tensors);

// Every rank's hash, by rank, on every rank.
std::vector<Hash128> gather_hashes(Comm& comm, const Hash128& mine);

// Ranks whose hash is not that of the most ranks (of two as frequent ones, the lowest rank's).
// Empty: all agree.
std::vector<int64_t> odd_ranks(const std::vector<Hash128>& hashes);

}  // namespace ballast
