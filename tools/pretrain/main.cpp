#include "kernels/open_backend.h"
#include "tools/pretrain/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"train", "train a model, or go on with a run", ballast::add_train,
     "  pretrain --model demo-3m --data shards/train --run run --steps 300\n"
     "  pretrain --config run/config.toml\n"},
    {"plan", "say what a run will need: memory, time, epochs; trains nothing", ballast::add_plan,
     "  pretrain plan --model demo-3m --data shards/train --steps 300\n"},
    {"eval", "held-out loss, multiple choice and word-for-word recall of a checkpoint",
     ballast::add_eval,
     "  pretrain eval run --data shards/holdout --choices hellaswag_val.jsonl\n"
     "  pretrain eval run@275 --canaries canaries.jsonl\n"},
    {"generate", "continue a text", ballast::add_generate,
     "  pretrain generate run --prompt 'Debian is' --temperature 0.8 --top-p 0.95\n"},
    {"coord-check", "size of activations over widths and steps: does muP hold?",
     ballast::add_coord_check,
     "  pretrain coord-check --stability mup_base_width=64 --widths 64,128,256\n"
     "  pretrain coord-check --model lab-nvidia --widths 64,128,256 -o widths.svg\n"},
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
