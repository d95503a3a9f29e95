// What a rank of a run will take, worked out before it starts: memory by running the code that
// carves the buffers over a counting arena, the bytes of every collective, and the time of a step
// from measured rates. Prices are for the rank with the largest share. Pure but for
// measure_rates().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/model/flat_cut.h"
#include "libcore/model/params.h"
#include "libcore/tensor/backend.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

struct MemoryPlan {
  int64_t weights = 0, gradients = 0, states = 0, averages = 0;
  int64_t slots = 0;    // gradients of the tree of --deterministic world
  int64_t buckets = 0;  // rooms for what is not kept whole
  int64_t activations = 0;
  int64_t prepared = 0;       // packed copies of the weights, or copies in bf16
  int64_t workspace = 0;      // of the device's ops and products
  int64_t communication = 0;  // what arrives before it is added up
  int64_t checkpoint = 0;     // the copy in host memory while one is written or read
  int64_t snapshots = 0;      // of the guard, in host memory
  int64_t batches = 0;        // tokens, labels, loss rows
  int64_t process = 0;        // this program, its libraries and the device before any model
  int64_t arena() const {
    return weights + gradients + states + averages + slots + buckets + activations + batches;
  }
  // What a device has to hold that has memory of its own; the rest is the host's.
  int64_t device() const { return arena() + prepared + workspace; }
  int64_t total() const { return device() + communication + checkpoint + snapshots + process; }
};
MemoryPlan plan_memory(Backend& backend, const RunConfig& config, const ParamTable& table,
                       int ranks);

// One kind of collective of a step: how often, and what a rank sends (and receives) by all of them.
struct CollectivePlan {
  std::string name;
  int64_t calls = 0;
  int64_t bytes = 0;
};
std::vector<CollectivePlan> plan_collectives(const RunConfig& config, const ParamTable& table,
                                             int ranks);

struct Rates {
  double flops_per_s = 0;  // of a matrix product
  double bytes_per_s = 0;  // of adding long vectors, read and written
};
Rates measure_rates(Backend& backend);

struct TimePlan {
  double products_s = 0;  // matrix products
  double memory_s = 0;    // passes over activations, gradients and states
  double transfer_s = 0;  // collectives
  // Buckets travel during the backward pass: what is longer counts.
  double total() const { return memory_s + (products_s > transfer_s ? products_s : transfer_s); }
};
TimePlan plan_time(const RunConfig& config, const ParamTable& table, const MemoryPlan& memory,
                   const std::vector<CollectivePlan>& collectives, const Rates& rates, int ranks,
                   double link_bytes_per_s);

}  // namespace ballast
