// The plain twin of cuBLASLt: one f32 sum per element in order of k.
#include <fmt/format.h>

#include <vector>

#include "kernels/cuda/gemm_engine.h"
#include "libcore/precision/half.h"

namespace ballast {

struct GemmEngine::State {};

GemmEngine::GemmEngine(Runtime& runtime) : runtime_(runtime) {}
GemmEngine::~GemmEngine() {
  for (const auto& [key, copy] : copies_) runtime_.release(copy.data);
}

std::string GemmEngine::description() const { return "plain matrix products"; }
int64_t GemmEngine::workspace_bytes() { return 0; }
// There is one algorithm.
std::string GemmEngine::choices() const { return ""; }
bool GemmEngine::take_choices(const std::string& choices) { return choices.empty(); }

namespace {

float element(const Tensor& t, int64_t r, int64_t c) {
  if (t.dtype == Dtype::f32) return t.row<float>(r)[c];
  return bf16_to_float(t.row<uint16_t>(r)[c]);
}

void set_element(const Tensor& t, int64_t r, int64_t c, float value) {
  if (t.dtype == Dtype::f32) {
    t.row<float>(r)[c] = value;
    return;
  }
  t.row<uint16_t>(r)[c] = float_to_bf16(value);
}

// Row `r` of op(t), k elements.
void take_row(float* to, const Tensor& t, bool transposed, int64_t r, int64_t k) {
  for (int64_t i = 0; i < k; ++i) to[i] = transposed ? element(t, i, r) : element(t, r, i);
}

void multiply(ThreadPool& pool, const GemmCall& call) {
  const int64_t m = call.d.rows, n = call.d.cols;
  const int64_t k = call.transpose_a ? call.a.rows : call.a.cols;
  std::vector<float> b(static_cast<size_t>(n * k));
  for (int64_t j = 0; j < n; ++j) take_row(b.data() + j * k, call.b, !call.transpose_b, j, k);
  pool.parallel_for(m, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> a(static_cast<size_t>(k));
    for (int64_t i = begin; i < end; ++i) {
      take_row(a.data(), call.a, call.transpose_a, i, k);
      for (int64_t j = 0; j < n; ++j) {
        float sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += a[static_cast<size_t>(l)] * b[static_cast<size_t>(j * k + l)];
        sum *= call.alpha;
        if (call.beta != 0) sum += call.beta * element(call.c, i, j);
        set_element(call.d, i, j, sum);
      }
    }
  });
}

}  // namespace

void GemmEngine::run(const Stream& stream, const GemmCall& call) {
  stream.enqueue([call, &pool = stream.pool()] { multiply(pool, call); });
}

}  // namespace ballast
