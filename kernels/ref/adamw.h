// AdamW (Loshchilov & Hutter 2019), eps after the bias-corrected root:
//   g = grad_factor * grad,  m = b1 m + (1-b1) g,  v = b2 v + (1-b2) g^2,
//   u = update_factor * (lr lr_scale * m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps) + lr wd p),  p = p -
//   u.
// Decay is not scaled by lr_scale, so that lr * wd stays the same at every width (muP).
#pragma once

#include "kernels/ref/matrix.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

// The scalars of one range, worked out in double and rounded once.
template <class T>
struct AdamWScalars {
  T grad_factor, beta1, one_minus_beta1, beta2, one_minus_beta2;
  T m_factor;  // update_factor lr lr_scale / (1 - b1^t)
  T v_factor;  // 1 / (1 - b2^t)
  T eps;
  T decay;  // update_factor lr wd, or 0
};

template <class T>
AdamWScalars<T> adamw_scalars(const AdamWStep& step, const OptimizerRange& range) {
  const double t = static_cast<double>(step.t);
  const double correction1 = -std::expm1(t * std::log(step.beta1));
  const double correction2 = -std::expm1(t * std::log(step.beta2));
  const double lr = step.update_factor * step.lr;
  return {static_cast<T>(step.grad_factor),
          static_cast<T>(step.beta1),
          static_cast<T>(1 - step.beta1),
          static_cast<T>(step.beta2),
          static_cast<T>(1 - step.beta2),
          static_cast<T>(lr * static_cast<double>(range.lr_scale) / correction1),
          static_cast<T>(1 / correction2),
          static_cast<T>(step.eps),
          static_cast<T>(range.decay ? lr * step.weight_decay : 0)};
}

// One element; returns the update that was subtracted.
template <class T>
T adamw_element(T& p, T grad, T& m, T& v, const AdamWScalars<T>& s) {
  const T g = s.grad_factor * grad;
  m = s.beta1 * m + s.one_minus_beta1 * g;
  v = s.beta2 * v + s.one_minus_beta2 * (g * g);
  const T update = s.m_factor * m / (std::sqrt(s.v_factor * v) + s.eps) + s.decay * p;
  p = p - update;
  return update;
}

// Buffers of n elements; block_sums (blocks, 3) or null: sums of squares of update, p and v.
template <class T>
void adamw_step(T* param, const T* grad, T* m, T* v, int64_t n, const AdamWStep& step,
                double* block_sums) {
  for (int64_t i = 0; block_sums != nullptr && i < (n + kFlatBlock - 1) / kFlatBlock * 3; ++i) {
    block_sums[i] = 0;
  }
  for (const OptimizerRange& range : step.ranges) {
    const AdamWScalars<T> scalars = adamw_scalars<T>(step, range);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const T update =
          step.apply ? adamw_element(param[i], grad[i], m[i], v[i], scalars) : static_cast<T>(0);
      if (block_sums == nullptr) continue;
      double* sums = block_sums + i / kFlatBlock * 3;
      sums[0] += static_cast<double>(update) * static_cast<double>(update);
      sums[1] += static_cast<double>(param[i]) * static_cast<double>(param[i]);
      sums[2] += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    }
  }
}

}  // namespace ballast::ref
