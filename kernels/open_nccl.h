// The nccl transport over a host transport that is already open: finds out whether every rank can
// load NCCL and has a device of its own, and opens it.
#pragma once

#include <memory>
#include <string>

#include "kernels/comm/nccl_plugin.h"
#include "kernels/nccl_settings.h"
#include "libcore/base/result.h"
#include "libcore/tensor/comm.h"

namespace ballast {

// What does not need the other ranks: the plugin, a device; kind usage.
Result<void> check_nccl(const Backend& backend);

// Collective: whether every rank can. Kind device, on all of them, when one cannot.
Result<NcclOpening> prepare_nccl(Backend& backend, Comm& host, const NcclSettings& settings);
// Collective, after that. A failure here is for good: it need not be one of every rank.
Result<std::unique_ptr<Comm>> open_nccl(const NcclOpening& opening, std::unique_ptr<Comm> host);

}  // namespace ballast
