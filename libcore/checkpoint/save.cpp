#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "libcore/base/version.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/retention.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/safetensors.h"
#include "libcore/precision/half.h"
#include "libcore/trace/record.h"

namespace ballast {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 18;  // one megabyte: hashed while it is in cache

// A tensor to write: f32 values in memory, and how they are listed.
struct Source {
  TensorRecord record;
  const float* values = nullptr;
};

struct FilePlan {
  std::string name;
  std::vector<Source> tensors;
  std::map<std::string, std::string> metadata;
  int64_t bytes = 0;  // of the tensors
};

std::vector<int64_t> shape_of(const ParamSpec& spec) {
  return spec.one_dimensional ? std::vector<int64_t>{spec.cols}
                              : std::vector<int64_t>{spec.rows, spec.cols};
}

std::vector<FilePlan> plan_model_files(const ParamTable& table, const FlatState& flat,
                                       const SaveOptions& options) {
  const int64_t width = options.model_dtype == "F32" ? 4 : 2;
  std::vector<FilePlan> plans;
  for (const ParamSpec& spec : table.specs) {
    const int64_t bytes = spec.elements() * width;
    if (plans.empty() ||
        (plans.back().bytes > 0 && plans.back().bytes + bytes > options.model_file_bytes)) {
      plans.emplace_back();
    }
    Source source;
    source.record.name = spec.name;
    source.record.dtype = options.model_dtype;
    source.record.shape = shape_of(spec);
    source.record.flat_begin = spec.flat_begin;
    source.record.flat_end = spec.flat_end();
    source.values = flat.master + spec.flat_begin;
    plans.back().tensors.push_back(std::move(source));
    plans.back().bytes += bytes;
  }
  for (size_t i = 0; i < plans.size(); ++i)
    plans[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, plans.size());
  return plans;
}

// Tensors of one kind in [begin, end) of the flat index; parameters that cross a border are cut.
void add_slices(FilePlan& plan, const ParamTable& table, const char* kind, const float* values,
                int64_t begin, int64_t end) {
  for (const ParamSpec& spec : table.specs) {
    const int64_t from = std::max(begin, spec.flat_begin), to = std::min(end, spec.flat_end());
    if (from >= to) continue;
    Source source;
    source.record.name = std::string(kind) + "." + spec.name;
    source.record.dtype = "F32";
    source.record.shape = {to - from};
    source.record.flat_begin = from;
    source.record.flat_end = to;
    source.values = values + from;
    plan.tensors.push_back(std::move(source));
    plan.bytes += (to - from) * 4;
  }
}

FilePlan plan_optim_file(const ParamTable& table, const FlatState& flat, const SaveOptions& options,
                         const std::vector<FlatRange>& ranges, int part, int parts) {
  FilePlan plan;
  plan.name = fmt::format("optim-{:05}-of-{:05}.safetensors", part + 1, parts);
  const bool any = !ranges.empty();
  plan.metadata = {{"flat_begin", std::to_string(any ? ranges.front().begin : 0)},
                   {"flat_end", std::to_string(any ? ranges.back().end : 0)}};
  const bool master = options.model_dtype != "F32";
  for (const auto& [kind, values] :
       {std::pair("master", master ? flat.master : nullptr), std::pair("m", flat.m),
        std::pair("v", flat.v), std::pair("m2", flat.m2), std::pair("swa", flat.swa),
        std::pair("ema", flat.ema)}) {
    if (values == nullptr) continue;
    for (const FlatRange& range : ranges)
      add_slices(plan, table, kind, values, range.begin, range.end);
  }
  return plan;
}

std::vector<FilePlan> plan_optim_files(const ParamTable& table, const FlatState& flat,
                                       const SaveOptions& options) {
  const int64_t blocks = table.flat_size / kFlatBlock;
  const int64_t files = std::clamp<int64_t>(options.optim_files, 1, blocks);
  std::vector<FilePlan> plans;
  for (int64_t i = 0; i < files; ++i) {
    const int64_t begin = blocks * i / files * kFlatBlock;
    const int64_t end = blocks * (i + 1) / files * kFlatBlock;
    plans.push_back(plan_optim_file(table, flat, options, {{begin, end}}, static_cast<int>(i),
                                    static_cast<int>(files)));
  }
  return plans;
}

Result<void> append_values(SafetensorsWriter& writer, const Source& source) {
  const int64_t elements = source.record.flat_end - source.record.flat_begin;
  std::vector<uint16_t> rounded;
  for (int64_t begin = 0; begin < elements; begin += kChunkElements) {
    const int64_t count = std::min(kChunkElements, elements - begin);
    const std::span<const float> values(source.values + begin, static_cast<size_t>(count));
    if (source.record.dtype == "F32") {
      BALLAST_TRY(writer.append(std::as_bytes(values)));
      continue;
    }
    rounded.resize(values.size());
    std::ranges::transform(values, rounded.begin(), float_to_bf16);
    BALLAST_TRY(writer.append(std::as_bytes(std::span(rounded))));
  }
  return {};
}

Result<FileRecord> write_tensor_file(FileSystem& fs, const std::string& directory,
                                     const FilePlan& plan) {
  std::vector<SafetensorsEntry> entries;
  for (const Source& source : plan.tensors) {
    SafetensorsEntry entry;
    entry.name = source.record.name;
    entry.dtype = source.record.dtype;
    entry.shape = source.record.shape;
    entries.push_back(std::move(entry));
  }
  auto writer = BALLAST_TRY(SafetensorsWriter::create(fs, join_path(directory, plan.name),
                                                      std::move(entries), plan.metadata));
  for (const Source& source : plan.tensors) BALLAST_TRY(append_values(writer, source));
  const std::vector<SafetensorsEntry> written = writer.entries();
  const SafetensorsWriter::Summary summary = BALLAST_TRY(writer.finish());
  FileRecord record;
  record.name = plan.name;
  record.bytes = summary.bytes;
  record.hash = summary.hash;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    TensorRecord tensor = plan.tensors[i].record;
    tensor.begin = written[i].begin;
    tensor.end = written[i].end;
    tensor.hash = summary.tensor_hashes[i];
    record.tensors.push_back(std::move(tensor));
  }
  return record;
}

Result<FileRecord> write_text_file(FileSystem& fs, const std::string& directory,
                                   const std::string& name, const std::string& text) {
  auto file = BALLAST_TRY(fs.create_exclusive(join_path(directory, name)));
  BALLAST_TRY(file->append(as_bytes(text)));
  BALLAST_TRY(file->sync());
  BALLAST_TRY(file->close());
  FileRecord record;
  record.name = name;
  record.bytes = static_cast<int64_t>(text.size());
  record.hash = xxh3_128(as_bytes(text));
  return record;
}

// model.safetensors.index.json, so that the directory loads as it stands in Hugging Face
// transformers.
std::string index_text(const std::vector<FilePlan>& plans) {
  Json map = Json::object();
  int64_t bytes = 0;
  for (const FilePlan& plan : plans) {
    bytes += plan.bytes;
    for (const Source& source : plan.tensors) map[source.record.name] = plan.name;
  }
  Json json;
  json["metadata"] = {{"total_size", bytes}};
  json["weight_map"] = std::move(map);
  return to_json_text(json);
}

struct SavePlan {
  std::vector<FilePlan> model, optim;
  std::vector<std::pair<std::string, std::string>> texts;
  int64_t bytes() const {
    int64_t sum = 0;
    for (const FilePlan& plan : model) sum += plan.bytes;
    for (const FilePlan& plan : optim) sum += plan.bytes;
    for (const auto& [name, text] : texts) sum += static_cast<int64_t>(text.size());
    return sum;
  }
};

SavePlan plan_save(const ModelConfig& config, const ParamTable& table, const FlatState& flat,
                   const TrainState& state, const SaveOptions& options) {
  SavePlan plan;
  plan.model = plan_model_files(table, flat, options);
  plan.optim = plan_optim_files(table, flat, options);
  Json hugging_face = to_hugging_face_config(config);
  if (options.model_dtype == "BF16") {
    hugging_face["dtype"] = "bfloat16";
    hugging_face["torch_dtype"] = "bfloat16";
  }
  plan.texts = {{"model.safetensors.index.json", index_text(plan.model)},
                {"state.json", state_text(state)},
                {"config.json", to_json_text(hugging_face)}};
  if (!options.tokenizer.empty()) plan.texts.emplace_back("tokenizer.json", options.tokenizer);
  return plan;
}

Manifest begin_manifest(const ParamTable& table, const TrainState& state,
                        const SaveOptions& options) {
  Manifest manifest;
  manifest.step = state.step;
  manifest.tokens = state.tokens;
  manifest.samples = state.samples;
  manifest.segment = state.segment;
  manifest.model_dtype = options.model_dtype;
  manifest.master = options.model_dtype == "F32" ? "model" : "optim";
  for (const ParamSpec& spec : table.specs)
    manifest.parameters.push_back({spec.name, shape_of(spec), spec.flat_begin, spec.flat_end()});
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  manifest.run = {{"time", format_time_us(wall_clock_us())}, {"host", host}, {"version", kVersion}};
  for (const auto& [key, value] : options.run.items()) manifest.run[key] = value;
  return manifest;
}

// Everything but the manifest, then the manifest, then the directory. `parts` are optim files that
// stand there already. Returns the manifest's hash.
Result<std::string> write_files(FileSystem& fs, const std::string& directory, const SavePlan& plan,
                                const std::vector<FileRecord>& parts, Manifest& manifest) {
  for (const FilePlan& file : plan.model)
    manifest.files.push_back(BALLAST_TRY(write_tensor_file(fs, directory, file)));
  manifest.files.insert(manifest.files.end(), parts.begin(), parts.end());
  for (const FilePlan& file : plan.optim)
    manifest.files.push_back(BALLAST_TRY(write_tensor_file(fs, directory, file)));
  for (const auto& [name, text] : plan.texts)
    manifest.files.push_back(BALLAST_TRY(write_text_file(fs, directory, name, text)));
  const FileRecord last =
      BALLAST_TRY(write_text_file(fs, directory, kManifestName, manifest_text(manifest)));
  BALLAST_TRY(fs.sync_directory(directory));
  return last.hash.hex();
}

Result<void> prepare_parent(FileSystem& fs, const std::string& run_directory, int64_t bytes) {
  const std::string parent = checkpoint_directory(run_directory);
  if (!fs.exists(parent)) {
    BALLAST_TRY(fs.make_directories(parent));
    BALLAST_TRY(fs.sync_directory(run_directory));
  }
  // Headers, the manifest and file system blocks come on top of the tensors.
  const int64_t needed = bytes + bytes / 20 + (int64_t{1} << 20);
  const int64_t free = BALLAST_TRY(fs.free_bytes(parent));
  if (free < needed) {
    return io_error("not enough space for a checkpoint", parent,
                    fmt::format("{} bytes needed, {} free", needed, free));
  }
  return {};
}

// A network file system may report a rename that it has done as failed; the target then holds our
// manifest.
Result<void> publish(FileSystem& fs, const std::string& from, const std::string& to,
                     const std::string& manifest_hash) {
  auto renamed = fs.rename_exclusive(from, to);
  if (renamed.ok()) return {};
  const std::string manifest = join_path(to, kManifestName);
  if (fs.exists(from) || !fs.exists(manifest)) return renamed;
  const std::string text = BALLAST_TRY(read_file(fs, manifest));
  return xxh3_128(as_bytes(text)).hex() == manifest_hash ? Result<void>() : std::move(renamed);
}

Result<void> make_room(FileSystem& fs, const std::string& target) {
  if (!fs.exists(target)) return {};
  if (check_complete(fs, target).ok()) return usage_error("checkpoint exists", target);
  return discard_directory(fs, target);
}

}  // namespace

std::string checkpoint_directory(const std::string& run_directory) {
  return join_path(run_directory, "ckpt");
}

Result<void> write_latest(FileSystem& fs, const std::string& run_directory,
                          const std::string& directory_name) {
  AtomicFile file(fs, join_path(checkpoint_directory(run_directory), "latest"), true);
  BALLAST_TRY(file.write(directory_name + "\n"));
  return file.commit();
}

Result<std::string> begin_checkpoint(FileSystem& fs, const std::string& run_directory,
                                     const ParamTable& table, const FlatState& flat,
                                     const TrainState& state, const SaveOptions& options) {
  BALLAST_CHECK(options.model_dtype == "F32" || options.model_dtype == "BF16");
  BALLAST_CHECK(are_skip_ranges_sorted(state.skip_ranges));
  int64_t bytes = static_cast<int64_t>(options.tokenizer.size());
  for (const FilePlan& plan : plan_model_files(table, flat, options)) bytes += plan.bytes;
  for (const FilePlan& plan : plan_optim_files(table, flat, options)) bytes += plan.bytes;
  BALLAST_TRY(prepare_parent(fs, run_directory, bytes));
  const std::string target =
      join_path(checkpoint_directory(run_directory), step_directory_name(state.step));
  BALLAST_TRY(make_room(fs, target));
  std::random_device random;
  const std::string temporary = fmt::format("{}.tmp-{}-{:08x}", target, ::getpid(), random());
  BALLAST_TRY(fs.make_directories(temporary));
  return temporary;
}

Result<FileRecord> write_optim_part(FileSystem& fs, const std::string& directory,
                                    const ParamTable& table, const FlatState& flat, int part,
                                    int parts, const std::vector<FlatRange>& ranges,
                                    const SaveOptions& options) {
  return write_tensor_file(fs, directory,
                           plan_optim_file(table, flat, options, ranges, part, parts));
}

namespace {

// Writes what is planned into `temporary` and publishes it; removes it on an error.
Result<SavedCheckpoint> write_and_publish(FileSystem& fs, const std::string& run_directory,
                                          const std::string& temporary, const SavePlan& plan,
                                          const std::vector<FileRecord>& parts, Manifest manifest) {
  const std::string parent = checkpoint_directory(run_directory);
  const std::string name = step_directory_name(manifest.step), target = join_path(parent, name);
  auto hash = write_files(fs, temporary, plan, parts, manifest);
  if (!hash.ok()) {
    (void)fs.remove_all(temporary);  // else clean_leftovers() finds it
    return hash.take_error();
  }
  auto published = publish(fs, temporary, target, *hash);
  if (!published.ok()) {
    (void)fs.remove_all(temporary);
    return published.take_error();
  }
  BALLAST_TRY(fs.sync_directory(parent));
  SavedCheckpoint saved{target, manifest.bytes(), *hash, ""};
  const auto latest = write_latest(fs, run_directory, name);
  if (!latest.ok()) saved.warning = latest.error().message();
  return saved;
}

}  // namespace

Result<SavedCheckpoint> finish_checkpoint(FileSystem& fs, const std::string& run_directory,
                                          const std::string& directory, const ModelConfig& config,
                                          const ParamTable& table, const FlatState& flat,
                                          const TrainState& state,
                                          const std::vector<FileRecord>& parts,
                                          const SaveOptions& options) {
  SavePlan plan = plan_save(config, table, flat, state, options);
  plan.optim.clear();
  return write_and_publish(fs, run_directory, directory, plan, parts,
                           begin_manifest(table, state, options));
}

Result<SavedCheckpoint> save_checkpoint(FileSystem& fs, const std::string& run_directory,
                                        const ModelConfig& config, const ParamTable& table,
                                        const FlatState& flat, const TrainState& state,
                                        const SaveOptions& options) {
  const std::string temporary =
      BALLAST_TRY(begin_checkpoint(fs, run_directory, table, flat, state, options));
  return write_and_publish(fs, run_directory, temporary,
                           plan_save(config, table, flat, state, options), {},
                           begin_manifest(table, state, options));
}

}  // namespace ballast
