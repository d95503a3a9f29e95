#include "libcore/cli/end_signals.h"
#include "libcore/cli/tool.h"
#include "libcore/precision/chunk.h"
#include "tools/fp8probe/verbs.h"

namespace {

using ballast::Verb;

constexpr Verb kVerbs[] = {
    {"scan", "what FP8 would do to each weight, worst first", ballast::add_scan,
     "  fp8probe scan runs/a@4000\n"
     "  fp8probe scan --recipe tensor,tensor:e5m2 --top 20 model.safetensors\n"
     "  fp8probe scan --json llama/ | jq 'select(.level==\"fail\").name'\n"},
    {"gate", "pass or fail for a switch to FP8", ballast::add_gate,
     "  fp8probe gate --recipe 1x128,128x128 runs/a\n"
     "  fp8probe gate --strict --limits limits.json model.safetensors || echo bf16\n"},
};

std::vector<std::pair<std::string, std::string>> features() {
  return {{"vector unit", ballast::chunk_target()}};
}

}  // namespace

int main(int argc, char** argv) {
  ballast::tidy_up_on_signals();
  const ballast::Tool tool{"fp8probe", "ask of weights whether they survive FP8", kVerbs,
                           nullptr,    "  fp8probe scan model.safetensors\n",     features};
  return ballast::run_tool(tool, argc, argv);
}
