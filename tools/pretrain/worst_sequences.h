// Where the highest losses of a step came from, for the event of an incident: the sequences, and
// the rank, host and device that computed the worst of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/pretrain/batch_source.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/world.h"

namespace ballast {

// Indices of the `most` highest values, in descending order; what is not finite comes first, of
// equals the earlier.
std::vector<size_t> highest(std::span<const double> losses, size_t most);

// Keys rank, host, device, samples, sample_losses. `own`: losses of this rank's sequences; the
// step's first one is the `first`-th sample of the line. Collective.
Json worst_sequences(World& world, const BatchSource& data, int64_t first,
                     std::span<const WindowSum> own);

// This machine's name.
std::string host_name();

}  // namespace ballast
