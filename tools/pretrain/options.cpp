#include "tools/pretrain/options.h"

#include "libcore/cli/tool.h"
#include "libcore/model/presets.h"
#include "tools/pretrain/device_option.h"

namespace ballast {

void add_train_options(CLI::App& app, TrainOptions& o) {
  app.add_option("--model", o.model, "config.json of a LLaMA-family model, or a preset's name")
      ->group("Model");
  app.add_option("--stability", o.stability,
                 "switches of the model: qk_norm, soft_cap=50, layerscale, ...")
      ->group("Model");
  choice_option(
      app.add_option("--precision", o.precision, "type of the arithmetic")->group("Model"),
      {"auto", "fp32", "bf16"});
  choice_option(app.add_option("--param-dtype", o.param_dtype,
                               "type of the stored matrices; bf16 is rounded stochastically")
                    ->group("Model"),
                {"fp32", "bf16"});
  choice_option(app.add_option("--recompute", o.recompute, "what the backward pass makes again")
                    ->group("Model"),
                {"none", "norms", "block"});

  path_option(app.add_option("--data", o.data, "shard, set or folder PREFIX[=WEIGHT]; repeatable")
                  ->group("Data"));
  app.add_option("--phase", o.phases,
                 "from=TOKENS,weights=A:B[,seed=N]: a data phase; repeatable, [[phase]] in a file")
      ->group("Data");
  app.add_option("--max-epochs", o.max_epochs, "refuse to show a source more often (0: no limit)")
      ->group("Data");
  path_option(app.add_option("--val", o.validation, "shard, set or folder held out for evaluation")
                  ->group("Data"));
  app.add_option("--val-every", o.val_every, "steps between evaluations (0: only at the end)")
      ->group("Data");
  app.add_option("--val-tokens", o.val_tokens, "most tokens of one evaluation")->group("Data");
  path_option(app.add_option("--tokenizer", o.tokenizer, "tokenizer.json to keep in checkpoints")
                  ->group("Data"));
  app.add_option("--data-seed", o.data_seed, "seed of the data order")->group("Data");
  app.add_option("--seq-len", o.seq_len, "tokens of a sequence")->group("Data");
  app.add_option("--batch-tokens", o.batch_tokens, "tokens of a step, or 0:0.5M,10B:1M")
      ->group("Data");
  app.add_option("--micro-batch", o.micro_batch, "sequences computed at a time")->group("Data");

  CLI::Option* steps =
      app.add_option("--steps", o.steps, "length of the run in steps")->group("Optimisation");
  app.add_option("--tokens", o.tokens, "length of the run in tokens (4B)")
      ->group("Optimisation")
      ->excludes(steps);
  app.add_option("--lr", o.lr, "peak learning rate")->group("Optimisation");
  app.add_option("--optimizer", o.optimizer, "adamw, ademamix or stable_adamw[:k=v,...]")
      ->group("Optimisation");
  app.add_option("--schedule", o.schedule, "wsd, cosine, linear, constant[:k=v,...] or file:F")
      ->group("Optimisation");
  app.add_option("--clip", o.clip, "none, fixed:C, autoclip, zclip or zskip[:k=v,...]")
      ->group("Optimisation");
  app.add_option("--z-loss", o.z_loss, "coefficient of the z-loss (0: none)")
      ->group("Optimisation");
  app.add_option("--goldfish", o.goldfish, "k=50,h=50[,mode=...]: labels that are never learnt")
      ->group("Optimisation");
  app.add_option("--swa", o.swa, "window=500,every=5: also keep the mean of the weights")
      ->group("Optimisation");
  app.add_option("--ema", o.ema, "decay=0.95,every=10: also keep a moving average of the weights")
      ->group("Optimisation");

  path_option(app.add_option("--run", o.run, "run directory")->group("Run"));
  app.add_option("--resume", o.resume, "auto, never, or a step")->group("Run");
  app.add_option("--branch", o.branch, "begin a new run at a checkpoint RUN@STEP of another")
      ->group("Run");
  app.add_option("--cooldown", o.cooldown,
                 "with --branch: cool down over this length and end (2B, 500steps)")
      ->group("Run");
  app.add_option("--change", o.changes, "KEY=VALUE to change when resuming; repeatable")
      ->group("Run");
  app.add_option("--reason", o.reason, "why --change is made, for the journal")->group("Run");
  path_option(app.add_option("--accept-data", o.accept_data,
                             "receipt of a redaction of the shards to resume over; repeatable")
                  ->group("Run"));
  app.add_option("--ckpt-every", o.checkpoint_every,
                 "steps (100) or time (30m) between checkpoints")
      ->group("Run");
  app.add_option("--keep", o.keep, "which checkpoints stay: all, or last=K,every=M")->group("Run");
  path_option(app.add_option("--trace", o.trace, "copy of the trace, - for stdout")->group("Run"));
  app.add_option("--guard", o.guard,
                 "off, a ladder of wait:K, replay, skip:K, rollback:M+K, lr:F, clip:C, "
                 "drop-source, stop, or a named one")
      ->group("Run");
  app.add_option("--snapshot-every", o.snapshot_every,
                 "steps between states kept in host memory (0: none)")
      ->group("Run");
  app.add_option("--layers-every", o.layers_every,
                 "steps between records of the layers in the trace (0: none)")
      ->group("Run");
  app.add_option("--cost-per-hour", o.cost_per_hour, "price of an hour of the whole job")
      ->group("Run");
  app.add_option("--peak-tflops", o.peak_tflops, "of one rank's device: what mfu is a share of")
      ->group("Run");
  app.add_option("--check-replicas", o.check_replicas,
                 "steps between comparisons of the ranks' weights, and of a step computed twice")
      ->group("Run");
  app.add_option("--inject", o.inject,
                 "faults: grad@N:x=F, spike@N:x=F, nan@N, flip@N[:rank=R], rare@N")
      ->group("Run");
  app.add_option("--max-wall", o.max_wall, "stop with a checkpoint within this time (2h)")
      ->group("Run");
  device_option(app, o.device)->group("Run");
  choice_option(app.add_option("--transport", o.transport, "how ranks talk; auto: as started")
                    ->group("Ranks"),
                {"auto", "self", "tcp", "mpi", "nccl"});
  app.add_option("--zero", o.zero,
                 "a rank keeps a share of 1: the optimizer's states, 2: gradients too, 3: weights "
                 "too (0: all)")
      ->group("Ranks");
  choice_option(app.add_option("--deterministic", o.deterministic,
                               "same bits for the same ranks, or for any of 1, 2, 4, 8 (world)")
                    ->group("Ranks"),
                {"ranks", "world"});
}

void apply_recipe(CLI::App& app, const TrainOptions& options) {
  const auto preset = find_preset(options.model);
  if (!preset.ok()) return;  // a file, or a name that resolve() refuses
  const bool has_length =
      app.get_option("--steps")->count() + app.get_option("--tokens")->count() > 0;
  for (const auto& [key, value] : preset->recipe) {
    CLI::Option* option = app.get_option("--" + key);
    if (option->count() > 0 || (has_length && (key == "steps" || key == "tokens"))) continue;
    option->add_result(value);
    option->run_callback();
  }
}

}  // namespace ballast
