// Cross-entropy of a chunk of rows, one block a row: one pass for the maximum and the sum of
// exponentials, and with a gradient a second one that replaces the logits. kernels/ref/xent.h has
// the formulas.
#include <limits>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

// Few large blocks: the rows that are in work stay in the L2 cache between the two passes.
constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Element i of the vector at column c; columns of padding count nothing, whatever they hold.
template <class T, int N>
__device__ __forceinline__ float logit(const Vec<T, N>& v, int i, int c, int vocab) {
  return c + i < vocab ? to_float(v.at[i]) : -kInfinity;
}

// Sum of exp(x - top), where `top` is the largest so far. A NaN does not move the maximum: the sum
// takes it up, as it does inf - inf.
struct Exponentials {
  float top = -kInfinity, sum = 0;

  template <class T, int N>
  __device__ __forceinline__ void add(const Vec<T, N>& v, int c, int vocab) {
    float largest = top;
    for (int i = 0; i < N; ++i) largest = fmaxf(largest, logit(v, i, c, vocab));
    if (largest > top) {
      sum *= expf(top - largest);
      top = largest;
    }
    const float shift = top == -kInfinity ? 0.0f : top;  // nothing but zeros until then
    for (int i = 0; i < N; ++i) sum += expf(logit(v, i, c, vocab) - shift);
  }
  // Over the block, in every thread. A row of nothing but -inf is NaN, as inf - inf is.
  __device__ __forceinline__ void combine(float* scratch) {
    const float largest = block_max<kThreads>(top, scratch);
    sum = block_sum<kThreads>(sum * expf(top - largest), scratch);
    top = largest;
  }
};

// x becomes weight (slope softmax - onehot), zero behind the vocabulary; `factor` is weight slope
// over the sum of exponentials. From the end: what the first pass read last may still be cached.
template <class T, int N>
__device__ __forceinline__ void replace_by_gradient(T* x, int cols, int vocab, int label, float top,
                                                    float factor, float weight) {
  const int vectors = cols / N;
  for (int left = vectors - 1 - static_cast<int>(threadIdx.x); left >= 0; left -= kThreads) {
    const int c = left * N;
    auto v = load_vec<N>(x + c);
    for (int i = 0; i < N; ++i) {
      float slope = factor * expf(logit(v, i, c, vocab) - top);
      if (c + i == label) slope -= weight;
      v.at[i] = from_float<T>(c + i < vocab ? slope : 0.0f);
    }
    store_vec<N>(x + c, v);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    xent_kernel(float* loss_rows, float* lse_rows, DeviceMatrix<T> logits, const int32_t* labels,
                const float* weights, int vocab, float z_loss, bool gradient) {
  BALLAST_SHARED(float, scratch, kWarps);
  const int64_t row = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x), cols = static_cast<int>(logits.cols);
  T* const x = logits.row(row);
  const float weight = weights[row];
  if (weight == 0) {  // the whole block
    if (thread == 0) loss_rows[row] = lse_rows[row] = 0;
    if (!gradient) return;
    Vec<T, N> zeros;
    for (int i = 0; i < N; ++i) zeros.at[i] = from_float<T>(0);
    for (int c = thread * N; c < cols; c += kThreads * N) store_vec<N>(x + c, zeros);
    return;
  }
  // The host cannot look at labels; one that is no token gives NaN instead of a wild read.
  const int label = labels[row];
  const bool known = label >= 0 && label < vocab;
  const float of_label = known ? to_float(x[label]) : kNan;

  Exponentials e;
  for (int c = thread * N; c < vocab; c += kThreads * N) e.add(load_vec<N>(x + c), c, vocab);
  e.combine(scratch);
  const float log_sum = logf(e.sum), lse = e.top + log_sum;
  if (thread == 0) {
    lse_rows[row] = lse;
    loss_rows[row] = (e.top - of_label) + log_sum;  // exact also where lse has no digits left
  }
  if (!gradient) return;
  const float factor = weight * (1 + 2 * z_loss * lse) / e.sum;
  replace_by_gradient<T, N>(x, cols, vocab, label, e.top, factor, weight);
}

}  // namespace

void CudaBackend::xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                             const Tensor& labels, const Tensor& weight, int64_t vocab,
                             float z_loss, bool gradient) {
  const int64_t rows = logits.rows;
  BALLAST_CHECK(loss_rows.cols == rows && lse_rows.cols == rows && labels.cols == rows &&
                weight.cols == rows);
  BALLAST_CHECK(vocab > 0 && vocab <= logits.cols);
  // Columns are counted in int, with room for a stride over the block.
  BALLAST_CHECK(logits.cols <= std::numeric_limits<int>::max() / 2);
  with_activation_type(logits.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "xent_chunk", xent_kernel<T, n()>,
                 {.x = rows, .threads = kThreads}, loss_rows.as<float>(), lse_rows.as<float>(),
                 device_matrix<T>(logits), labels.as<int32_t>(), weight.as<float>(),
                 static_cast<int>(vocab), z_loss, gradient);
        },
        logits);
  });
}

}  // namespace ballast
