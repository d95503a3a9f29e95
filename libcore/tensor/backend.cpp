#include "libcore/tensor/backend.h"

namespace ballast {

double sum_pairwise(std::span<const double> values) {
  if (values.empty()) return 0;
  if (values.size() == 1) return values[0];
  const size_t half = values.size() / 2;
  return sum_pairwise(values.first(half)) + sum_pairwise(values.subspan(half));
}

}  // namespace ballast
