#include "kernels/cuda/attention_hopper.h"

#include "kernels/cuda/attention_hopper_dkv.cuh"
#include "kernels/cuda/attention_hopper_dq.cuh"
#include "kernels/cuda/attention_hopper_forward.cuh"

namespace ballast::attn {

namespace {

template <class Int>
__global__ void __launch_bounds__(kWarpSize) code_kernel(Int* has) {
  if (threadIdx.x == 0) *has = kHasWarpgroups ? 1 : 0;
}

}  // namespace

bool has_hopper_code(Runtime& runtime) {
  int32_t has = 0;
  auto* const on_device = static_cast<int32_t*>(runtime.allocate(sizeof(has)));
  launch(runtime.stream(StreamId::compute), "code for sm_90a", code_kernel<int32_t>,
         {.threads = kWarpSize}, on_device);
  runtime.copy_out(&has, on_device, sizeof(has), StreamId::compute);
  runtime.synchronize(runtime.record(StreamId::compute));
  runtime.release(on_device);
  return has != 0;
}

void hopper_forward(const Stream& stream, const Tensor& o, const Tensor& lse, float* tops,
                    const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                    const ScorePolicy& policy) {
  const auto narrow = [](int64_t x) { return static_cast<int>(x); };
  const HopperHeads heads{narrow(shape.seq), narrow(shape.heads), narrow(shape.kv_heads),
                          narrow(shape.head_dim)};
  const TensorMap map = map_of_heads(qkv, shape.heads + 2 * shape.kv_heads, shape);
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    with_dim(shape.head_dim, [&](auto dim) {
      using Block = HopperForward<dim()>;
      launch(stream, "attention (hopper)", hopper_forward_kernel<dim(), kCap>,
             tiles_of(shape, shape.heads, Block::kRows, Block::kThreads, Block::kSharedBytes), map,
             device_matrix<bf16>(o), device_matrix<float>(lse), tops, heads,
             device_matrix<const int32_t>(doc_start), scores);
    });
  });
}

void hopper_backward(const Stream& stream, const Tensor& dqkv, const Tensor& dout,
                     const RowStats* stats, const Tensor& qkv, const Tensor& doc_start,
                     const AttentionShape& shape, const ScorePolicy& policy) {
  const TensorMap map = map_of_heads(qkv, shape.heads + 2 * shape.kv_heads, shape);
  const TensorMap dout_map = map_of_heads(dout, shape.heads, shape);
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    with_dim(shape.head_dim, [&](auto dim) {
      const auto run = [&](const char* name, auto kernel, int64_t heads, auto block) {
        using Block = typename decltype(block)::type;
        launch(stream, name, kernel,
               tiles_of(shape, heads, Block::kRows, Block::kThreads, Block::kSharedBytes), map,
               dout_map, heads_of<bf16>(dqkv, shape), stats, padded_rows(shape.seq),
               device_matrix<const int32_t>(doc_start), scores);
      };
      run("attention_bwd dq (hopper)", hopper_dq_kernel<dim(), kCap>, shape.heads,
          std::type_identity<HopperQueryGradient<dim()>>());
      run("attention_bwd dkv (hopper)", hopper_dkv_kernel<dim(), kCap>, shape.kv_heads,
          std::type_identity<HopperKeyGradient<dim()>>());
    });
  });
}

}  // namespace ballast::attn
