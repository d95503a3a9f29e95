// Matrix products through cuBLASLt. Matrices are row-major here and column-major there: D^T =
// op(B)^T op(A)^T is asked for. The algorithm of each shape is the fastest of those that the
// library proposes, timed once, or that of the run that this one continues; the same algorithm
// gives the same bits.
#include <cublasLt.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/cuda/gemm_engine.h"
#include "kernels/cuda/native/cuda_error.h"
#include "libcore/base/device_error.h"
#include "libcore/tensor/product_choices.h"

namespace ballast {

namespace {

constexpr int64_t kWorkspace = int64_t{32} << 20;  // what NVIDIA advises for Hopper
constexpr int kCandidates = 8, kTimings = 5;

void check_blas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(fmt::format("cuBLASLt: {}: {}", what, cublasLtGetStatusString(status)));
}

cudaDataType_t data_type(Dtype dtype) {
  BALLAST_CHECK(dtype == Dtype::f32 || dtype == Dtype::bf16);
  return dtype == Dtype::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

// The largest power of two up to 256 that divides the address.
uint32_t alignment_of(const void* data) {
  return std::min<uint32_t>(
      256, uint32_t{1} << std::min(8, std::countr_zero(reinterpret_cast<uintptr_t>(data) | 0x100)));
}

struct Shape {
  int64_t m, n, k, lda, ldb, ldc, ldd;
  bool transpose_a, transpose_b, accumulate;
  Dtype in, out;
  uint32_t align_a, align_b, align_c, align_d;
  auto operator<=>(const Shape&) const = default;
};

Shape shape_of(const GemmCall& g) {
  return {g.d.rows,
          g.d.cols,
          g.transpose_a ? g.a.rows : g.a.cols,
          g.a.stride,
          g.b.stride,
          g.c.stride,
          g.d.stride,
          g.transpose_a,
          g.transpose_b,
          g.beta != 0,
          g.a.dtype,
          g.d.dtype,
          alignment_of(g.a.data),
          alignment_of(g.b.data),
          alignment_of(g.c.data),
          alignment_of(g.d.data)};
}

std::string name_of(const Shape& s) {
  return fmt::format("{}x{}x{} {}{}{} {}->{} strides {} {} {} {} aligned {} {} {} {}", s.m, s.n,
                     s.k, s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N',
                     s.accumulate ? "+" : "", bytes_of(s.in), bytes_of(s.out), s.lda, s.ldb, s.ldc,
                     s.ldd, s.align_a, s.align_b, s.align_c, s.align_d);
}

template <class T, cublasStatus_t (*kDestroy)(T)>
class Handle {
 public:
  Handle() = default;
  ~Handle() {
    if (handle_ != nullptr) kDestroy(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  T* out() { return &handle_; }
  T get() const { return handle_; }

 private:
  T handle_ = nullptr;
};

using Layout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Operation = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// One shape: descriptors and the algorithm.
struct Plan {
  Operation operation;
  Layout a, b, c, d;  // of this header's A and B, not of cuBLASLt's
  cublasLtMatmulAlgo_t algorithm = {};
};

void make_layout(Layout& layout, Dtype dtype, int64_t rows, int64_t cols, int64_t stride) {
  check_blas(cublasLtMatrixLayoutCreate(layout.out(), data_type(dtype), static_cast<uint64_t>(cols),
                                        static_cast<uint64_t>(rows), stride),
             "describing a matrix");
}

void describe(Plan& plan, const GemmCall& g) {
  check_blas(cublasLtMatmulDescCreate(plan.operation.out(), CUBLAS_COMPUTE_32F, CUDA_R_32F),
             "describing a product");
  const cublasOperation_t first = g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  check_blas(cublasLtMatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_TRANSA,
                                            &first, sizeof(first)),
             "describing a product");
  check_blas(cublasLtMatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_TRANSB,
                                            &second, sizeof(second)),
             "describing a product");
  make_layout(plan.a, g.a.dtype, g.a.rows, g.a.cols, g.a.stride);
  make_layout(plan.b, g.b.dtype, g.b.rows, g.b.cols, g.b.stride);
  make_layout(plan.c, g.c.dtype, g.d.rows, g.d.cols, g.c.stride);
  make_layout(plan.d, g.d.dtype, g.d.rows, g.d.cols, g.d.stride);
}

template <class T>
void prefer(const Preference& preference, cublasLtMatmulPreferenceAttributes_t what, T value) {
  check_blas(cublasLtMatmulPreferenceSetAttribute(preference.get(), what, &value, sizeof(value)),
             "preferring algorithms");
}

}  // namespace

struct GemmEngine::State {
  cublasLtHandle_t handle = nullptr;
  void* workspace = nullptr;
  std::map<Shape, Plan> plans;
  std::string owner;         // library and device
  ProductChoices continued;  // of the run that this one continues

  void call(const Plan& plan, const GemmCall& g, void* d, const cublasLtMatmulAlgo_t& algorithm,
            cudaStream_t stream) const {
    check_blas(cublasLtMatmul(handle, plan.operation.get(), &g.alpha, g.b.data, plan.b.get(),
                              g.a.data, plan.a.get(), &g.beta, g.c.data, plan.c.get(), d,
                              plan.d.get(), &algorithm, workspace, kWorkspace, stream),
               fmt::format("multiplying {} x {} x {}", g.d.rows, g.d.cols,
                           g.transpose_a ? g.a.rows : g.a.cols)
                   .c_str());
  }

  std::vector<cublasLtMatmulHeuristicResult_t> candidates(const Plan& plan,
                                                          const Shape& shape) const {
    Preference preference;
    check_blas(cublasLtMatmulPreferenceCreate(preference.out()), "preferring algorithms");
    prefer(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<size_t>(kWorkspace));
    prefer(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.align_b);
    prefer(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.align_a);
    prefer(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.align_c);
    prefer(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.align_d);
    std::vector<cublasLtMatmulHeuristicResult_t> found(kCandidates);
    int count = 0;
    check_blas(cublasLtMatmulAlgoGetHeuristic(handle, plan.operation.get(), plan.b.get(),
                                              plan.a.get(), plan.c.get(), plan.d.get(),
                                              preference.get(), kCandidates, found.data(), &count),
               "looking for an algorithm");
    found.resize(static_cast<size_t>(count));
    return found;
  }

  // The algorithm of the run that this one continues, where it knows the shape and the library
  // still has it.
  bool take_continued(Plan& plan, const Shape& shape) const {
    const auto found = continued.by_shape.find(name_of(shape));
    if (found == continued.by_shape.end()) return false;
    plan.algorithm = std::bit_cast<cublasLtMatmulAlgo_t>(found->second);
    cublasLtMatmulHeuristicResult_t result = {};
    return cublasLtMatmulAlgoCheck(handle, plan.operation.get(), plan.b.get(), plan.a.get(),
                                   plan.c.get(), plan.d.get(), &plan.algorithm,
                                   &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= static_cast<size_t>(kWorkspace);
  }

  Plan& choose(Runtime& runtime, const GemmCall& g, cudaStream_t stream) {
    const Shape shape = shape_of(g);
    Plan& plan = plans[shape];
    describe(plan, g);
    if (take_continued(plan, shape)) return plan;
    const std::vector<cublasLtMatmulHeuristicResult_t> choices = candidates(plan, shape);
    if (choices.empty()) {
      throw DeviceError(
          fmt::format("cuBLASLt: no algorithm for {} x {} x {}", shape.m, shape.n, shape.k));
    }
    plan.algorithm = choices[0].algo;
    if (choices.size() == 1) return plan;
    // Memory as D's: what is timed must not change the result.
    void* const scratch = runtime.allocate(g.d.rows * g.d.stride * bytes_of(g.d.dtype));
    float best = 0;
    for (size_t i = 0; i < choices.size(); ++i) {
      const float t = time(plan, g, scratch, choices[i].algo, stream);
      if (i > 0 && t >= best) continue;
      best = t;
      plan.algorithm = choices[i].algo;
    }
    check_cuda(cudaStreamSynchronize(stream), "timing a product");
    runtime.release(scratch);
    return plan;
  }

  // Milliseconds, the median of kTimings after one untimed run. D goes to `scratch`.
  float time(const Plan& plan, const GemmCall& g, void* scratch,
             const cublasLtMatmulAlgo_t& algorithm, cudaStream_t stream) const {
    cudaEvent_t start = nullptr, stop = nullptr;
    check_cuda(cudaEventCreate(&start), "timing a product");
    check_cuda(cudaEventCreate(&stop), "timing a product");
    call(plan, g, scratch, algorithm, stream);
    std::array<float, kTimings> times = {};
    for (float& t : times) {
      check_cuda(cudaEventRecord(start, stream), "timing a product");
      call(plan, g, scratch, algorithm, stream);
      check_cuda(cudaEventRecord(stop, stream), "timing a product");
      check_cuda(cudaEventSynchronize(stop), "timing a product");
      check_cuda(cudaEventElapsedTime(&t, start, stop), "timing a product");
    }
    cudaEventDestroy(start);
    cudaEventDestroy(stop);
    std::nth_element(times.begin(), times.begin() + kTimings / 2, times.end());
    return times[kTimings / 2];
  }
};

GemmEngine::GemmEngine(Runtime& runtime) : runtime_(runtime), state_(std::make_unique<State>()) {
  check_blas(cublasLtCreate(&state_->handle), "starting");
  state_->owner = fmt::format("{}; {}", description(), runtime.description());
  state_->workspace = runtime.allocate(kWorkspace);
}

GemmEngine::~GemmEngine() {
  for (const auto& [key, copy] : copies_) runtime_.release(copy.data);
  runtime_.release(state_->workspace);
  state_->plans.clear();
  cublasLtDestroy(state_->handle);
}

std::string GemmEngine::description() const {
  return fmt::format("cuBLASLt {}", cublasLtGetVersion());
}
int64_t GemmEngine::workspace_bytes() { return kWorkspace; }

std::string GemmEngine::choices() const {
  ProductChoices choices = {state_->owner, {}};
  for (const auto& [shape, plan] : state_->plans)
    choices.by_shape[name_of(shape)] = std::bit_cast<ProductChoices::Words>(plan.algorithm);
  return choices.text();
}

// Plans that were made before are made again: they may have another algorithm.
bool GemmEngine::take_choices(const std::string& text) {
  if (text.empty()) return true;
  std::optional<ProductChoices> choices = ProductChoices::parse(text);
  if (!choices.has_value() || choices->owner != state_->owner) return false;
  state_->continued = *std::move(choices);
  std::erase_if(state_->plans, [&](const auto& entry) {
    return state_->continued.by_shape.contains(name_of(entry.first));
  });
  return true;
}

void GemmEngine::run(const Stream& stream, const GemmCall& g) {
  if (rehearsal_ == Rehearsed::imaginary) return;
  State& s = *state_;
  const auto handle = static_cast<cudaStream_t>(stream.handle());
  const Shape shape = shape_of(g);
  const auto found = s.plans.find(shape);
  const Plan& plan = found == s.plans.end() ? s.choose(runtime_, g, handle) : found->second;
  if (rehearsal_ == Rehearsed::no) s.call(plan, g, g.d.data, plan.algorithm, handle);
}

}  // namespace ballast
