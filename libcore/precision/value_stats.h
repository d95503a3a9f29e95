// What can be said of a tensor before any cast: counts, range, moments, binades. Non-finite values
// are counted here because a saturating cast erases them; they enter nothing else. Sums are double
// and their order is fixed. One thread per object.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ballast {

inline constexpr size_t kHalfCodes = 65536;  // bit patterns of a 16-bit type

struct ValueStats {
  int64_t n = 0;
  int64_t n_zero = 0;  // of both signs
  int64_t n_nan = 0;
  int64_t n_inf = 0;
  float amax = 0;          // of the finite values
  float amin_nonzero = 0;  // 0 when every finite value is zero
  double sum_x2 = 0;
  double sum_x4 = 0;
  // exponents[e] counts finite non-zero values with fp32 exponent field e: binade 2^(e-127), and
  // everything below 2^-126 in the first.
  std::array<int64_t, 256> exponents = {};

  int64_t n_finite() const { return n - n_nan - n_inf; }
  int64_t n_nonzero() const { return n_finite() - n_zero; }
  double rms() const;
  double crest() const;     // amax / rms; 0 without a non-zero value
  double kurtosis() const;  // mean(x^4) / mean(x^2)^2: Gauss 3, Laplace 6; 0 likewise

  void add(std::span<const float> values);
  // `counts` per bit pattern of a 16-bit type and the value that each pattern stands for.
  static ValueStats of_codes(std::span<const int64_t, kHalfCodes> counts,
                             std::span<const float, kHalfCodes> values);
};

}  // namespace ballast
