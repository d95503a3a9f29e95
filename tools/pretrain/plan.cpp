// What a run will need, without training: memory of a rank and bytes of its collectives from the
// same code that allocates and sends them, the time of a step from measured rates, what a restart
// costs, the data's shares and epochs, the schedule.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "kernels/open_backend.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/model/model.h"
#include "libcore/shard/manifest.h"
#include "tools/pretrain/batch_source.h"
#include "tools/pretrain/resources.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

struct PlanOptions {
  int ranks = 1;
  std::string link_rate = "1.25G";
};

// `device`: bytes in the device's own memory, where it has some.
Json memory_json(const MemoryPlan& m, bool device) {
  Json json = {{"weights", m.weights},
               {"gradients", m.gradients},
               {"moments", m.states},
               {"averages", m.averages},
               {"slots", m.slots},
               {"buckets", m.buckets},
               {"activations", m.activations},
               {"packed_weights", m.prepared},
               {"workspace", m.workspace},
               {"communication", m.communication},
               {"checkpoint_copy", m.checkpoint},
               {"snapshots", m.snapshots},
               {"other", m.batches},
               {"process", m.process}};
  if (device) json["device"] = m.device();
  json["total"] = m.total();
  return json;
}

// What --param-dtype bf16 takes less than fp32 would, of the memory that the weights lie in.
int64_t saved_bytes(Backend& backend, const RunConfig& config, const ParamTable& table, int ranks,
                    const MemoryPlan& memory) {
  RunConfig fp32 = config;
  fp32.bf16_params = false;
  return plan_memory(backend, fp32, table, ranks).device() - memory.device();
}

// Tokens of a source by language, as its manifest counts them; without one nothing is known.
std::map<std::string, double> languages_of(const SourceConfig& source) {
  std::map<std::string, double> shares;
  const auto manifest = read_manifest(posix_file_system(), source.prefix);
  if (!manifest.ok() || manifest->languages.empty()) return {{"unknown", 1.0}};
  double tokens = 0;
  for (const auto& [name, count] : manifest->languages) tokens += static_cast<double>(count.tokens);
  for (const auto& [name, count] : manifest->languages)
    shares[name] = static_cast<double>(count.tokens) / std::max(1.0, tokens);
  return shares;
}

// Sources of one phase, or of the whole run: samples [begin, end).
Json sources_json(const RunConfig& config, const DataOrder& order, int64_t begin, int64_t end) {
  Json sources = Json::array();
  for (size_t s = 0; s < config.sources.size(); ++s) {
    const int source = static_cast<int>(s);
    const auto drawn = static_cast<double>(order.drawn(source, end) - order.drawn(source, begin));
    const int64_t windows = order.sources()[s].windows;
    sources.push_back({{"source", config.sources[s].name},
                       {"windows", windows},
                       {"share", drawn / static_cast<double>(std::max<int64_t>(1, end - begin))},
                       {"epochs", drawn / static_cast<double>(windows)}});
  }
  return sources;
}

void add_data(Json& json, const RunConfig& config, const DataOrder& order) {
  const int64_t samples = config.samples_before(config.total_steps);
  json["data"] = sources_json(config, order, 0, samples);
  std::map<std::string, double> languages;
  for (size_t s = 0; s < config.sources.size(); ++s) {
    const double share = json["data"][s]["share"].get<double>();
    for (const auto& [name, part] : languages_of(config.sources[s]))
      languages[name] += share * part;
  }
  json["languages"] = Json::object();
  for (const auto& [name, share] : languages) json["languages"][name] = share;
  json["phases"] = Json::array();
  for (int64_t p = 0; p < order.phases(); ++p) {
    const int64_t begin = std::min(samples, order.phase_begin(p));
    const int64_t end =
        p + 1 < order.phases() ? std::min(samples, order.phase_begin(p + 1)) : samples;
    json["phases"].push_back({{"from_token", begin * config.seq_len},
                              {"tokens", (end - begin) * config.seq_len},
                              {"data", sources_json(config, order, begin, end)}});
  }
}

// What a failure costs on average: the steps since the last checkpoint, and reading that.
Json restart_json(const RunConfig& config, const ParamTable& table, double step_s) {
  const double lost = config.checkpoint_steps > 0 ? static_cast<double>(config.checkpoint_steps) / 2
                                                  : config.checkpoint_seconds / 2 / step_s;
  const AverageConfig& averages = config.averages;
  const int64_t bytes =
      table.parameters * 4 * (1 + (averages.swa ? 1 : 0) + (averages.ema ? 1 : 0)) +
      table.parameters * 4 * (config.optimizer.has_slow_moment() ? 3 : 2);
  return {{"checkpoint_bytes", bytes}, {"steps_lost", lost}, {"seconds_lost", lost * step_s}};
}

Json plan_json(const RunConfig& config, const ParamTable& table, Backend& backend,
               const BatchSource& batches, const PlanOptions& options, double link_rate) {
  const std::vector<CollectivePlan> collectives = plan_collectives(config, table, options.ranks);
  const Rates rates = measure_rates(backend);  // first: the libraries then stand in memory as later
  const MemoryPlan memory = plan_memory(backend, config, table, options.ranks);
  const TimePlan time =
      plan_time(config, table, memory, collectives, rates, options.ranks, link_rate);
  const double flops = train_flops_per_token(config.model, config.seq_len) *
                       static_cast<double>(config.batches.largest());
  Json json = {{"v", 1},
               {"ranks", options.ranks},
               {"parameters", table.parameters},
               {"total_steps", config.total_steps},
               {"total_tokens", config.total_tokens()},
               {"tokens_per_parameter",
                static_cast<double>(config.total_tokens()) / static_cast<double>(table.parameters)},
               {"micro_batches",
                config.batches.largest() / config.seq_len / config.micro_batch / options.ranks},
               {"memory_bytes", memory_json(memory, !backend.host_memory())},
               {"flops_per_step", flops},
               {"matrix_flops_per_s", rates.flops_per_s},
               {"memory_bytes_per_s", rates.bytes_per_s},
               {"step_seconds_at_least", flops / options.ranks / rates.flops_per_s},
               {"step_seconds", time.total()},
               {"transfer_seconds", time.transfer_s},
               {"schedule", config.schedule.spec()},
               {"clip", config.clip}};
  json["param_dtype"] = config.typed.param_dtype;
  if (config.bf16_params)
    json["param_dtype_saves_bytes"] = saved_bytes(backend, config, table, options.ranks, memory);
  json["collectives"] = Json::array();
  for (const CollectivePlan& c : collectives)
    json["collectives"].push_back(
        {{"name", c.name}, {"calls", c.calls}, {"bytes_per_rank", c.bytes}});
  json["restart"] = restart_json(config, table, time.total());
  add_data(json, config, batches.order());
  return json;
}

// Outside the field's prevention set a run is asking for trouble; the plan says so.
void warn_outside_defaults(const RunConfig& config) {
  const OptimizerConfig& o = config.optimizer;
  if (o.decay < 0.01)
    print_warning(fmt::format(
        "weight decay {} is below 0.01: weights may drift and logits saturate", o.decay));
  if (o.decay > 0.5)
    print_warning(
        fmt::format("weight decay {} is above 0.5: the loss may level off high", o.decay));
  if (o.kind == OptimizerKind::adamw && o.beta2 > 0.95 && config.clip == "fixed:1") {
    print_warning(fmt::format(
        "beta2 {} above 0.95 with clip 1.0: the second moment is slow to damp a large gradient",
        o.beta2));
  }
  if (o.kind == OptimizerKind::ademamix && config.clip == "fixed:1")
    print_warning(
        "ademamix with clip 1.0: its slow moment remembers a spike for thousands of steps; "
        "Apertus clips at 0.1");
  if (o.kind == OptimizerKind::stable_adamw && config.clip != "none")
    print_warning("stable_adamw limits updates itself: clipping gradients as well is not usual");
  if (o.state == Dtype::bf16)
    print_warning("bf16 optimizer states save memory and are outside what has been studied long");
  if (config.clip == "none" && o.kind != OptimizerKind::stable_adamw)
    print_warning("no clipping: one bad batch can wreck the run");
}

std::string sources_text(const Json& sources) {
  std::string text;
  for (const Json& source : sources) {
    text += fmt::format("  {:<20} {:5.1f} %  {:.2f} epochs of {} windows\n",
                        source["source"].get<std::string>(), 100 * source["share"].get<double>(),
                        source["epochs"].get<double>(), source["windows"].get<int64_t>());
  }
  return text;
}

std::string data_text(const Json& plan) {
  std::string text = "data\n" + sources_text(plan["data"]);
  if (plan["phases"].size() > 1) {
    for (const Json& phase : plan["phases"]) {
      text += fmt::format("phase from {}, {} tokens\n",
                          format_count(phase["from_token"].get<int64_t>()),
                          format_count(phase["tokens"].get<int64_t>()));
      text += sources_text(phase["data"]);
    }
  }
  text += "languages   ";
  for (const auto& [name, share] : plan["languages"].items())
    text += fmt::format(" {} {:.1f} %", name, 100 * share.get<double>());
  return text + "\n";
}

std::string plan_text(const Json& plan) {
  std::string text = fmt::format(
      "parameters   {}\nsteps        {}\ntokens       {} ({:.1f} per parameter)\n",
      format_count(plan["parameters"].get<int64_t>()), plan["total_steps"].get<int64_t>(),
      format_count(plan["total_tokens"].get<int64_t>()),
      plan["tokens_per_parameter"].get<double>());
  text += fmt::format("memory of each of {} ranks\n", plan["ranks"].get<int>());
  for (const auto& [part, bytes] : plan["memory_bytes"].items()) {
    if (bytes.get<int64_t>() > 0)
      text += fmt::format("  {:<17}{}\n", part, format_bytes(bytes.get<int64_t>()));
  }
  if (plan.contains("param_dtype_saves_bytes"))
    text += fmt::format("param_dtype  bf16: {} less than with fp32\n",
                        format_bytes(plan["param_dtype_saves_bytes"].get<int64_t>()));
  if (!plan["collectives"].empty()) text += "sent by each rank in a step\n";
  for (const Json& c : plan["collectives"]) {
    text += fmt::format("  {:<29}{} in {} calls\n", c["name"].get<std::string>(),
                        format_bytes(c["bytes_per_rank"].get<int64_t>()), c["calls"].get<int>());
  }
  text += fmt::format(
      "step         about {}, at least {} ({:.0f} GFLOP at {:.0f} GFLOP/s a rank)\n",
      format_seconds(plan["step_seconds"].get<double>()),
      format_seconds(plan["step_seconds_at_least"].get<double>()),
      plan["flops_per_step"].get<double>() / 1e9, plan["matrix_flops_per_s"].get<double>() / 1e9);
  const Json& restart = plan["restart"];
  text += fmt::format("restart      {:.0f} steps or {} lost on average, {} to read\n",
                      restart["steps_lost"].get<double>(),
                      format_seconds(restart["seconds_lost"].get<double>()),
                      format_bytes(restart["checkpoint_bytes"].get<int64_t>()));
  text += fmt::format("schedule     {}\nclip         {}\n", plan["schedule"].get<std::string>(),
                      plan["clip"].get<std::string>());
  return text + data_text(plan);
}

Result<int> plan(const TrainOptions& options, const PlanOptions& extra,
                 const CommonOptions& common) {
  const RunConfig config = BALLAST_TRY(resolve(posix_file_system(), options, common.seed, false));
  for (const std::string& note : config.notes) print_note(note);
  if (extra.ranks < 1)
    return usage_error(fmt::format("--ranks is {}", extra.ranks), "", "1 or more");
  BALLAST_TRY(config.check_ranks(extra.ranks));
  const auto link_rate = static_cast<double>(BALLAST_TRY(parse_count(extra.link_rate)));
  if (link_rate < 1) return usage_error("--link-rate is 0", "", "bytes per second");
  const ParamTable table = make_param_table(config.model);
  const auto backend = BALLAST_TRY(
      open_backend(config.typed.device, {.threads = common.threads, .compute = config.compute}));
  const BatchSource batches = BALLAST_TRY(BatchSource::make(config));
  const Json json = plan_json(config, table, *backend, batches, extra, link_rate);
  warn_outside_defaults(config);
  print_out(common.json ? to_json_line(json) + "\n" : plan_text(json));
  return kExitDone;
}

}  // namespace

VerbRun add_plan(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<TrainOptions>();
  auto extra = std::make_shared<PlanOptions>();
  add_train_options(app, *options);
  app.add_option("--ranks", extra->ranks, "plan for so many ranks")->group("Ranks");
  app.add_option("--link-rate", extra->link_rate, "bytes per second that a rank can send (1.25G)")
      ->group("Ranks");
  return [options, extra, &common, &app] {
    apply_recipe(app, *options);
    return plan(*options, *extra, common);
  };
}

}  // namespace ballast
