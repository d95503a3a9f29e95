#include "kernels/cpu/gemm_cache.h"

#include <fmt/format.h>
#include <omp.h>

#include <cstdlib>
#include <dnnl.hpp>

#include "libcore/base/device_error.h"

namespace ballast {

namespace {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

// oneDNN keeps its own scratchpads per creating thread; ours follow the executing one.
dnnl::memory thread_scratchpad(const dnnl::memory::desc& desc) {
  thread_local std::vector<char> bytes;
  if (bytes.size() < desc.get_size() + 64) bytes.resize(desc.get_size() + 64);
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  return {desc, cpu_engine(), reinterpret_cast<void*>((address + 63) / 64 * 64)};
}

// A (rows, cols) matrix or, transposed, a view of its (cols, rows) storage.
dnnl::memory::desc matrix_desc(int64_t rows, int64_t cols, int64_t stride, bool transposed) {
  const dnnl::memory::dims strides =
      transposed ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1};
  return {{rows, cols}, dnnl::memory::data_type::f32, strides};
}

dnnl::memory wrap(const dnnl::memory::desc& desc, const float* data) {
  return {desc, cpu_engine(), const_cast<float*>(data)};  // inputs are only read
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// oneDNN starts OpenMP threads unless told, in each thread, not to.
void one_thread() { ::omp_set_num_threads(1); }

template <class Function>
auto guarded(const char* what, const GemmTile& t, const Function& function) {
  try {
    return function();
  } catch (const dnnl::error& error) {
    throw DeviceError(
        fmt::format("cpu: gemm {} x {} x {}: {}: {}", t.m, t.n, t.k, what, error.what()));
  }
}

}  // namespace

GemmTiling::GemmTiling(int64_t rows, int64_t cols, int64_t depth) : m(rows), n(cols), k(depth) {
  constexpr int64_t kVector = 16;  // a tile ends with a whole vector of floats where it can
  const int64_t least = divide_up(m, kRows), wanted = least > 1 ? (least + 1) / 2 * 2 : 1;
  tile_rows = divide_up(divide_up(m, wanted), kVector) * kVector;
  row_tiles = divide_up(m, tile_rows);
  col_tiles = divide_up(n, kCols);
}

struct GemmPrimitive::State {
  GemmTile tile;
  dnnl::memory::desc plain_b;
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
};

GemmPrimitive::GemmPrimitive(const GemmTile& t) : state_(std::make_unique<State>()) {
  one_thread();
  guarded("cannot make the primitive", t, [&] {
    state_->tile = t;
    state_->plain_b = matrix_desc(t.k, t.n, t.b_stride, t.transpose_b);
    const dnnl::memory::desc any({t.k, t.n}, dnnl::memory::data_type::f32,
                                 dnnl::memory::format_tag::any);
    const dnnl::matmul::desc matmul(matrix_desc(t.m, t.k, t.a_stride, t.transpose_a),
                                    t.packed_b ? any : state_->plain_b,
                                    matrix_desc(t.m, t.n, t.d_stride, false));
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (t.alpha != 1) attributes.set_output_scales(0, {t.alpha});
    if (t.beta != 0) {
      dnnl::post_ops post;
      post.append_sum(t.beta);
      attributes.set_post_ops(post);
    }
    state_->desc = dnnl::matmul::primitive_desc(matmul, attributes, cpu_engine());
    state_->primitive = dnnl::matmul(state_->desc);
  });
}

GemmPrimitive::~GemmPrimitive() = default;

void GemmPrimitive::run(float* d, const float* a, const float* b) const {
  one_thread();
  const State& s = *state_;
  guarded("cannot run", s.tile, [&] {
    s.primitive.execute(thread_stream(),
                        {{DNNL_ARG_SRC, wrap(s.desc.src_desc(), a)},
                         {DNNL_ARG_WEIGHTS, wrap(s.desc.weights_desc(), b)},
                         {DNNL_ARG_DST, wrap(s.desc.dst_desc(), d)},
                         {DNNL_ARG_SCRATCHPAD, thread_scratchpad(s.desc.scratchpad_desc())}});
  });
}

bool GemmPrimitive::packed() const { return state_->tile.packed_b; }

bool GemmPrimitive::same_packing(const GemmPrimitive& other) const {
  return state_->desc.weights_desc() == other.state_->desc.weights_desc();
}

int64_t GemmPrimitive::packed_bytes() const {
  return static_cast<int64_t>(state_->desc.weights_desc().get_size());
}

void GemmPrimitive::pack(void* to, const float* b) const {
  one_thread();
  guarded("cannot pack the weight", state_->tile, [&] {
    dnnl::memory from = wrap(state_->plain_b, b);
    dnnl::memory packed(state_->desc.weights_desc(), cpu_engine(), to);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::reorder::primitive_desc desc(from, packed, attributes);
    dnnl::reorder(desc).execute(thread_stream(),
                                {{DNNL_ARG_FROM, from},
                                 {DNNL_ARG_TO, packed},
                                 {DNNL_ARG_SCRATCHPAD, thread_scratchpad(desc.scratchpad_desc())}});
  });
}

const GemmPrimitive& GemmCache::primitive(const GemmTile& tile) {
  std::unique_ptr<GemmPrimitive>& entry = primitives_[tile];
  if (entry == nullptr) entry = std::make_unique<GemmPrimitive>(tile);
  return *entry;
}

GemmCache::WeightKey GemmCache::key_of(const Tensor& weight, bool transposed) {
  return {weight.data, weight.rows, weight.cols, weight.stride, transposed};
}

void GemmCache::invalidate(const Tensor& weight) {
  for (const bool transposed : {false, true}) {
    weights_[key_of(weight, transposed)].current = false;
  }
}

PackedWeight& GemmCache::packed(const Tensor& weight, bool transposed) {
  return weights_[key_of(weight, transposed)];
}

std::string gemm_library() {
  const dnnl::version_t* version = dnnl::version();
  return fmt::format("oneDNN {}.{}.{} isa {:#x}", version->major, version->minor, version->patch,
                     static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

}  // namespace ballast
