// Flat buffers between the device and host memory in f32, whatever type the device keeps; bf16
// widens exactly and its own values narrow exactly, others to the nearest. Both functions wait for
// the device.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/precision/half.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// flat.cols values.
inline void flat_to_host(Backend& backend, const Tensor& flat, float* values) {
  const auto n = static_cast<size_t>(flat.cols);
  std::vector<uint16_t> narrow(flat.dtype == Dtype::bf16 ? n : 0);
  void* into = narrow.empty() ? static_cast<void*>(values) : narrow.data();
  backend.copy_out(into, flat.data, flat.cols * bytes_of(flat.dtype), StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
  for (size_t i = 0; i < narrow.size(); ++i) values[i] = bf16_to_float(narrow[i]);
}

// Values of bf16, the nearest ones.
inline void round_to_bf16(float* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] = bf16_to_float(float_to_bf16(values[i]));
}

inline void flat_to_device(Backend& backend, const Tensor& flat, const float* values) {
  std::vector<uint16_t> narrow(flat.dtype == Dtype::bf16 ? static_cast<size_t>(flat.cols) : 0);
  for (size_t i = 0; i < narrow.size(); ++i) narrow[i] = float_to_bf16(values[i]);
  const void* from = narrow.empty() ? static_cast<const void*>(values) : narrow.data();
  backend.copy_in(flat.data, from, flat.cols * bytes_of(flat.dtype), StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
}

}  // namespace ballast
