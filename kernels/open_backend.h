// Loads devices and transports on demand. They are shared objects (lib/ballast_cpu.so,
// ballast_cuda.so, ballast_mpi.so, ballast_nccl.so beside bin/), so no tool pays at start-up for a
// library it does not use and one build runs with or without a GPU. BALLAST_PLUGIN_DIR names
// another folder. Nothing falls back silently: what this build does not have is an Error of kind
// usage, what it has and cannot load one of kind device; both say why.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/tensor/backend.h"
#include "libcore/tensor/comm.h"

namespace ballast {

struct BackendOptions {
  int threads = 0;             // host threads; 0: cores / local ranks
  int device = -1;             // index for cuda; -1: the ranks of a host share its devices in turn
  int local_rank = 0;          // of this rank on its host
  Dtype compute = Dtype::f32;  // of activations; bf16 where the device has it
};

// "auto" (cuda when a device is there, else cpu), "cpu", "cuda", "cuda:N"; "emu": the
// kernels of cuda on the host, slow and for checks.
Result<std::unique_ptr<Backend>> open_backend(const std::string& device,
                                              const BackendOptions& options);

// The type of activations for --precision: "fp32", "bf16", or "auto", which is bf16 on cuda and emu
// and fp32 on cpu. Kind usage for what the device does not compute in. Opens nothing.
Result<Dtype> compute_type(const std::string& device, const std::string& precision);

struct CommOptions {
  bool any_ranks = false;  // sums must not depend on the number of ranks
  // What a person should know and no error says: what was set, and what is not as it could be. May
  // be empty.
  std::function<void(const std::string&)> note = {}, warn = {};
};

// "auto": what launch_place() of kernels/launch.h says, and nccl among several ranks that have a
// CUDA device each; or one of self, tcp, mpi, nccl. tcp and mpi run in a thread of their own; nccl
// begins over what launch_place() says.
Result<std::unique_ptr<Comm>> open_comm(const std::string& transport, Backend& backend,
                                        const CommOptions& options = {});

// {"cpu backend", "present"}, ... for --version; loads nothing.
std::vector<std::pair<std::string, std::string>> compiled_features();

// What a plugin exports, by these names, with C linkage. Null and a text in *error on failure.
using OpenBackendFunction = Backend* (*)(const BackendOptions* options, std::string* error);
using OpenCommFunction = Comm* (*)(Backend* backend, std::string* error);
inline constexpr const char* kOpenBackendSymbol = "ballast_open_backend";
inline constexpr const char* kOpenCommSymbol = "ballast_open_comm";

}  // namespace ballast
