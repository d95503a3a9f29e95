// The frame of every tool: a main.cpp is a table of verbs handed to run_tool(), which parses,
// applies the precedence flag > BALLAST_<FLAG> > --config file > default, runs the verb, finishes
// stdout and maps errors to exit codes.
//
// A verb is one function in its own file. It declares its options on `app` and returns what to run;
// parsed values live in a shared_ptr that the closure owns:
//
//   VerbRun add_inspect(CLI::App& app, const CommonOptions& common) {
//     auto options = std::make_shared<InspectOptions>();
//     app.add_option("prefix", options->prefixes, "shards to look at")->required();
//     return [options, &common] { return inspect(*options, common); };
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/strategy_spec.h"
#include "libcore/cli/exit_code.h"

namespace ballast {

// Options that every verb takes, with the same letter and meaning everywhere.
struct CommonOptions {
  std::string tool;      // "ckpt"
  std::string verb;      // "inspect"
  bool quiet = false;    // -q: errors only
  int verbose = 0;       // -v, repeatable
  bool json = false;     // --json: JSON Lines on stdout
  std::string output;    // -o --output: path or "-"; empty: the verb's default
  bool force = false;    // -f: replace existing outputs
  bool dry_run = false;  // -n: say what would be done
  int threads = 0;       // -j --threads: 0 is one per core (per local rank)
  int64_t seed = 0;      // --seed
  bool seed_given = false;
  std::string color = "auto";     // --color auto|always|never
  std::vector<std::string> argv;  // as typed, for manifests
};

// Returns the exit code, or an Error that run_tool() prints and maps.
using VerbRun = std::function<Result<int>()>;

struct Verb {
  const char* name;
  const char* summary;  // one line, lower case, no full stop
  VerbRun (*add)(CLI::App& app, const CommonOptions& common);
  const char* examples = "";  // lines for the end of --help
  // -o names the verb's own product (a tokenizer, a prefix, a folder). Otherwise run_tool() sends
  // what print_out() prints to -o, published whole when the verb is done.
  bool owns_output = false;
};

struct Tool {
  const char* name;
  const char* summary;
  std::span<const Verb> verbs;
  const char* default_verb =
      nullptr;  // runs when the first word is a flag or an operand (pretrain: "train")
  const char* examples = "";
  // Extra lines of --version: {"cpu backend", "oneDNN 2.6"}; called only for --version.
  std::vector<std::pair<std::string, std::string>> (*features)() = nullptr;
};

// main()'s whole body. Catches DeviceError and std::bad_alloc; restores SIGPIPE's default unless
// the verb changes it.
int run_tool(const Tool& tool, int argc, char** argv);

// Marks an option as taking a path (for completions), or one of a closed list of words (checked and
// completed), and what `also` accepts.
CLI::Option* path_option(CLI::Option* option);
CLI::Option* choice_option(CLI::Option* option, std::vector<std::string> choices,
                           std::function<bool(const std::string&)> also = nullptr);

// Options in the forms of units.h: "0.5M", "64KiB"; "30m", "2h". A default is shown by help when
// the value is not 0.
CLI::Option* count_option(CLI::App& app, const std::string& name, int64_t& value,
                          const std::string& help);
CLI::Option* seconds_option(CLI::App& app, const std::string& name, double& value,
                            const std::string& help);

// Every option that was given on the command line, by environment or by --config, as a TOML file
// that --config reads back to the same values.
std::string config_text(const CLI::App& app);

// Writes to stdout (or to -o, see Verb) through one buffer; run_tool() finishes it: a full device
// or closed pipe is exit 3 or SIGPIPE.
void print_out(std::string_view text);
Result<void> finish_stdout();

}  // namespace ballast
