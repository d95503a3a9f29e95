#include "kernels/open_backend.h"
#include "tools/pretrain/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"train", "train a model, or go on with a run", ballast::add_train,
     "  pretrain --model demo-3m --data shards/train --run run --steps 300\n"
     "  pretrain --config run/config.toml\n"},
    {"plan", "say what a run will need: memory, time, epochs; trains nothing", ballast::add_plan,
     "  pretrain plan --model demo-3m --data shards/train --steps 300\n"},
};

}  // namespace

int main(int argc, char** argv) {
  return ballast::run_tool({.name = "pretrain",
                            .summary = "train LLaMA-family models with a guard against instability",
                            .verbs = kVerbs,
                            .default_verb = "train",
                            .features = ballast::compiled_features},
                           argc, argv);
}
