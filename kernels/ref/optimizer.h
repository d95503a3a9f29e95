// The optimizers, eps after the root. With g = grad_factor * grad and s = update_factor * lr:
//   adamw (Loshchilov & Hutter 2019)
//     m = b1 m + (1-b1) g,  v = b2 v + (1-b2) g^2,
//     u = s (lr_scale m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps) + wd p)
//   ademamix (Pagliardini et al., arXiv 2409.03137), m and v as above
//     m2 = b3 m2 + (1-b3) g,
//     u = s (lr_scale (m/(1-b1^t) + alpha m2) / (sqrt(v/(1-b2^t)) + eps) + wd p)
//   stable_adamw (Wortsman et al., arXiv 2304.13013): betas with their bias taken out,
//     bh = b (1-b^(t-1))/(1-b^t), and the update of a tensor divided by
//     R = sqrt(mean of g^2 / max(v, eps^2)) when that is above 1:
//     u = s/max(1, R) (lr_scale m / (sqrt(v) + eps) + wd p)
//   p = p - u
// Decay is not scaled by lr_scale, so that lr * wd stays the same at every width (muP). States and
// weights of type bf16 are computed and used in T and rounded stochastically when they are stored.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/ref/matrix.h"
#include "libcore/base/rng.h"
#include "libcore/precision/half.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

// The scalars of one range, worked out in double and rounded once.
template <class T>
struct OptimizerScalars {
  T grad_factor, beta1, one_minus_beta1, beta2, one_minus_beta2;
  T m_factor;  // update_factor lr lr_scale / (1 - b1^t)
  T v_factor;  // 1 / (1 - b2^t)
  T eps;
  T decay;                              // update_factor lr wd, or 0
  T beta3, one_minus_beta3, m2_factor;  // ademamix; m2_factor is update_factor lr lr_scale alpha
};

// R of the tensor that the range belongs to; 1 for the other optimizers.
inline double update_ratio_of(const OptimizerStep& step, const OptimizerRange& range) {
  if (step.kind != OptimizerKind::stable_adamw) return 1;
  double sum = 0;
  for (int64_t i = range.ratio.tensor_begin; i < range.ratio.tensor_end; ++i)
    sum += step.ratio_sums.as<double>()[i];
  return std::sqrt(sum / static_cast<double>(range.ratio.tensor_elements));
}

// 1 - beta^t
inline double bias_correction(double beta, int64_t t) {
  return t == 0 ? 0 : -std::expm1(static_cast<double>(t) * std::log(beta));
}

template <class T>
OptimizerScalars<T> optimizer_scalars(const OptimizerStep& step, const OptimizerRange& range) {
  const double correction1 = bias_correction(step.beta1, step.t);
  const double correction2 = bias_correction(step.beta2, step.t);
  double beta1 = step.beta1, beta2 = step.beta2, lr = step.update_factor * step.lr;
  double one_minus_beta1 = 1 - beta1, one_minus_beta2 = 1 - beta2;
  const bool stable = step.kind == OptimizerKind::stable_adamw;
  if (stable) {
    beta1 *= bias_correction(step.beta1, step.t - 1) / correction1;
    beta2 *= bias_correction(step.beta2, step.t - 1) / correction2;
    one_minus_beta1 /= correction1;
    one_minus_beta2 /= correction2;
    lr /= std::max(1.0, update_ratio_of(step, range));
  }
  const double scaled = lr * static_cast<double>(range.lr_scale);
  return {static_cast<T>(step.grad_factor),
          static_cast<T>(beta1),
          static_cast<T>(one_minus_beta1),
          static_cast<T>(beta2),
          static_cast<T>(one_minus_beta2),
          static_cast<T>(stable ? scaled : scaled / correction1),
          static_cast<T>(stable ? 1 : 1 / correction2),
          static_cast<T>(step.eps),
          static_cast<T>(range.decay ? lr * step.weight_decay : 0),
          static_cast<T>(step.beta3),
          static_cast<T>(1 - step.beta3),
          static_cast<T>(scaled * step.alpha)};
}

// One element; returns the update that was subtracted. m2 is null but for ademamix.
template <class T>
T optimizer_element(T& p, T grad, T& m, T& v, T* m2, const OptimizerScalars<T>& s) {
  const T g = s.grad_factor * grad;
  m = s.beta1 * m + s.one_minus_beta1 * g;
  v = s.beta2 * v + s.one_minus_beta2 * (g * g);
  T numerator = s.m_factor * m;
  if (m2 != nullptr) {
    *m2 = s.beta3 * *m2 + s.one_minus_beta3 * g;
    numerator += s.m2_factor * *m2;
  }
  const T update = numerator / (std::sqrt(s.v_factor * v) + s.eps) + s.decay * p;
  p = p - update;
  return update;
}

// Noise for what is rounded of element `index` of the flat index in step t: 16 bits each. Two
// elements share a block of the generator.
struct RoundingNoise {
  uint16_t m, v, m2, param;
};
inline RoundingNoise rounding_noise(uint64_t seed, int64_t t, int64_t index) {
  constexpr uint64_t kStream = 0x6F7074696D73746Du;  // "optimstm"
  const auto words =
      philox(seed, kStream + static_cast<uint64_t>(t), static_cast<uint64_t>(index) / 2);
  const size_t half = static_cast<size_t>(index & 1) * 2;
  return {static_cast<uint16_t>(words[half]), static_cast<uint16_t>(words[half] >> 16),
          static_cast<uint16_t>(words[half + 1]), static_cast<uint16_t>(words[half + 1] >> 16)};
}

// Storage of states and weights: T itself, or bf16 bits.
template <class T, class S>
T load_stored(S value) {
  if constexpr (std::is_same_v<S, uint16_t>) {
    return static_cast<T>(bf16_to_float(value));
  } else {
    return value;
  }
}
template <class T, class S>
void store_rounded(S& into, T value, uint16_t noise) {
  if constexpr (std::is_same_v<S, uint16_t>) {
    into = float_to_bf16_stochastic(static_cast<float>(value), noise);
  } else {
    into = value;
  }
}

// Buffers of n elements; m2 null but for ademamix; block_sums (blocks, 3) or null: sums of squares
// of update, p as it is stored, and v.
template <class T, class S, class P>
void optimizer_step(P* param, const T* grad, S* m, S* v, S* m2, int64_t n,
                    const OptimizerStep& step, double* block_sums) {
  if (block_sums != nullptr) std::fill_n(block_sums, (n + kFlatBlock - 1) / kFlatBlock * 3, 0.0);
  for (const OptimizerRange& range : step.ranges) {
    const OptimizerScalars<T> scalars = optimizer_scalars<T>(step, range);
    for (int64_t i = range.begin; i < range.end; ++i) {
      T p = load_stored<T>(param[i]), mi = load_stored<T>(m[i]), vi = load_stored<T>(v[i]);
      T m2i = m2 == nullptr ? 0 : load_stored<T>(m2[i]);
      T update = 0;
      if (step.apply) {
        update = optimizer_element(p, grad[i], mi, vi, m2 == nullptr ? nullptr : &m2i, scalars);
        const RoundingNoise noise = rounding_noise(step.rounding_seed, step.t, step.flat_begin + i);
        store_rounded(m[i], mi, noise.m);
        store_rounded(v[i], vi, noise.v);
        if (m2 != nullptr) store_rounded(m2[i], m2i, noise.m2);
        if (step.round_param) {
          uint16_t rounded = 0;
          store_rounded(rounded, p, noise.param);
          p = load_stored<T>(rounded);
        }
        store_rounded(param[i], p, noise.param);  // changes nothing that is rounded already
      }
      if (block_sums == nullptr) continue;
      const T stored = load_stored<T>(param[i]);
      double* sums = block_sums + i / kFlatBlock * 3;
      sums[0] += static_cast<double>(update) * static_cast<double>(update);
      sums[1] += static_cast<double>(stored) * static_cast<double>(stored);
      sums[2] += static_cast<double>(vi) * static_cast<double>(vi);
    }
  }
}

// g^2 / max(v', eps^2) of one element.
template <class T>
T update_ratio_element(T grad, T v, const OptimizerScalars<T>& s) {
  const T g = s.grad_factor * grad;
  return g * g / std::max(s.beta2 * v + s.one_minus_beta2 * (g * g), s.eps * s.eps);
}

// The range as scalars are worked out for while R is not known; v' does not depend on it.
inline OptimizerRange without_ratio(OptimizerRange range) {
  range.ratio.tensor_end = range.ratio.tensor_begin;
  return range;
}

template <class T, class S>
void update_ratio(double* out, const T* grad, const S* v, const OptimizerStep& step) {
  for (const OptimizerRange& range : step.ranges) {
    const OptimizerScalars<T> scalars = optimizer_scalars<T>(step, without_ratio(range));
    double sum = 0;
    for (int64_t i = range.begin; i < range.end; ++i)
      sum += static_cast<double>(update_ratio_element(grad[i], load_stored<T>(v[i]), scalars));
    out[range.ratio.entry] = sum;
  }
}

}  // namespace ballast::ref
