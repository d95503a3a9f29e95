// Speed of the FP8 probe on a bf16 matrix in memory, one thread: the first pass alone, then with
// one recipe of each granularity and with six tensor-wide ones, in elements per second; and of
// encoding. Run it on a quiet machine; `--benchmark_repetitions=9
// --benchmark_report_aggregates_only=true` gives medians.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "libcore/base/rng.h"
#include "libcore/precision/half.h"
#include "libcore/precision/probe.h"

namespace ballast {
namespace {

constexpr int64_t kRows = 2048, kColumns = 2048;

const std::vector<uint16_t>& weights() {
  static const std::vector<uint16_t> codes = [] {
    std::vector<uint16_t> made(kRows * kColumns);
    for (size_t i = 0; i < made.size(); ++i) {
      made[i] = float_to_bf16(0.02f * static_cast<float>(random_normal(1, 1, i)));
    }
    return made;
  }();
  return codes;
}

void probe(benchmark::State& state, const char* list) {
  const Bytes bytes = std::as_bytes(std::span(weights()));
  const ProbedTensor tensor{"BF16", {kRows, kColumns}, [bytes](int64_t offset, MutableBytes into) {
                              std::memcpy(into.data(), bytes.data() + offset, into.size());
                              return Result<void>();
                            }};
  const std::vector<Recipe> recipes =
      *list == '\0' ? std::vector<Recipe>() : parse_recipes(list, "bench").value();
  for (auto _ : state) benchmark::DoNotOptimize(probe_tensor(tensor, recipes).ok());
  state.SetItemsProcessed(state.iterations() * kRows * kColumns);
  state.SetBytesProcessed(state.iterations() * kRows * kColumns * 2);
}

void encode(benchmark::State& state, Fp8Format format) {
  std::vector<float> values(1 << 20);
  for (size_t i = 0; i < values.size(); ++i) values[i] = bf16_to_float(weights()[i]);
  std::vector<uint8_t> codes(values.size());
  for (auto _ : state) {
    encode_fp8(values, 1000.0f, format, codes);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(values.size()));
}

BENCHMARK_CAPTURE(probe, values_only, "");
BENCHMARK_CAPTURE(probe, tensor, "tensor");
BENCHMARK_CAPTURE(probe, row, "row");
BENCHMARK_CAPTURE(probe, block_1x128, "1x128");
BENCHMARK_CAPTURE(probe, block_128x128, "128x128");
BENCHMARK_CAPTURE(probe, six_tensor_wide,
                  "tensor,tensor:floor,tensor:ceil,tensor:e5m2,tensor:e5m2:floor,tensor:e5m2:ceil");
BENCHMARK_CAPTURE(encode, e4m3, Fp8Format::e4m3);
BENCHMARK_CAPTURE(encode, e5m2, Fp8Format::e5m2);

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
