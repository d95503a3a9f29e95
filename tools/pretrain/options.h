// What was typed for `pretrain train` and `pretrain plan`: the options that both verbs share, as
// words. resolve() of run_config.h makes ready objects of them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace ballast {

struct TrainOptions {
  std::string model;
  std::string stability;
  std::vector<std::string> data;
  std::vector<std::string> phases;
  double max_epochs = 0;
  std::string validation;
  std::string tokenizer;
  std::string run;
  std::string steps, tokens;
  std::string batch_tokens = "16384";
  int64_t micro_batch = 8;
  int64_t seq_len = 256;
  double lr = 1e-3;
  int64_t data_seed = 0;
  std::string optimizer = "adamw";
  std::string schedule = "wsd";
  std::string clip = "fixed:1.0";
  double z_loss = 0;
  std::string goldfish;
  std::string swa, ema;
  std::string precision = "auto";
  std::string param_dtype = "fp32";
  std::string guard = "replay,skip:20,rollback:1000,stop";
  std::string inject;
  int64_t snapshot_every = 0;
  int64_t check_replicas = 0;
  int64_t layers_every = 50;
  double cost_per_hour = 0;
  double peak_tflops = 0;
  std::string device = "auto";
  std::string resume = "auto";
  std::string branch, cooldown;
  std::vector<std::string> changes;
  std::string reason;
  std::vector<std::string> accept_data;
  std::string trace;
  std::string checkpoint_every = "30m";
  std::string keep = "last=3";
  std::string recompute = "none";
  int64_t val_every = 0;
  std::string val_tokens = "262144";
  std::string max_wall;
  std::string transport = "auto";
  std::string deterministic = "ranks";
  int zero = 0;
};

void add_train_options(CLI::App& app, TrainOptions& options);
// When --model names a preset, options that were given nowhere take the values of its recipe.
void apply_recipe(CLI::App& app, const TrainOptions& options);

}  // namespace ballast
