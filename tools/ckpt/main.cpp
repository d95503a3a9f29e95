// ckpt: look at, check, compare, go back to, and convert the checkpoints of a run.
#include "libcore/cli/end_signals.h"
#include "tools/ckpt/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"list", "checkpoints of a run", ballast::add_list, "ckpt list runs/a\n"},
    {"inspect", "what a checkpoint holds, from its manifest and state", ballast::add_inspect,
     "ckpt inspect runs/a@4000\n"
     "ckpt inspect --json runs/a | jq .state.skip_ranges\n"},
    {"verify", "is everything there and undamaged", ballast::add_verify,
     "ckpt verify runs/a\n"
     "ckpt verify --full --values runs/a@4000\n"},
    {"diff", "how two checkpoints differ, tensor by tensor and field by field", ballast::add_diff,
     "ckpt diff runs/a@4000 runs/b@4000\n"},
    {"rollback", "make an earlier checkpoint the one to resume from", ballast::add_rollback,
     "ckpt rollback runs/a --to 4000 --reason 'loss spike at 4512' -n\n"
     "gradstat spikes --json runs/a |\n"
     "  ckpt rollback runs/a - --before-incident last --reason 'data spike'\n"},
    {"prune", "remove checkpoints that a policy does not keep", ballast::add_prune,
     "ckpt prune runs/a --keep last=3,every=1000 -n\n"},
    {"pin", "name a checkpoint, so that it stays", ballast::add_pin,
     "ckpt pin runs/a@4000 before-spike\n"
     "ckpt pin runs/a --remove before-spike\n"},
    {"journal", "what was done to a run, and why", ballast::add_journal,
     "ckpt journal runs/a\n"
     "ckpt journal runs/a --event rollback --last --field reason\n"},
    {"convert", "write a checkpoint in another format", ballast::add_convert,
     "ckpt convert runs/a --to hf -o model\n", true},
};

}  // namespace

int main(int argc, char** argv) {
  ballast::tidy_up_on_signals();
  const ballast::Tool tool{.name = "ckpt",
                           .summary = "checkpoints of a training run",
                           .verbs = kVerbs,
                           .examples = "ckpt list runs/a\n"};
  return ballast::run_tool(tool, argc, argv);
}
