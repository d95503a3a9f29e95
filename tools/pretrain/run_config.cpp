#include "tools/pretrain/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/open_backend.h"
#include "libcore/base/hash.h"
#include "libcore/base/units.h"
#include "libcore/data/batch.h"
#include "libcore/model/presets.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/sample_hash.h"
#include "libcore/shard/shard_set.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/methods.h"

namespace ballast {
namespace {

Result<SourceConfig> open_source_shard(FileSystem& fs, const std::string& prefix) {
  SourceConfig source;
  source.prefix = prefix;
  source.name = file_name(prefix);
  source.shard =
      std::make_shared<const ShardReader>(BALLAST_TRY(ShardReader::open_to_learn(fs, prefix)));
  source.content_hash = BALLAST_TRY(shard_sample_hash(fs, prefix));
  return source;
}

// The shards of a word of --data share its weight by their tokens, as if they were one.
Result<std::vector<SourceConfig>> open_sources(FileSystem& fs, const std::string& text,
                                               size_t number, std::vector<std::string>& notes) {
  const size_t equals = text.rfind('=');
  const std::string word = text.substr(0, equals);
  double weight = 1;
  if (equals != std::string::npos) {
    const auto given = parse_double(text.substr(equals + 1));
    if (!given.ok() || *given < 0) return usage_error("--data: weight is not a number >= 0", text);
    weight = *given;
  }
  std::vector<SourceConfig> sources;
  int64_t tokens = 0;
  const TrainingShards shards = BALLAST_TRY(training_shards(fs, word));
  if (!shards.held_out.empty())
    notes.push_back(fmt::format(
        "{}: {} of {} shards are held out and not trained on, as {}", word, shards.held_out.size(),
        shards.held_out.size() + shards.prefixes.size(), file_name(shards.held_out.front())));
  for (const std::string& prefix : shards.prefixes) {
    sources.push_back(BALLAST_TRY(open_source_shard(fs, prefix)));
    tokens += sources.back().shard->total_tokens();
  }
  for (SourceConfig& source : sources) {
    source.word = number;
    source.set = file_name(word.substr(0, word.find_last_not_of('/') + 1));
    if (sources.size() > 1)
      source.share = static_cast<double>(source.shard->total_tokens()) /
                     static_cast<double>(std::max<int64_t>(1, tokens));
    source.weight = weight * source.share;
  }
  return sources;
}

// Lengths of the run and of its batches; they must fit into each other.
Result<void> resolve_lengths(const TrainOptions& o, RunConfig& c) {
  c.seq_len = o.seq_len;
  c.micro_batch = o.micro_batch;
  if (c.seq_len < 1)
    return usage_error(fmt::format("--seq-len is {}", c.seq_len), "", "accepted: 1 or more");
  if (c.seq_len > c.model.max_position_embeddings) {
    return usage_error(fmt::format("--seq-len is {}", c.seq_len), "",
                       fmt::format("the model has {} positions", c.model.max_position_embeddings));
  }
  if (c.micro_batch < 1)
    return usage_error(fmt::format("--micro-batch is {}", c.micro_batch), "",
                       "accepted: 1 or more");
  int64_t unit = 0;
  if (__builtin_mul_overflow(c.micro_batch, c.seq_len, &unit)) {
    return usage_error(fmt::format("--micro-batch is {}", c.micro_batch), "",
                       "too large for a batch of a 64-bit count of tokens");
  }
  c.batches = BALLAST_TRY(BatchSchedule::parse(o.batch_tokens, unit));
  if (!o.cooldown.empty()) return resolve_cooldown_length(o, c);
  if (o.steps.empty() == o.tokens.empty())
    return usage_error("give the length of the run by one of --steps and --tokens");
  const char* flag = o.steps.empty() ? "--tokens" : "--steps";
  const int64_t length = BALLAST_TRY(parse_count(o.steps.empty() ? o.tokens : o.steps));
  if (!o.steps.empty() && !c.batches.constant())
    return usage_error("--steps with a batch that changes", "", "give --tokens");
  // Half of the range is left to sample positions past skip ranges.
  const int64_t most = int64_t{1} << 62;
  if (o.steps.empty() ? length > most : length > most / c.batches.first())
    return usage_error("the run has more than 2^62 tokens", flag);
  c.total_steps = o.steps.empty() ? c.batches.steps_for(length) : length;
  if (c.total_steps < 1) return usage_error("the run has no step", flag);
  return {};
}

// Read before the first step: what is wrong with it would show only after hours, before a save.
Result<void> check_validation(const RunConfig& c) {
  const HeldOutWindows windows = c.validation_windows();
  if (windows.size() == 0) {
    int64_t most = 0;  // of one shard
    for (const auto& shard : c.validation) most = std::max(most, shard->total_tokens());
    return usage_error(fmt::format("--val has {} tokens", most), c.typed.validation,
                       fmt::format("{} are needed, --seq-len and one more", c.seq_len + 1));
  }
  HostBatch batch;
  for (int64_t w = 0; w < windows.size(); ++w) {
    batch.resize(1, c.seq_len);
    BALLAST_TRY(windows.read(w, batch, 0));
  }
  return {};
}

Result<void> open_validation(FileSystem& fs, const std::string& word, RunConfig& c) {
  const ValidationShards shards = BALLAST_TRY(validation_shards(fs, word));
  if (!shards.trained.empty())
    c.notes.push_back(fmt::format(
        "{}: {} of {} shards are held out and evaluated on, as {}", word, shards.prefixes.size(),
        shards.prefixes.size() + shards.trained.size(), file_name(shards.prefixes.front())));
  for (const std::string& prefix : shards.prefixes)
    c.validation.push_back(
        std::make_shared<const ShardReader>(BALLAST_TRY(ShardReader::open_to_learn(fs, prefix))));
  return check_validation(c);
}

// A shard says by its manifest, if it has one, which ids it may hold and whose they are.
Result<void> check_vocabulary(FileSystem& fs, const std::string& prefix, const RunConfig& c) {
  if (!fs.exists(shard_manifest_path(prefix))) return {};
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  if (manifest.vocab_size > c.model.vocab_size) {
    return usage_error(fmt::format("the vocabulary of the shard is larger than the model's: {}",
                                   manifest.vocab_size),
                       prefix, fmt::format("the model has {}", c.model.vocab_size));
  }
  if (!c.tokenizer.empty() && sha256_hex(c.tokenizer) != manifest.tokenizer_sha256) {
    return usage_error("--tokenizer is not what the shard was made with", prefix,
                       "its SHA-256 differs from the manifest's");
  }
  return {};
}

// The tokenizer goes into every checkpoint, so it has to be one and to fit the model.
Result<void> check_tokenizer(const std::string& path, const RunConfig& c) {
  const Json tokenizer = BALLAST_TRY(parse_json(c.tokenizer, path));
  const auto model = tokenizer.is_object() ? tokenizer.find("model") : tokenizer.end();
  if (model == tokenizer.end() || !model->is_object() || !model->contains("vocab") ||
      !model->at("vocab").is_object())
    return corrupt_error("not a tokenizer: no 'model.vocab'", path);
  const auto size = static_cast<int64_t>(model->at("vocab").size());
  if (size > c.model.vocab_size) {
    return usage_error(
        fmt::format("the vocabulary of the tokenizer is larger than the model's: {}", size), path,
        fmt::format("the model has {}", c.model.vocab_size));
  }
  return {};
}

// A receipt that leads to a source as it is here must be of these very files.
Result<void> check_receipt(FileSystem& fs, const AcceptedReceipt& accepted, const RunConfig& c) {
  for (const ReceiptShard& shard : accepted.receipt.shards) {
    for (const SourceConfig& source : c.sources) {
      if (source.name != shard.name || source.content_hash != shard.after.content_hash) continue;
      const std::string path = shard_manifest_path(source.prefix);
      const std::string manifest = BALLAST_TRY(read_file(fs, path));
      if (sha256_hex(manifest) != shard.after.manifest.sha256)
        return usage_error("--accept-data: the receipt is of another manifest", path,
                           accepted.path);
    }
  }
  return {};
}

Result<void> resolve_receipts(FileSystem& fs, const TrainOptions& o, RunConfig& c) {
  for (const std::string& path : o.accept_data) {
    const std::string text = BALLAST_TRY(read_file(fs, path));
    AcceptedReceipt accepted = {path, sha256_hex(text), BALLAST_TRY(parse_receipt(text, path))};
    if (accepted.receipt.compact)
      return usage_error("--accept-data: the receipt removes documents, which moves all data after",
                         path, "a run goes on over tombstones: tokshard redact --tombstone");
    BALLAST_TRY(check_receipt(fs, accepted, c));
    c.receipts.push_back(std::move(accepted));
  }
  return {};
}

Result<void> resolve_data(FileSystem& fs, const TrainOptions& o, RunConfig& c) {
  if (o.data.empty())
    return usage_error("--data is missing", "", "a shard or set of shards PREFIX[=WEIGHT]");
  for (size_t i = 0; i < o.data.size(); ++i)
    for (SourceConfig& source : BALLAST_TRY(open_sources(fs, o.data[i], i, c.notes)))
      c.sources.push_back(std::move(source));
  BALLAST_TRY(resolve_receipts(fs, o, c));
  c.val_tokens = BALLAST_TRY(parse_count(o.val_tokens));
  if (!o.validation.empty()) BALLAST_TRY(open_validation(fs, o.validation, c));
  c.val_every = o.val_every;
  if (c.val_every < 0)
    return usage_error(fmt::format("--val-every is {}", c.val_every), "", "accepted: 0 or more");
  if (!o.tokenizer.empty()) {
    c.tokenizer = BALLAST_TRY(read_file(fs, o.tokenizer, 1 << 28));
    BALLAST_TRY(check_tokenizer(o.tokenizer, c));
  }
  for (const SourceConfig& source : c.sources) BALLAST_TRY(check_vocabulary(fs, source.prefix, c));
  for (const auto& shard : c.validation) BALLAST_TRY(check_vocabulary(fs, shard->prefix(), c));
  return {};
}

Result<void> resolve_run(const TrainOptions& o, RunConfig& c) {
  const std::string& every = o.checkpoint_every;
  if (!every.empty() && every.find_first_not_of("0123456789") == std::string::npos) {
    c.checkpoint_steps = BALLAST_TRY(parse_count(every));
  } else {
    c.checkpoint_seconds = BALLAST_TRY(parse_seconds(every));
  }
  if (c.checkpoint_steps <= 0 && c.checkpoint_seconds <= 0) {
    return usage_error("--ckpt-every is '" + every + "'", "",
                       "accepted: steps (100) or a time (30m)");
  }
  if (!o.max_wall.empty()) c.max_wall_seconds = BALLAST_TRY(parse_seconds(o.max_wall));
  if (o.resume != "auto" && o.resume != "never" && !parse_count(o.resume).ok())
    return usage_error("--resume is '" + o.resume + "'", "", "accepted: auto, never, a step");
  if (o.zero < 0 || o.zero > 3)
    return usage_error(fmt::format("--zero {} is not a stage", o.zero), "", "accepted: 0, 1, 2, 3");
  if (o.zero >= 2 && o.deterministic == "world") {
    return usage_error(fmt::format("--deterministic world with --zero {}", o.zero), "",
                       "accepted: --zero 0, 1; the tree of slots needs all gradients of a rank");
  }
  c.ladder = BALLAST_TRY(Ladder::parse(o.guard));
  if (c.ladder.has(RungKind::drop_source) && c.sources.size() < 2)
    return usage_error("--guard: drop-source needs several sources of data", "",
                       "give more --data");
  if (o.snapshot_every < 0)
    return usage_error(fmt::format("--snapshot-every is {}", o.snapshot_every), "",
                       "accepted: 0 or more");
  if (o.layers_every < 0)
    return usage_error(fmt::format("--layers-every is {}", o.layers_every), "",
                       "accepted: 0 or more");
  for (const auto& [flag, value] :
       {std::pair("--cost-per-hour", o.cost_per_hour), std::pair("--peak-tflops", o.peak_tflops)}) {
    if (!(value >= 0) || !std::isfinite(value))
      return usage_error(std::string(flag) + " must be a number >= 0");
  }
  if (o.check_replicas < 0)
    return usage_error(fmt::format("--check-replicas is {}", o.check_replicas), "",
                       "accepted: 0 or more");
  c.faults = BALLAST_TRY(parse_injection(o.inject));
  for (const Fault& fault : c.faults) {
    if (fault.step > c.total_steps) {
      return usage_error(fmt::format("--inject: '{}' never comes", fault.text()), "",
                         fmt::format("the run has {} steps", c.total_steps));
    }
  }
  c.keep = BALLAST_TRY(parse_retention(o.keep, "--keep"));
  return {};
}

// TOML basic string.
std::string quoted(const std::string& text) { return Json(text).dump(); }

}  // namespace

Result<ModelConfig> load_model_config(FileSystem& fs, const std::string& model) {
  if (model.empty())
    return usage_error("--model is missing", "", "a config.json, or " + preset_names());
  const bool is_path = model.find('/') != model.npos || model.ends_with(".json");
  if (!is_path && !fs.exists(model)) return BALLAST_TRY(find_preset(model)).model;
  const std::string text = BALLAST_TRY(read_file(fs, model, 1 << 20));
  return parse_model_config(BALLAST_TRY(parse_json(text, model)), model);
}

Result<RunConfig> resolve(FileSystem& fs, const TrainOptions& o, int64_t seed, bool need_run) {
  RunConfig c;
  c.typed = o;
  if (need_run && o.run.empty()) return usage_error("--run is missing", "", "the run directory");
  c.model_name = o.model;
  c.model = BALLAST_TRY(load_model_config(fs, o.model));
  c.model.switches = BALLAST_TRY(apply_switches(c.model.switches, o.stability, "--stability"));
  BALLAST_TRY(resolve_branch(fs, o, c));
  BALLAST_TRY(resolve_lengths(o, c));
  BALLAST_TRY(resolve_data(fs, o, c));
  BALLAST_TRY(resolve_phases(o, c));
  BALLAST_TRY(resolve_run(o, c));
  if (!(o.lr > 0) || !std::isfinite(o.lr)) return usage_error("--lr must be a number > 0");
  if (!(o.z_loss >= 0) || !std::isfinite(o.z_loss))
    return usage_error("--z-loss must be a number >= 0");
  c.seed = seed;
  c.data_seed = static_cast<uint64_t>(o.data_seed);
  BALLAST_TRY(resolve_methods(fs, o, c));
  c.z_loss = o.z_loss;
  c.compute = BALLAST_TRY(compute_type(o.device, o.precision));
  c.typed.precision = c.compute == Dtype::bf16 ? "bf16" : "fp32";
  c.bf16_params = o.param_dtype == "bf16";
  c.recompute = o.recompute == "block"   ? Recompute::block
                : o.recompute == "norms" ? Recompute::norms
                                         : Recompute::none;
  return c;
}

HeldOutWindows RunConfig::validation_windows() const {
  std::vector<WindowReader> readers;
  for (const auto& shard : validation) readers.emplace_back(shard, seq_len, model.vocab_size);
  return HeldOutWindows(std::move(readers), val_tokens, seq_len);
}

int64_t RunConfig::slots_of_rank(int ranks) const {
  return typed.deterministic == "world" ? kWorldSlots / ranks : 1;
}

Result<void> RunConfig::check_ranks(int ranks) const {
  const bool world = typed.deterministic == "world";
  if (world && kWorldSlots % ranks != 0) {
    return usage_error(fmt::format("--deterministic world with {} ranks", ranks), "",
                       "accepted: 1, 2, 4 or 8 ranks");
  }
  const int64_t parts = world ? kWorldSlots : ranks;
  for (const int64_t batch : batches.sizes()) {
    const int64_t micro_batches = batch / seq_len / micro_batch;
    if (micro_batches % parts == 0) continue;
    return usage_error(
        fmt::format("a batch of {} micro-batches cannot be shared", micro_batches), "",
        fmt::format("--batch-tokens must be a multiple of {} {} x --micro-batch x --seq-len = {}",
                    parts, world ? "slots" : "ranks", parts * micro_batch * seq_len));
  }
  return {};
}

Json RunConfig::law() const {
  Json law;
  const Json shape = to_hugging_face_config(model);
  for (const auto& [key, value] : shape.items()) law["model." + key] = value;
  law["seq_len"] = seq_len;
  law["batch_tokens"] = batches.constant() ? Json(batches.first()) : Json(batches.spec());
  law["micro_batch"] = micro_batch;
  law["total_tokens"] = total_tokens();
  law["seed"] = seed;
  law["data_seed"] = data_seed;
  law["data"] = Json::array();
  for (const SourceConfig& source : sources) {
    law["data"].push_back(
        {{"name", source.name}, {"weight", source.weight}, {"content_hash", source.content_hash}});
  }
  for (const PhaseConfig& phase : phases) {
    Json entry = {{"first_sample", phase.first_sample}, {"weights", phase.weights}};
    if (phase.seed) entry["seed"] = *phase.seed;
    law["phases"].push_back(std::move(entry));
  }
  law["optimizer"] = optimizer.spec();
  law["lr"] = schedule.peak_lr;
  law["schedule"] = schedule.spec();
  law["clip"] = clip;
  law["z_loss"] = z_loss;
  if (goldfish != nullptr) law["goldfish"] = goldfish->spec();
  if (averages.swa) law["swa"] = averages.swa_spec();
  if (averages.ema) law["ema"] = averages.ema_spec();
  law["precision"] = typed.precision;
  if (bf16_params) law["param_dtype"] = "bf16";
  return law;
}

std::string RunConfig::hash() const { return xxh3_128(as_bytes(law().dump())).hex(); }

std::string RunConfig::toml() const {
  const TrainOptions& o = typed;
  std::string text =
      "# The resolved options of this run; `pretrain --config` of this file repeats it.\n";
  const auto line = [&](const char* key, const std::string& value) {
    text += fmt::format("{} = {}\n", key, value);
  };
  const auto word = [&](const char* key, const std::string& value) {
    if (!value.empty()) line(key, quoted(value));
  };
  word("model", o.model);
  word("stability", o.stability);
  std::string data;
  for (const std::string& source : o.data) data += (data.empty() ? "" : ", ") + quoted(source);
  line("data", "[" + data + "]");
  std::string phase_list;
  for (const std::string& phase : o.phases)
    phase_list += (phase_list.empty() ? "" : ", ") + quoted(phase);
  if (!phase_list.empty()) line("phase", "[" + phase_list + "]");
  if (o.max_epochs > 0) line("max_epochs", format_double(o.max_epochs));
  word("val", o.validation);
  line("val_every", fmt::format("{}", o.val_every));
  word("val_tokens", o.val_tokens);
  word("tokenizer", o.tokenizer);
  word("run", o.run);
  if (batches.constant()) {
    line("steps", fmt::format("{}", total_steps));
  } else {
    line("tokens", fmt::format("{}", total_tokens()));
  }
  word("batch_tokens", o.batch_tokens);
  line("micro_batch", fmt::format("{}", micro_batch));
  line("seq_len", fmt::format("{}", seq_len));
  line("seed", fmt::format("{}", seed));
  line("data_seed", fmt::format("{}", o.data_seed));  // TOML has no unsigned numbers
  line("lr", format_double(o.lr));
  word("optimizer", law()["optimizer"].get<std::string>());
  word("schedule", schedule.kind == ScheduleKind::file ? o.schedule : schedule.spec());
  word("clip", clip);
  line("z_loss", format_double(z_loss));
  if (goldfish != nullptr) word("goldfish", goldfish->spec());
  word("swa", averages.swa_spec());
  word("ema", averages.ema_spec());
  word("branch", o.branch);
  word("precision", o.precision);
  word("param_dtype", o.param_dtype);
  word("recompute", o.recompute);
  word("guard", o.guard);
  line("snapshot_every", fmt::format("{}", o.snapshot_every));
  line("layers_every", fmt::format("{}", o.layers_every));
  line("cost_per_hour", format_double(o.cost_per_hour));
  line("peak_tflops", format_double(o.peak_tflops));
  line("check_replicas", fmt::format("{}", o.check_replicas));
  word("inject", o.inject);
  word("device", o.device);
  word("ckpt_every", o.checkpoint_every);
  word("keep", o.keep);
  word("max_wall", o.max_wall);
  word("transport", o.transport);
  word("deterministic", o.deterministic);
  line("zero", fmt::format("{}", o.zero));
  return text;
}

}  // namespace ballast
