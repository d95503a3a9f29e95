#include "kernels/comm/self_comm.h"
#include "kernels/open_backend.h"

namespace ballast {

Result<std::unique_ptr<Comm>> open_comm(const std::string& transport, Backend& backend) {
  if (transport == "self" || transport == "auto") return make_self_comm(backend);
  return usage_error("unknown transport", transport, "one of auto, self");
}

}  // namespace ballast
