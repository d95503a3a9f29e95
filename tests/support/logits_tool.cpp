// logits_tool CHECKPOINT PREFIX SEQUENCES SEQ_LEN OUT.safetensors
// Writes tokens (SEQUENCES, SEQ_LEN) and the model's logits for them, each sequence one document,
// for comparison with other implementations (tests/interop/compare_transformers.py).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/open_backend.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/safetensors.h"
#include "libcore/model/model.h"
#include "libcore/shard/reader.h"

namespace ballast {
namespace {

Result<void> dump(const std::string& checkpoint, const std::string& prefix, int64_t sequences,
                  int64_t seq_len, const std::string& out) {
  FileSystem& fs = posix_file_system();
  const ShardReader shard = BALLAST_TRY(ShardReader::open(fs, prefix));
  const LoadedCheckpoint small = BALLAST_TRY(load_checkpoint_state(fs, checkpoint));
  const ParamTable table = make_param_table(small.config);
  std::vector<float> flat(static_cast<size_t>(table.flat_size));
  const LoadedCheckpoint loaded =
      BALLAST_TRY(load_checkpoint(fs, checkpoint, table, {flat.data(), nullptr, nullptr}));
  const auto backend = BALLAST_TRY(open_backend("cpu", {}));

  const ModelShape shape = {1, seq_len, Recompute::none, false};
  const int64_t padded = loaded.config.padded_vocab(), vocab = loaded.config.vocab_size;
  Arena plan;
  const auto carve = [&](Arena& arena) {
    return std::vector<Tensor>{
        arena.take(Dtype::f32, 1, table.flat_size), arena.take(Dtype::i32, 1, seq_len),
        arena.take(Dtype::i32, 1, seq_len), arena.take(Dtype::f32, seq_len, padded)};
  };
  carve(plan);
  Model(*backend, plan, loaded.config, table, shape);
  Arena arena(*backend, plan.peak_bytes());
  const std::vector<Tensor> t = carve(arena);
  Model model(*backend, arena, loaded.config, table, shape);
  std::memcpy(t[0].data, flat.data(), flat.size() * sizeof(float));
  std::memset(t[2].data, 0, static_cast<size_t>(seq_len) * 4);
  model.bind(t[0], {});
  model.prepare_weights();

  SafetensorsWriter writer = BALLAST_TRY(SafetensorsWriter::create(
      fs, out,
      {{.name = "tokens", .dtype = "I32", .shape = {sequences, seq_len}},
       {.name = "logits", .dtype = "F32", .shape = {sequences, seq_len, vocab}}},
      {}));
  std::vector<int32_t> ids(static_cast<size_t>(sequences * seq_len));
  BALLAST_TRY(shard.read_tokens(0, ids));
  BALLAST_TRY(writer.append(std::as_bytes(std::span(ids))));
  for (int64_t s = 0; s < sequences; ++s) {
    std::memcpy(t[1].data, ids.data() + s * seq_len, static_cast<size_t>(seq_len) * 4);
    model.logits({.tokens = t[1],
                  .labels = {},
                  .weight = {},
                  .doc_start = make_tensor(t[2].data, Dtype::i32, 1, seq_len)},
                 t[3]);
    backend->synchronize(backend->record(StreamId::compute));
    for (int64_t r = 0; r < seq_len; ++r) {
      BALLAST_TRY(
          writer.append(std::as_bytes(std::span(t[3].row<float>(r), static_cast<size_t>(vocab)))));
    }
  }
  BALLAST_TRY(writer.finish());
  return {};
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: logits_tool CHECKPOINT PREFIX SEQUENCES SEQ_LEN OUT.safetensors\n", stderr);
    return 2;
  }
  const auto result =
      ballast::dump(argv[1], argv[2], std::atoll(argv[3]), std::atoll(argv[4]), argv[5]);
  if (!result.ok()) std::fprintf(stderr, "logits_tool: %s\n", result.error().message().c_str());
  return result.ok() ? 0 : 3;
}
