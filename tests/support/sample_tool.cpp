// A small tool on the frame of libcore/cli: what the frame itself promises is tested on it
// (tests/cli/frame.bats), whatever the five tools look like.
#include <fmt/format.h>

#include <new>

#include "libcore/base/device_error.h"
#include "libcore/cli/message.h"
#include "libcore/cli/tool.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"

namespace ballast {
namespace {

struct ShowOptions {
  std::vector<std::string> data, inputs;
  std::string clip = "none", precision = "fp32";
  double lr = 0.001;
  int64_t tokens = 1000;
  double every = 90;
  bool guard = false;
};

// Says what arrived in every option.
VerbRun add_show(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ShowOptions>();
  path_option(app.add_option("input", options->inputs, "files to name"));
  app.add_option("--data", options->data, "a source; may be repeated")->group("Input");
  app.add_option("--clip", options->clip, "clipping strategy")->capture_default_str();
  choice_option(app.add_option("--precision", options->precision, "compute type"),
                {"fp32", "bf16", "fp8"})
      ->capture_default_str();
  app.add_option("--lr", options->lr, "learning rate")->capture_default_str();
  count_option(app, "--tokens", options->tokens, "length of the run");
  seconds_option(app, "--every", options->every, "pause between checkpoints");
  app.add_flag("--guard", options->guard, "watch for spikes");
  return [options, &common, &app]() -> Result<int> {
    const Json record = {{"input", options->inputs},
                         {"data", options->data},
                         {"clip", options->clip},
                         {"precision", options->precision},
                         {"lr", options->lr},
                         {"tokens", options->tokens},
                         {"every", options->every},
                         {"guard", options->guard},
                         {"threads", common.threads},
                         {"seed", common.seed},
                         {"seed_given", common.seed_given},
                         {"verbose", common.verbose}};
    print_verbose(config_text(app));
    print_out(common.json ? to_json_line(record) + "\n" : to_json_text(record));
    return kExitDone;
  };
}

// Copies its inputs through the streams, as every filter does.
VerbRun add_copy(CLI::App& app, const CommonOptions&) {
  auto inputs = std::make_shared<std::vector<std::string>>();
  path_option(app.add_option("input", *inputs, "files to copy")->required());
  return [inputs]() -> Result<int> {
    for (const std::string& input : *inputs) {
      auto source = BALLAST_TRY(open_source(posix_file_system(), input));
      LineReader lines(*source);
      while (const auto line = BALLAST_TRY(lines.next())) print_out(std::string(*line) + "\n");
    }
    return kExitDone;
  };
}

// Ends as its operand says.
VerbRun add_end(CLI::App& app, const CommonOptions&) {
  auto how = std::make_shared<std::string>();
  choice_option(app.add_option("how", *how, "the way to end")->required(),
                {"no", "device", "memory", "guard", "corrupt"});
  return [how]() -> Result<int> {
    print_out("begun\n");
    if (*how == "device") throw DeviceError("gemm (4, 4): the device is gone");
    if (*how == "memory") throw std::bad_alloc();
    if (*how == "guard") return Error{ErrorKind::guard, "stopped by the guard", "step 7", {}};
    if (*how == "corrupt") return corrupt_error("bad header", "a\x1b[2Jb", "not \"magic\"");
    return kExitNo;
  };
}

constexpr Verb kVerbs[] = {
    {"show", "say what arrived in every option", add_show,
     "sample show --lr 3e-4 a.jsonl\nsample show --config run.toml --set lr=1e-3"},
    {"copy", "copy files to standard output", add_copy, "sample copy in.jsonl.gz | head -1"},
    {"end", "end in a chosen way", add_end},
};

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  const ballast::Tool tool = {"sample", "shows what the frame of the tools does", ballast::kVerbs,
                              "show", "sample --tokens 4B"};
  return ballast::run_tool(tool, argc, argv);
}
