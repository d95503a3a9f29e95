#include "libcore/cli/end_signals.h"
#include "libcore/cli/tool.h"
#include "tools/gradstat/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"summary", "what a run did: tokens, time, loss, norms, clips, events, health of the log",
     ballast::add_summary, "gradstat summary RUN\n"},
    {"spikes", "find and classify incidents", ballast::add_spikes,
     "gradstat spikes RUN\ngradstat spikes --json RUN | ckpt rollback RUN --before-incident "
     "last\n"},
    {"clip", "replay a clipping strategy over the logged gradient norms", ballast::add_clip,
     "gradstat clip --check RUN\ngradstat clip --clip zclip:z=2 RUN\n"},
    {"compare", "what several clipping strategies would have done, side by side",
     ballast::add_compare,
     "gradstat compare RUN\ngradstat compare --clip fixed:1.0 --clip zclip:z=2 main.log\n"},
    {"sweep", "thresholds and smoothing factors of ZClip: spikes caught against false alarms",
     ballast::add_sweep,
     "gradstat sweep RUN\ngradstat sweep --mode max --z 2:5:0.25 --alpha 0.97 -o grid.svg RUN\n"},
    {"normality", "test whether gradient norms, or their logarithms, are normal",
     ballast::add_normality,
     "gradstat normality RUN\ngradstat normality --window 500-635 -o norms.svg RUN\n"},
    {"events", "what each recorded change did to loss, slope and gradient norm",
     ballast::add_events, "gradstat events RUN\ngradstat events --marks --window 500 RUN\n"},
    {"drift", "find slow divergence, of a run alone or from a reference", ballast::add_drift,
     "gradstat drift --fail-on drift RUN\ngradstat drift --reference BF16 FP8\n"},
    {"diff", "compare two runs: losses, tokens to equal loss, first differing bits, settings",
     ballast::add_diff,
     "gradstat diff A B\ngradstat diff --fail-on difference --by step RUN RESUMED\n"},
    {"plot", "draw loss and gradient norm in the terminal, or as SVG or PNG", ballast::add_plot,
     "gradstat plot RUN\ngradstat plot --smooth 500 -o norms.svg RUN\n"},
    {"report", "one HTML file with charts to zoom, and a post-mortem in Markdown",
     ballast::add_report, "gradstat report RUN -o report.html --post-mortem incident.md\n"},
    {"follow", "watch a growing trace, and stop the run when something is wrong",
     ballast::add_follow,
     "gradstat follow RUN\npretrain --config run.toml --trace - | gradstat follow --fail-on "
     "nonfinite -\n"},
    {"lr", "values and theory of learning-rate schedules, and extension of a finished run",
     ballast::add_lr,
     "gradstat lr values --schedule wsd:cooldown=20% --steps 1000 --plot\n"
     "gradstat lr bound --schedule wsd --schedule cosine --steps 50K\n"
     "gradstat lr extend --steps 50K --to-steps 100K --json > longer.json\n"},
    {"scaling", "fit and compare runs of several sizes and lengths: loss, compute, learning rate",
     ballast::add_scaling,
     "gradstat scaling fit --budget 1e21,1e23 runs.csv\n"
     "gradstat scaling points RUN...\n"
     "gradstat scaling savings --horizons 10B,20B,40B --parameters 1B\n"},
    {"import", "make a trace of another trainer's log", ballast::add_import,
     "gradstat import main.log -o trace.jsonl.zst\n"
     "gradstat import --map \"loss=run7 - train/loss\" chart.csv\n",
     true},
};

}  // namespace

int main(int argc, char** argv) {
  ballast::tidy_up_on_signals();
  const ballast::Tool tool{"gradstat", "reads training traces: statistics, spikes, clipping, plots",
                           kVerbs};
  return ballast::run_tool(tool, argc, argv);
}
