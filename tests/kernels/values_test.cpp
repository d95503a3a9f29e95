#include "tests/kernels/values.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace ballast {

std::unique_ptr<Backend> open_cpu(int threads) {
  ::setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 0);
  Result<std::unique_ptr<Backend>> backend = open_backend("cpu", {.threads = threads});
  if (!backend.ok()) {
    ADD_FAILURE() << backend.error().message();
    std::abort();
  }
  return backend.take_value();
}

testing::AssertionResult close(const Values& values, int64_t n, double c, double floor) {
  double difference = 0, norm = 0, worst = 0, top = floor;
  for (int64_t r = 0; r < values.rows(); ++r) {
    for (int64_t k = 0; k < values.cols(); ++k) {
      const double got = values.got(r, k), wanted = values.wanted(r, k);
      if (!std::isfinite(wanted) || !std::isfinite(got)) {
        if (std::isnan(wanted) ? std::isnan(got) : got == wanted) continue;
        return testing::AssertionFailure()
               << "row " << r << " column " << k << ": " << got << " instead of " << wanted;
      }
      difference += (got - wanted) * (got - wanted);
      norm += std::max(wanted * wanted, floor * floor);
      worst = std::max(worst, std::abs(got - wanted));
      top = std::max(top, std::abs(wanted));
    }
  }
  const double bound = c * kUnitRoundoff * std::sqrt(static_cast<double>(n));
  if (std::sqrt(difference) <= bound * std::sqrt(norm) && worst <= bound * top) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "relative error " << std::sqrt(difference / norm) << ", worst element off by " << worst
         << " of " << top << ", bound " << bound;
}

bool same_bits(const Values& a, const Values& b) {
  return a.bits().size() == b.bits().size() &&
         std::memcmp(a.bits().data(), b.bits().data(), a.bits().size() * sizeof(float)) == 0;
}

Integers documents(int64_t batch, int64_t seq) {
  Integers starts{batch, seq, std::vector<int32_t>(static_cast<size_t>(batch * seq))};
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = seq / (b + 1) + 1;  // the first sequence is one document
    for (int64_t t = 0; t < seq; ++t) {
      starts.data[static_cast<size_t>(b * seq + t)] = static_cast<int32_t>(t / length * length);
    }
  }
  return starts;
}

TEST(Values, NoticesAWrongElement) {
  Values values = Values::random(2, 3, 1);
  EXPECT_TRUE(close(values, 1, 8));
  values.tensor().row<float>(1)[2] += 1e-3f;
  EXPECT_FALSE(close(values, 1, 8));
  values.tensor().row<float>(1)[2] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(close(values, 1, 8));
}

}  // namespace ballast
