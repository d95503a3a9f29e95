#include "kernels/ref/embed.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

namespace {

// Columns of the table that one thread owns in the backward: 4 cache lines.
constexpr int64_t kColumns = 64;

void check_tokens(const Tensor& tokens, int64_t rows, int64_t vocab) {
  BALLAST_CHECK(tokens.cols == rows);
  const int32_t* ids = tokens.as<int32_t>();
  BALLAST_CHECK(std::all_of(ids, ids + rows, [&](int32_t id) { return id >= 0 && id < vocab; }));
}

}  // namespace

void CpuBackend::embed(const Tensor& y, const Tensor& table, const Tensor& tokens) {
  BALLAST_CHECK(y.cols == table.cols);
  check_tokens(tokens, y.rows, table.rows);
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      std::copy_n(table.row<float>(tokens.as<int32_t>()[n]), y.cols, y.row<float>(n));
    }
  });
}

void CpuBackend::embed_bwd(const Tensor& dtable, const Tensor& dy, const Tensor& tokens) {
  BALLAST_CHECK(dy.cols == dtable.cols);
  check_tokens(tokens, dy.rows, dtable.rows);
  pool_.parallel_for(dy.cols, kColumns, [&](int64_t begin, int64_t end) {
    ref::embed_bwd(ref::view<float>(cols_of(dtable, begin, end - begin)),
                   ref::view<float>(cols_of(dy, begin, end - begin)), ref::view<int32_t>(tokens));
  });
}

}  // namespace ballast
