// What a run will need, without training: memory from the same carving code that allocates it, the
// data's epochs, the schedule, and a lower bound of the step time from a measured matrix product.
#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "kernels/open_backend.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/model/model.h"
#include "tools/pretrain/batch_source.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

// The best of a few square products: what the device can do, not what the model will.
double measured_flops(Backend& backend) {
  constexpr int64_t kSize = 768;
  Arena arena(backend, 3 * kSize * kSize * 4 + 1024);
  const Tensor a = arena.take(Dtype::f32, kSize, kSize), b = arena.take(Dtype::f32, kSize, kSize);
  const Tensor d = arena.take(Dtype::f32, kSize, kSize);
  backend.zero(a.data, kSize * kSize * 4);
  backend.zero(b.data, kSize * kSize * 4);
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    const auto start = std::chrono::steady_clock::now();
    backend.gemm(d, a, b, {.transpose_b = true});
    backend.synchronize(backend.record(StreamId::compute));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kSize * kSize * kSize / taken.count());
  }
  return best;
}

struct MemoryPlan {
  int64_t weights, gradients, moments, activations, other, total;
};

MemoryPlan plan_memory(Backend& backend, const RunConfig& config, const ParamTable& table) {
  Arena arena;
  take_buffers(arena, table, config, 1);
  const int64_t buffers = arena.peak_bytes(), flat = table.flat_size * 4;
  const int64_t states = table.flat_size * config.optimizer.state_bytes_per_parameter();
  Model(backend, arena, config.model, table, model_shape(config));
  const int64_t total = arena.peak_bytes();
  return {flat, flat, states, total - buffers, buffers - 2 * flat - states, total};
}

Json plan_json(const RunConfig& config, const ParamTable& table, const MemoryPlan& memory,
               double flops, double rate, const BatchSource& batches) {
  Json json = {{"v", 1},
               {"parameters", table.parameters},
               {"total_steps", config.total_steps},
               {"total_tokens", config.total_tokens()},
               {"tokens_per_parameter",
                static_cast<double>(config.total_tokens()) / static_cast<double>(table.parameters)},
               {"micro_batches", config.batches.largest() / config.seq_len / config.micro_batch},
               {"memory_bytes",
                {{"weights", memory.weights},
                 {"gradients", memory.gradients},
                 {"moments", memory.moments},
                 {"activations", memory.activations},
                 {"other", memory.other},
                 {"total", memory.total}}},
               {"flops_per_step", flops},
               {"matrix_flops_per_s", rate},
               {"step_seconds_at_least", flops / rate},
               {"schedule", config.schedule.spec()},
               {"clip", config.clip}};
  json["data"] = Json::array();
  const int64_t samples = config.samples_before(config.total_steps);
  for (size_t s = 0; s < config.sources.size(); ++s) {
    const int64_t drawn = batches.order().drawn(static_cast<int>(s), samples);
    const int64_t windows = batches.order().sources()[s].windows;
    json["data"].push_back({{"source", config.sources[s].name},
                            {"windows", windows},
                            {"share", static_cast<double>(drawn) / static_cast<double>(samples)},
                            {"epochs", static_cast<double>(drawn) / static_cast<double>(windows)}});
  }
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

std::string plan_text(const Json& plan) {
  const Json& memory = plan["memory_bytes"];
  std::string text = fmt::format(
      "parameters   {}\nsteps        {}\ntokens       {} ({:.1f} per parameter)\n",
      format_count(plan["parameters"].get<int64_t>()), plan["total_steps"].get<int64_t>(),
      format_count(plan["total_tokens"].get<int64_t>()),
      plan["tokens_per_parameter"].get<double>());
  text += "memory\n";
  for (const auto& [part, bytes] : memory.items()) {
    text += fmt::format("  {:<11}{}\n", part, format_bytes(bytes.get<int64_t>()));
  }
  text += fmt::format("step         at least {} ({:.0f} GFLOP at {:.0f} GFLOP/s)\n",
                      format_seconds(plan["step_seconds_at_least"].get<double>()),
                      plan["flops_per_step"].get<double>() / 1e9,
                      plan["matrix_flops_per_s"].get<double>() / 1e9);
  text += fmt::format("schedule     {}\nclip         {}\ndata\n",
                      plan["schedule"].get<std::string>(), plan["clip"].get<std::string>());
  for (const Json& source : plan["data"]) {
    text += fmt::format("  {:<20} {:5.1f} %  {:.2f} epochs of {} windows\n",
                        source["source"].get<std::string>(), 100 * source["share"].get<double>(),
                        source["epochs"].get<double>(), source["windows"].get<int64_t>());
  }
  return text;
}

Result<int> plan(const TrainOptions& options, const CommonOptions& common) {
  const RunConfig config = BALLAST_TRY(resolve(posix_file_system(), options, common.seed, false));
  const ParamTable table = make_param_table(config.model);
  const auto backend = BALLAST_TRY(open_backend(config.typed.device, {.threads = common.threads}));
  const BatchSource batches = BALLAST_TRY(BatchSource::make(config));
  const double flops = train_flops_per_token(config.model, config.seq_len) *
                       static_cast<double>(config.batches.largest());
  const Json json = plan_json(config, table, plan_memory(*backend, config, table), flops,
                              measured_flops(*backend), batches);
  warn_outside_defaults(config);
  print_out(common.json ? to_json_line(json) + "\n" : plan_text(json));
  return kExitDone;
}

}  // namespace

VerbRun add_plan(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<TrainOptions>();
  add_train_options(app, *options);
  return [options, &common, &app] {
    apply_recipe(app, *options);
    return plan(*options, common);
  };
}

}  // namespace ballast
