// Time of every op of a training step on a device, beside what the device was measured to do at
// most: a large matrix product (TFLOP/s) and a long sum of vectors (GB/s).
//
//   time_kernels DEVICE [FILE]     DEVICE as of --device; one JSON object per op is appended to
//   FILE
//
// On cuda at the shapes of the ZClip paper's 1B LLaMA (hidden 2048, MLP 5440, 16 heads x 128,
// vocabulary 65536), 16,384 rows, and attention at 2k, 4k and 8k; on emu at a tiny one, to see that
// it runs. Medians over samples of many calls each. Bytes count every operand once, and operations
// of causal attention half a square. Operands are larger than a device's cache.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/open_backend.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

struct Sizes {
  int64_t rows, hidden, mlp, heads, head_dim, seq, vocab, chunk, product, stream;
  std::vector<int64_t> attention_seqs;
};
const Sizes kOneBillion = {
    16384, 2048, 5440, 16, 128, 2048, 65536, 4096, 8192, int64_t{1} << 26, {2048, 4096, 8192}};
const Sizes kTiny = {64, 128, 256, 2, 64, 32, 512, 32, 64, 1 << 14, {32, 64}};

class Bench {
 public:
  Bench(Backend& backend, const Sizes& sizes, bool tiny, std::FILE* file)
      : b_(backend), s_(sizes), tiny_(tiny), file_(file) {}
  ~Bench() { release(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void run() {
    ceilings();
    products();
    norms();
    rotations();
    attentions();
    activations();
    losses();
    vectors();
    optimizers();
  }

 private:
  // ---- operands: random values of deviation 0.3, in memory of the device until release() ----
  Tensor matrix(Dtype dtype, int64_t rows, int64_t cols) {
    const Tensor t =
        make_tensor(b_.allocate(rows * cols * bytes_of(dtype), false), dtype, rows, cols);
    memory_.push_back(t.data);
    // One row of values for all: filling gigabytes on the host would take longer than the bench.
    const Tensor row = make_tensor(b_.allocate(cols * 4, false), Dtype::f32, 1, cols);
    memory_.push_back(row.data);
    std::vector<float> values(static_cast<size_t>(cols));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(random_uniform(1, static_cast<uint64_t>(rows), i) - 0.5);
    b_.copy_in(row.data, values.data(), cols * 4, StreamId::compute);
    for (int64_t r = 0; r < rows; ++r) {
      b_.cast(rows_of(t, r, 1), row);
      if (r % 512 == 511) wait();  // a queue has an end
    }
    return t;
  }
  Tensor activation(int64_t cols) { return activation(s_.rows, cols); }
  Tensor activation(int64_t rows, int64_t cols) { return matrix(b_.compute_dtype(), rows, cols); }
  Tensor floats(int64_t rows, int64_t cols) { return matrix(Dtype::f32, rows, cols); }
  Tensor doubles(int64_t rows, int64_t cols) {
    const Tensor t = make_tensor(b_.allocate(rows * cols * 8, false), Dtype::f64, rows, cols);
    memory_.push_back(t.data);
    b_.zero(t.data, rows * cols * 8);
    return t;
  }
  Tensor integers(int64_t rows, int64_t cols, int64_t below) {
    const Tensor t = make_tensor(b_.allocate(rows * cols * 4, false), Dtype::i32, rows, cols);
    memory_.push_back(t.data);
    std::vector<int32_t> values(static_cast<size_t>(rows * cols));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<int32_t>(i * 7919 % static_cast<size_t>(std::max<int64_t>(below, 1)));
    b_.copy_in(t.data, values.data(), rows * cols * 4, StreamId::compute);
    return t;
  }
  void release() {
    wait();
    for (void* data : memory_) b_.release(data);
    memory_.clear();
  }

  // ---- timing ----
  void wait() { b_.synchronize(b_.record(StreamId::compute)); }
  double seconds_of(int64_t calls, const std::function<void()>& call) {
    wait();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < calls; ++i) call();
    wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  // Median seconds of one call. A sample lasts about 10 ms, so that the wait at its end is little.
  double median(const std::function<void()>& call) {
    for (int i = 0; i < (tiny_ ? 1 : 3); ++i) call();
    const double once = std::max(seconds_of(1, call), 1e-6);
    const int64_t calls =
        tiny_ ? 1 : std::clamp<int64_t>(static_cast<int64_t>(0.01 / once), 1, 1000);
    std::vector<double> samples;
    for (int i = 0; i < (tiny_ ? 1 : 9); ++i)
      samples.push_back(seconds_of(calls, call) / static_cast<double>(calls));
    std::ranges::nth_element(samples, samples.begin() + std::ssize(samples) / 2);
    return samples[samples.size() / 2];
  }
  void report(const std::string& op, double seconds, double amount, bool flops) {
    double& ceiling = flops ? flops_ : bytes_;
    const double rate = amount / seconds;
    if (ceiling == 0) ceiling = rate;
    const char* const unit = flops ? "TFLOP/s" : "GB/s";
    const double shown = rate / (flops ? 1e12 : 1e9);
    fmt::print("{:<28} {:>10.1f} us {:>9.1f} {:<8} {:>5.1f} %\n", op, seconds * 1e6, shown, unit,
               100 * rate / ceiling);
    if (file_ != nullptr) {
      fmt::print(
          file_,
          "{{\"op\":\"{}\",\"us\":{:.2f},\"rate\":{:.3f},\"unit\":\"{}\",\"share\":{:.4f}}}\n", op,
          seconds * 1e6, shown, unit, rate / ceiling);
    }
  }
  void flops(const std::string& op, double count, const std::function<void()>& call) {
    report(op, median(call), count, true);
  }
  void bytes(const std::string& op, std::initializer_list<Tensor> operands,
             const std::function<void()>& call) {
    int64_t sum = 0;
    for (const Tensor& t : operands) sum += t.elements() * bytes_of(t.dtype);
    report(op, median(call), static_cast<double>(sum), false);
  }
  static double product(int64_t m, int64_t n, int64_t k) {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }

  // ---- the ops ----
  void ceilings() {
    const int64_t n = s_.product;
    const Tensor a = activation(n, n), c = activation(n, n), d = activation(n, n);
    flops("largest product", product(n, n, n), [&] { b_.gemm(d, a, c, {.transpose_b = true}); });
    const Tensor x = floats(s_.stream / 4096, 4096), y = floats(s_.stream / 4096, 4096),
                 z = floats(s_.stream / 4096, 4096);
    bytes("long sum", {x, y, z}, [&] { b_.add(z, x, y); });
    release();
  }
  void products() {
    const int64_t h = s_.hidden, width = s_.heads * s_.head_dim;
    linear("qkv", 3 * width, h);
    linear("proj", h, width);
    linear("fc1", 2 * s_.mlp, h);
    linear("fc2", h, s_.mlp);
    linear("head, a chunk", s_.vocab, h, s_.chunk);
  }
  void linear(const std::string& name, int64_t out, int64_t in) { linear(name, out, in, s_.rows); }
  void linear(const std::string& name, int64_t out, int64_t in, int64_t rows) {
    const Tensor x = activation(rows, in), y = activation(rows, out), w = floats(out, in),
                 dw = floats(out, in), dx = activation(rows, in);
    b_.prepare(w);
    const double count = product(rows, out, in);
    flops(name, count, [&] { b_.gemm(y, x, w, {.transpose_b = true, .b_is_weight = true}); });
    flops(name + ", dx", count, [&] { b_.gemm(dx, y, w, {.b_is_weight = true}); });
    flops(name + ", dw", count, [&] { b_.gemm(dw, y, x, {.transpose_a = true, .beta = 1.0f}); });
    release();
  }
  void norms() {
    const Tensor x = activation(s_.hidden), y = activation(s_.hidden), sum = activation(s_.hidden),
                 branch = activation(s_.hidden), w = floats(1, s_.hidden),
                 dw = floats(1, s_.hidden), rstd = floats(1, s_.rows);
    bytes("norm", {x, y}, [&] { b_.norm(y, rstd, x, w, 1e-5f); });
    bytes("add_norm", {x, branch, sum, y}, [&] { b_.add_norm(y, rstd, sum, x, branch, w, 1e-5f); });
    bytes("norm_bwd", {x, y, sum}, [&] { b_.norm_bwd(sum, dw, y, x, w, rstd); });
    bytes("scale_channels", {x, y}, [&] { b_.scale_channels(y, x, w); });
    bytes("scale_channels_bwd", {x, y, sum}, [&] { b_.scale_channels_bwd(sum, dw, y, x, w); });
    release();
  }
  AttentionShape shape(int64_t seq, int64_t heads, int64_t head_dim) const {
    return {s_.rows / seq, seq, heads, heads, head_dim};
  }
  void rotations() {
    const AttentionShape shape = this->shape(s_.seq, s_.heads, s_.head_dim);
    const Tensor qkv = activation(shape.qkv_cols()), out = activation(shape.qkv_cols()),
                 dqkv = activation(shape.qkv_cols()), gain = floats(1, s_.head_dim),
                 dgain = floats(1, s_.head_dim), rstd = floats(s_.rows, s_.heads),
                 cos = floats(s_.seq, s_.head_dim / 2), start = integers(shape.batch, s_.seq, 1);
    bytes("qk_norm_rope", {qkv, out}, [&] {
      b_.qk_norm_rope(out, rstd, rstd, qkv, gain, gain, cos, cos, start, shape, 1e-5f);
    });
    bytes("qk_norm_rope_bwd", {qkv, out, dqkv}, [&] {
      b_.qk_norm_rope_bwd(dqkv, dgain, dgain, out, rstd, rstd, qkv, gain, gain, cos, cos, start,
                          shape);
    });
    release();
  }
  void attentions() {
    for (const int64_t seq : s_.attention_seqs) {
      attention(seq, s_.heads, s_.head_dim);
      if (s_.head_dim > 64) attention(seq, s_.heads * s_.head_dim / 64, 64);
    }
  }
  void attention(int64_t seq, int64_t heads, int64_t head_dim) {
    const AttentionShape shape = this->shape(seq, heads, head_dim);
    const Tensor qkv = activation(shape.qkv_cols()), dqkv = activation(shape.qkv_cols()),
                 o = activation(shape.q_cols()), dout = activation(shape.q_cols()),
                 lse = floats(s_.rows, heads), start = integers(shape.batch, seq, 1);
    const ScorePolicy policy = {.scale = 0.1f};
    const std::string at = fmt::format("T {}, {} x {}", seq, heads, head_dim);
    const double count = product(s_.rows, seq, heads * head_dim);  // 4 products' halves
    flops("attention " + at, count, [&] { b_.attention(o, lse, {}, qkv, start, shape, policy); });
    flops("attention_bwd " + at, 2.5 * count,
          [&] { b_.attention_bwd(dqkv, dout, o, lse, qkv, start, shape, policy); });
    release();
  }
  void activations() {
    const Tensor wide = activation(2 * s_.mlp), dwide = activation(2 * s_.mlp),
                 x = activation(s_.mlp), y = activation(s_.mlp), dx = activation(s_.mlp),
                 alpha = floats(1, 2), dalpha = floats(1, 2);
    bytes("swiglu", {wide, y}, [&] { b_.activation(y, wide, Activation::swiglu); });
    bytes("swiglu_bwd", {wide, dwide, y},
          [&] { b_.activation_bwd(dwide, y, wide, Activation::swiglu); });
    bytes("squared_relu", {x, y}, [&] { b_.activation(y, x, Activation::squared_relu); });
    bytes("xielu", {x, y}, [&] { b_.xielu(y, x, alpha); });
    bytes("xielu_bwd", {x, y, dx}, [&] { b_.xielu_bwd(dx, dalpha, y, x, alpha); });
    release();
  }
  void losses() {
    const Tensor logits = activation(s_.chunk, s_.vocab), rows = floats(1, s_.chunk),
                 lse = floats(1, s_.chunk), weight = floats(1, s_.chunk),
                 labels = integers(1, s_.chunk, s_.vocab);
    bytes("xent_chunk, forward", {logits},
          [&] { b_.xent_chunk(rows, lse, logits, labels, weight, s_.vocab, 1e-4f, false); });
    bytes("xent_chunk", {logits, logits},
          [&] { b_.xent_chunk(rows, lse, logits, labels, weight, s_.vocab, 1e-4f, true); });
    release();
    const Tensor table = floats(s_.vocab, s_.hidden), y = activation(s_.hidden),
                 tokens = integers(1, s_.rows, s_.vocab);
    bytes("embed", {y, y}, [&] { b_.embed(y, table, tokens); });
    bytes("embed_bwd", {y, y, y}, [&] { b_.embed_bwd(table, y, tokens); });
    release();
  }
  void vectors() {
    const Tensor x = activation(s_.hidden), y = activation(s_.hidden),
                 w = floats(s_.mlp, s_.hidden), copy = activation(s_.mlp, s_.hidden),
                 out = doubles(1, kStatsCols);
    bytes("add", {x, x, y}, [&] { b_.add(y, x, y); });
    bytes("cast of a weight", {w, copy}, [&] { b_.cast(copy, w); });
    bytes("stats", {x}, [&] { b_.stats(out, x); });
    release();
  }
  void optimizers() {
    const int64_t n = s_.stream / kFlatBlock * kFlatBlock;
    if (n == 0) return optimizer(kFlatBlock);
    optimizer(n);
  }
  void optimizer(int64_t n) {
    const Tensor param = floats(1, n), grad = floats(1, n), m = floats(1, n), v = floats(1, n),
                 m2 = floats(1, n), sums = doubles(n / kFlatBlock, 3),
                 norms = doubles(1, n / kFlatBlock);
    bytes("norm_blocks", {grad}, [&] { b_.norm_blocks(norms, grad); });
    const std::vector<OptimizerRange> ranges = {{.begin = 0, .end = n, .decay = true}};
    OptimizerStep step = {};
    step.param = param;
    step.grad = grad;
    step.m = m;
    step.v = v;
    step.ranges = ranges;
    step.lr = 1e-9;
    step.block_sums = sums;
    bytes("adamw", {param, param, grad, m, m, v, v}, [&] { b_.optimizer_step(step); });
    if (b_.compute_dtype() == Dtype::bf16) {
      const Tensor narrow = activation(n / kFlatBlock, kFlatBlock);
      step.param = make_tensor(narrow.data, narrow.dtype, 1, n);
      bytes("adamw, bf16 weights", {step.param, step.param, grad, m, m, v, v},
            [&] { b_.optimizer_step(step); });
      step.param = param;
    }
    step.kind = OptimizerKind::ademamix;
    step.m2 = m2;
    step.alpha = 1;
    step.beta3 = 0.999;
    bytes("ademamix", {param, param, grad, m, m, v, v, m2, m2}, [&] { b_.optimizer_step(step); });
    release();
  }

  Backend& b_;
  Sizes s_;
  bool tiny_;
  std::FILE* file_;
  double flops_ = 0, bytes_ = 0;  // per second, of the ceilings
  std::vector<void*> memory_;
};

int time_kernels(const std::string& device, const char* path) {
  const auto compute = compute_type(device, "auto");
  const auto opened = compute.ok() ? open_backend(device, {.compute = *compute})
                                   : Result<std::unique_ptr<Backend>>(compute.error());
  if (!opened.ok()) {
    fmt::print(stderr, "time_kernels: error: {}\n", opened.error().message());
    return 4;
  }
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "a");
  if (path != nullptr && file == nullptr) {
    fmt::print(stderr, "time_kernels: error: {}: cannot be written\n", path);
    return 3;
  }
  const bool tiny = device == "emu";
  if (tiny) fmt::print("in the emulation: that it runs is all this shows, its times say nothing\n");
  Bench(**opened, tiny ? kTiny : kOneBillion, tiny, file).run();
  if (file != nullptr) std::fclose(file);
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: time_kernels DEVICE [FILE]\n");
    return 2;
  }
  return ballast::time_kernels(argv[1], argc == 3 ? argv[2] : nullptr);
}
