#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/utf8.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

Json tensors_json(const FileRecord& file) {
  Json tensors = Json::array();
  for (const TensorRecord& tensor : file.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", tensor.shape},
                       {"flat", {tensor.flat_begin, tensor.flat_end}},
                       {"xxh3_128", tensor.hash.hex()}});
  }
  return tensors;
}

Result<Json> inspection(const LoadedCheckpoint& loaded) {
  Json json;
  json["v"] = 1;
  json["path"] = loaded.path;
  json["manifest_xxh3_128"] = loaded.manifest_hash;
  json["bytes"] = loaded.manifest.bytes();
  json["model_dtype"] = loaded.manifest.model_dtype;
  json["master"] = loaded.manifest.master;
  json["state"] = BALLAST_TRY(parse_json(state_text(loaded.state), "state.json"));
  json["config"] = to_hugging_face_config(loaded.config);
  Json files = Json::array();
  for (const FileRecord& file : loaded.manifest.files) {
    Json entry{{"name", file.name}, {"bytes", file.bytes}, {"xxh3_128", file.hash.hex()}};
    if (!file.tensors.empty()) entry["tensors"] = tensors_json(file);
    files.push_back(std::move(entry));
  }
  json["files"] = std::move(files);
  json["run"] = loaded.manifest.run;
  return json;
}

int64_t parameters_of(const Manifest& manifest) {
  int64_t sum = 0;
  for (const ParameterRecord& parameter : manifest.parameters)
    sum += parameter.flat_end - parameter.flat_begin;
  return sum;
}

void print_fact(const std::string& name, const std::string& value) {
  print_out(fmt::format("{:<16} {}\n", name, printable(value)));
}

std::string skip_text(const std::vector<SkipRange>& ranges) {
  std::string text;
  for (const SkipRange& range : ranges)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", range.begin, range.end);
  return text.empty() ? "none" : text;
}

void print_facts(const LoadedCheckpoint& loaded) {
  const TrainState& state = loaded.state;
  const ModelConfig& c = loaded.config;
  print_fact("path", loaded.path);
  print_fact("step", fmt::format("{} (segment {})", state.step, state.segment));
  print_fact("tokens", fmt::format("{} consumed, {} trained", state.tokens, state.tokens_trained));
  print_fact("samples", std::to_string(state.samples));
  print_fact("skip ranges", skip_text(state.skip_ranges));
  print_fact("optimizer steps", std::to_string(state.optimizer_steps));
  print_fact("parameters", std::to_string(parameters_of(loaded.manifest)));
  print_fact("model",
             fmt::format("llama, {} layers x {}, ffn {}, {} heads ({} kv) x {}, vocab {}{}",
                         c.num_hidden_layers, c.hidden_size, c.intermediate_size,
                         c.num_attention_heads, c.num_key_value_heads, c.head_dim, c.vocab_size,
                         c.tie_word_embeddings ? ", tied" : ""));
  print_fact("weights",
             loaded.manifest.model_dtype + ", master in the " + loaded.manifest.master + " files");
  print_fact("size", format_bytes(loaded.manifest.bytes()));
  for (const auto& [key, value] : loaded.manifest.run.items())
    print_fact("run." + key, value.is_string() ? value.get<std::string>() : to_json_line(value));
}

void print_files(const Manifest& manifest, bool tensors) {
  print_out("\n");
  for (const FileRecord& file : manifest.files) {
    print_out(fmt::format("{}  {:>12}  {}\n", file.hash.hex(), file.bytes, file.name));
    if (!tensors) continue;
    for (const TensorRecord& tensor : file.tensors) {
      print_out(fmt::format("  {:<5} {:<16} {}\n", tensor.dtype,
                            fmt::format("[{}]", fmt::join(tensor.shape, ",")),
                            printable(tensor.name)));
    }
  }
}

struct InspectOptions {
  std::string address;
  bool tensors = false;
};

Result<int> inspect(const InspectOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const CheckpointRef ref = BALLAST_TRY(resolve_checkpoint(fs, options.address));
  const LoadedCheckpoint loaded = BALLAST_TRY(load_checkpoint_state(fs, ref.path));
  if (common.json) {
    const Json json = BALLAST_TRY(inspection(loaded));
    print_out(to_json_line(json) + "\n");
  } else {
    print_facts(loaded);
    print_files(loaded.manifest, options.tensors);
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_inspect(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<InspectOptions>();
  path_option(app.add_option("address", options->address, "RUN, RUN@STEP, RUN@pin:NAME or a path")
                  ->required());
  app.add_flag("--tensors", options->tensors, "list every tensor too (--json always does)");
  return [options, &common] { return inspect(*options, common); };
}

}  // namespace ballast
