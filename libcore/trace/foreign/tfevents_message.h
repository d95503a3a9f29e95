// One Event message of TensorBoard: field numbers of event.proto, summary.proto and tensor.proto of
// TensorFlow 2. Views point into the payload.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace ballast {

struct TfEvent {
  double wall_time = 0;  // seconds since 1970
  int64_t step = 0;
  bool session_start = false;  // SessionLog START: what was logged from `step` on before is void
  std::vector<std::pair<std::string_view, double>> scalars;  // tag, value
};

// False when the message is damaged.
bool parse_tfevent(std::string_view payload, TfEvent& event);

}  // namespace ballast
