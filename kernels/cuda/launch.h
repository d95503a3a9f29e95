// Launching kernels, and how host code hands matrices to them.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/cuda/runtime.h"
#include "libcore/tensor/tensor.h"

namespace ballast {

// A Tensor as kernels see it.
template <class T>
struct DeviceMatrix {
  T* data;
  int64_t rows, cols, stride;
  __host__ __device__ T* row(int64_t r) const { return data + r * stride; }
};

template <class T>
inline constexpr Dtype kDtype = Dtype::f32;
template <>
inline constexpr Dtype kDtype<double> = Dtype::f64;
template <>
inline constexpr Dtype kDtype<bf16> = Dtype::bf16;
template <>
inline constexpr Dtype kDtype<int32_t> = Dtype::i32;

template <class T>
DeviceMatrix<T> device_matrix(const Tensor& t) {
  BALLAST_CHECK(t.empty() || t.dtype == kDtype<std::remove_const_t<T>>);
  return {t.as<T>(), t.rows, t.cols, t.stride};
}

// function(T()) with the element type of activations.
template <class Function>
void with_activation_type(Dtype dtype, const Function& function) {
  BALLAST_CHECK(dtype == Dtype::f32 || dtype == Dtype::bf16);
  if (dtype == Dtype::f32) {
    function(float());
  } else {
    function(bf16());
  }
}

// function(T(), P()) with the element types of activations and of a matrix of weights: f32, or that
// of activations.
template <class Function>
void with_weight_types(Dtype activations, Dtype weights, const Function& function) {
  BALLAST_CHECK(weights == Dtype::f32 || weights == activations);
  with_activation_type(activations, [&](auto zero) {
    if (weights == Dtype::f32) {
      function(zero, float());
    } else {
      function(zero, zero);
    }
  });
}

// Whether every row of all tensors can be read in whole vectors of `lanes` elements. The vector is
// 16 bytes of the smallest type; wider types take several accesses.
template <class... Tensors>
bool fits_vectors(int64_t lanes, const Tensors&... tensors) {
  const auto fits = [&](const Tensor& t) {
    return t.empty() || (reinterpret_cast<uintptr_t>(t.data) % 16 == 0 && t.cols % lanes == 0 &&
                         (t.rows <= 1 || t.stride * bytes_of(t.dtype) % 16 == 0));
  };
  return (fits(tensors) && ...);
}

// function(integral_constant<int, N>()): N elements of T in one access, or 1 where they do not fit.
template <class T, class Function, class... Tensors>
void with_vectors(const Function& function, const Tensors&... tensors) {
  if (fits_vectors(kLanes<T>, tensors...)) {
    function(std::integral_constant<int, kLanes<T>>());
  } else {
    function(std::integral_constant<int, 1>());
  }
}

struct LaunchShape {
  int64_t x = 1;  // blocks
  unsigned threads = 32;
  size_t shared_bytes = 0;  // dynamic
  unsigned y = 1, z = 1;
};

// Queues kernel(args...) on `stream`; `name`, a literal, stands in errors. Throws DeviceError. A
// launch without blocks does nothing.
template <class... Parameters, class... Arguments>
void launch(const Stream& stream, const char* name, void (*kernel)(Parameters...),
            const LaunchShape& shape, Arguments&&... arguments) {
  if (shape.x == 0 || shape.y == 0 || shape.z == 0) return;
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
#ifdef BALLAST_EMULATION
  const emu::Extent grid{static_cast<unsigned>(shape.x), shape.y, shape.z};
  stream.enqueue([=, &pool = stream.pool()] {
    emu::run(pool, name, grid, {shape.threads, 1, 1}, shape.shared_bytes,
             [&] { std::apply(kernel, values); });
  });
#else
  void* pointers[sizeof...(Parameters)];
  size_t i = 0;
  std::apply([&](auto&... value) { ((pointers[i++] = &value), ...); }, values);
  stream.launch(name, reinterpret_cast<const void*>(kernel), shape.x, shape.y, shape.z,
                shape.threads, shape.shared_bytes, pointers);
#endif
}

// Blocks for `n` items at `per_block`.
inline int64_t blocks_for(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }

}  // namespace ballast
