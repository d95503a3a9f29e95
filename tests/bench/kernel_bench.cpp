// Time of every op of the CPU backend at the shapes of one training step of a small LLaMA (6 layers
// x 384, vocabulary 8192, T 256, 8 sequences), with GFLOP/s for matrix products and attention and
// GB/s (each operand once) for the rest. Run it on a quiet machine; CI runs it only so that it
// keeps building. `--benchmark_repetitions=9 --benchmark_report_aggregates_only=true` gives
// medians.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/open_backend.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

constexpr int64_t kBatch = 8, kSeq = 256, kRows = kBatch * kSeq, kHidden = 384, kMlp = 1024;
constexpr int64_t kHeads = 6, kHeadDim = 64, kVocab = 8192, kHeadRows = 512;
constexpr AttentionShape kAttention{kBatch, kSeq, kHeads, kHeads, kHeadDim};

Backend& cpu() {
  static const std::unique_ptr<Backend> backend = [] {
    Result<std::unique_ptr<Backend>> opened = open_backend("cpu", {});
    if (!opened.ok()) {
      std::fprintf(stderr, "kernel_bench: error: %s\n", opened.error().message().c_str());
      std::exit(4);
    }
    return opened.take_value();
  }();
  return *backend;
}

// A random matrix in the backend's memory, kept for the life of the process.
Tensor matrix(int64_t rows, int64_t cols, float deviation = 1) {
  const Tensor t = make_tensor(cpu().allocate(rows * cols * 4, false), Dtype::f32, rows, cols);
  for (int64_t i = 0; i < rows * cols; ++i) {
    t.as<float>()[i] =
        deviation * static_cast<float>(random_uniform(1, 1, static_cast<uint64_t>(i)) - 0.5);
  }
  return t;
}

Tensor integers(int64_t rows, int64_t cols, int32_t below) {
  const Tensor t = make_tensor(cpu().allocate(rows * cols * 4, false), Dtype::i32, rows, cols);
  for (int64_t i = 0; i < rows * cols; ++i) {
    t.as<int32_t>()[i] = below == 0
                             ? 0
                             : static_cast<int32_t>(random_u64(2, 2, static_cast<uint64_t>(i)) %
                                                    static_cast<uint64_t>(below));
  }
  return t;
}

void report(benchmark::State& state, const char* unit, double per_call) {
  state.counters[unit] = benchmark::Counter(
      per_call * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void report_bytes(benchmark::State& state, int64_t floats) {
  report(state, "GB/s", 4 * static_cast<double>(floats));
}

enum Product { kForward, kInputGradient, kWeightGradient };

// Of a linear layer with `in` inputs and `out` outputs over `rows` rows.
void BM_Gemm(benchmark::State& state, int64_t rows, int64_t in, int64_t out, Product product) {
  const Tensor x = matrix(rows, in), w = matrix(out, in), y = matrix(rows, out);
  cpu().prepare(w);
  for (auto _ : state) {
    if (product == kForward) cpu().gemm(y, x, w, {.transpose_b = true, .b_is_weight = true});
    if (product == kInputGradient) cpu().gemm(x, y, w, {.b_is_weight = true});
    if (product == kWeightGradient) cpu().gemm(w, y, x, {.transpose_a = true, .beta = 1e-3f});
  }
  report(state, "GFLOP/s", 2.0 * static_cast<double>(rows * in * out));
  for (const Tensor& t : {x, w, y}) cpu().release(t.data);
}

// Packing one weight for both directions, as every optimizer step asks for it.
void BM_Pack(benchmark::State& state, int64_t in, int64_t out) {
  const Tensor x = matrix(1, in), w = matrix(out, in), y = matrix(1, out);
  for (auto _ : state) {
    cpu().prepare(w);
    cpu().gemm(y, x, w, {.transpose_b = true, .b_is_weight = true});
    cpu().gemm(x, y, w, {.b_is_weight = true});
  }
  report_bytes(state, 4 * in * out);
  for (const Tensor& t : {x, w, y}) cpu().release(t.data);
}

void BM_Norm(benchmark::State& state) {
  const Tensor x = matrix(kRows, kHidden), y = matrix(kRows, kHidden), w = matrix(1, kHidden);
  const Tensor rstd = matrix(1, kRows);
  for (auto _ : state) cpu().norm(y, rstd, x, w, 1e-5f);
  report_bytes(state, 2 * kRows * kHidden);
}

void BM_NormBackward(benchmark::State& state) {
  const Tensor x = matrix(kRows, kHidden), dy = matrix(kRows, kHidden), w = matrix(1, kHidden);
  const Tensor dx = matrix(kRows, kHidden), rstd = matrix(1, kRows), dw = matrix(1, kHidden);
  for (auto _ : state) cpu().norm_bwd(dx, dw, dy, x, w, rstd);
  report_bytes(state, 3 * kRows * kHidden);
}

struct AttentionTensors {
  Tensor qkv = matrix(kRows, kAttention.qkv_cols()), dqkv = matrix(kRows, kAttention.qkv_cols());
  Tensor o = matrix(kRows, kAttention.q_cols()), dout = matrix(kRows, kAttention.q_cols());
  Tensor lse = matrix(kRows, kHeads), starts = integers(kBatch, kSeq, 0);
  Tensor cos = matrix(kSeq, kHeadDim / 2), sin = matrix(kSeq, kHeadDim / 2);
  ScorePolicy policy{.scale = 0.125f, .cap = 0};
};
// Of the causal half, as one product QK^T.
constexpr double kTriangle = 2.0 * kBatch * kHeads * kHeadDim * kSeq * (kSeq + 1) / 2;

void BM_Attention(benchmark::State& state) {
  const AttentionTensors t;
  for (auto _ : state) cpu().attention(t.o, t.lse, {}, t.qkv, t.starts, kAttention, t.policy);
  report(state, "GFLOP/s", 2 * kTriangle);
}

void BM_AttentionBackward(benchmark::State& state) {
  const AttentionTensors t;
  cpu().attention(t.o, t.lse, {}, t.qkv, t.starts, kAttention, t.policy);
  for (auto _ : state) {
    cpu().attention_bwd(t.dqkv, t.dout, t.o, t.lse, t.qkv, t.starts, kAttention, t.policy);
  }
  report(state, "GFLOP/s", 5 * kTriangle);
}

void BM_Rope(benchmark::State& state) {
  const AttentionTensors t;
  for (auto _ : state) {
    cpu().qk_norm_rope(t.qkv, {}, {}, t.qkv, {}, {}, t.cos, t.sin, t.starts, kAttention, 0);
  }
  report_bytes(state, 2 * kRows * kAttention.qkv_cols());
}

void BM_Swiglu(benchmark::State& state) {
  const Tensor x = matrix(kRows, 2 * kMlp, 4), y = matrix(kRows, kMlp);
  for (auto _ : state) cpu().activation(y, x, Activation::swiglu);
  report_bytes(state, 3 * kRows * kMlp);
}

void BM_SwigluBackward(benchmark::State& state) {
  const Tensor x = matrix(kRows, 2 * kMlp, 4), dx = matrix(kRows, 2 * kMlp),
               dy = matrix(kRows, kMlp);
  for (auto _ : state) cpu().activation_bwd(dx, dy, x, Activation::swiglu);
  report_bytes(state, 5 * kRows * kMlp);
}

void BM_CrossEntropy(benchmark::State& state) {
  const Tensor logits = matrix(kHeadRows, kVocab, 4), labels = integers(1, kHeadRows, kVocab);
  const Tensor weight = matrix(1, kHeadRows), loss = matrix(1, kHeadRows),
               lse = matrix(1, kHeadRows);
  for (auto _ : state) {
    cpu().xent_chunk(loss, lse, logits, labels, weight, kVocab, 0, true);
  }
  report_bytes(state, 2 * kHeadRows * kVocab);
}

void BM_Add(benchmark::State& state) {
  const Tensor a = matrix(kRows, kHidden), b = matrix(kRows, kHidden);
  for (auto _ : state) cpu().add(a, a, b);
  report_bytes(state, 3 * kRows * kHidden);
}

void BM_Embed(benchmark::State& state) {
  const Tensor table = matrix(kVocab, kHidden), y = matrix(kRows, kHidden);
  const Tensor tokens = integers(1, kRows, kVocab);
  for (auto _ : state) cpu().embed(y, table, tokens);
  report_bytes(state, 2 * kRows * kHidden);
}

void BM_EmbedBackward(benchmark::State& state) {
  const Tensor table = matrix(kVocab, kHidden), y = matrix(kRows, kHidden);
  const Tensor tokens = integers(1, kRows, kVocab);
  for (auto _ : state) cpu().embed_bwd(table, y, tokens);
  report_bytes(state, 3 * kRows * kHidden);
}

constexpr int64_t kParameters = 14 << 20;

void BM_AdamW(benchmark::State& state) {
  const Tensor p = matrix(1, kParameters), g = matrix(1, kParameters), m = matrix(1, kParameters);
  const Tensor v = matrix(1, kParameters);
  cpu().zero(v.data, kParameters * 4);
  const std::vector<OptimizerRange> ranges{{0, kParameters, true, 1.0f}};
  std::vector<double> sums(static_cast<size_t>(kParameters / kFlatBlock * 3));
  OptimizerStep step;
  step.param = p;
  step.grad = g;
  step.m = m;
  step.v = v;
  step.ranges = ranges;
  step.lr = 1e-4;
  step.block_sums = make_tensor(sums.data(), Dtype::f64, kParameters / kFlatBlock, 3);
  for (auto _ : state) cpu().optimizer_step(step);
  report_bytes(state, 7 * kParameters);
}

void BM_NormBlocks(benchmark::State& state) {
  const Tensor g = matrix(1, kParameters);
  std::vector<double> sums(static_cast<size_t>(kParameters / kFlatBlock));
  const Tensor out = make_tensor(sums.data(), Dtype::f64, 1, kParameters / kFlatBlock);
  for (auto _ : state) cpu().norm_blocks(out, g);
  report_bytes(state, kParameters);
}

void BM_Stats(benchmark::State& state) {
  const Tensor x = matrix(kRows, kMlp);
  std::vector<double> sums(kStatsCols);
  const Tensor out = make_tensor(sums.data(), Dtype::f64, 1, kStatsCols);
  for (auto _ : state) cpu().stats(out, x);
  report_bytes(state, kRows * kMlp);
}

BENCHMARK_CAPTURE(BM_Gemm, qkv_forward, kRows, kHidden, 3 * kHidden, kForward)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, qkv_dx, kRows, kHidden, 3 * kHidden, kInputGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, qkv_dw, kRows, kHidden, 3 * kHidden, kWeightGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, proj_forward, kRows, kHidden, kHidden, kForward)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, proj_dx, kRows, kHidden, kHidden, kInputGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, proj_dw, kRows, kHidden, kHidden, kWeightGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, gate_up_forward, kRows, kHidden, 2 * kMlp, kForward)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, gate_up_dx, kRows, kHidden, 2 * kMlp, kInputGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, gate_up_dw, kRows, kHidden, 2 * kMlp, kWeightGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, down_forward, kRows, kMlp, kHidden, kForward)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, down_dx, kRows, kMlp, kHidden, kInputGradient)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, down_dw, kRows, kMlp, kHidden, kWeightGradient)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, head_forward, kHeadRows, kHidden, kVocab, kForward)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, head_dx, kHeadRows, kHidden, kVocab, kInputGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, head_dw, kHeadRows, kHidden, kVocab, kWeightGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Gemm, head128_dw, 128, kHidden, kVocab, kWeightGradient)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Pack, gate_up, kHidden, 2 * kMlp)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(BM_Pack, head, kHidden, kVocab)->MeasureProcessCPUTime();
BENCHMARK(BM_Attention)->MeasureProcessCPUTime();
BENCHMARK(BM_AttentionBackward)->MeasureProcessCPUTime();
BENCHMARK(BM_Rope)->MeasureProcessCPUTime();
BENCHMARK(BM_Norm)->MeasureProcessCPUTime();
BENCHMARK(BM_NormBackward)->MeasureProcessCPUTime();
BENCHMARK(BM_Swiglu)->MeasureProcessCPUTime();
BENCHMARK(BM_SwigluBackward)->MeasureProcessCPUTime();
BENCHMARK(BM_CrossEntropy)->MeasureProcessCPUTime();
BENCHMARK(BM_Add)->MeasureProcessCPUTime();
BENCHMARK(BM_Embed)->MeasureProcessCPUTime();
BENCHMARK(BM_EmbedBackward)->MeasureProcessCPUTime();
BENCHMARK(BM_AdamW)->MeasureProcessCPUTime();
BENCHMARK(BM_NormBlocks)->MeasureProcessCPUTime();
BENCHMARK(BM_Stats)->MeasureProcessCPUTime();

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
