#include "libcore/cli/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <optional>
#include <system_error>

#include "libcore/base/device_error.h"
#include "libcore/cli/arguments.h"
#include "libcore/cli/completion.h"
#include "libcore/cli/message.h"
#include "libcore/cli/options.h"
#include "libcore/cli/output.h"
#include "libcore/cli/parse_failure.h"
#include "libcore/cli/terminal.h"
#include "libcore/cli/version.h"
#include "libcore/io/atomic_file.h"

namespace ballast {
namespace {

using Words = std::vector<std::string>;

const Verb* find_verb(const Tool& tool, std::string_view name) {
  for (const Verb& verb : tool.verbs)
    if (name == verb.name) return &verb;
  return nullptr;
}

// A file opened later must not become descriptor 0, 1 or 2 and then receive messages. A closed
// stream is opened the wrong way round, so that using it fails.
void hold_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) std::_Exit(kExitIo);
}

int fail(const Error& error) {
  print_error(error);
  return exit_code_of(error.kind);
}

int fail_usage(const Error& error, const std::string& command) {
  print_error(error);
  if (error.kind == ErrorKind::usage) print_hint(fmt::format("try '{} --help'", command));
  return exit_code_of(error.kind);
}

// Prints a text that was asked for.
int answer(const std::string& text) {
  print_out(text);
  const auto finished = finish_stdout();
  return finished.ok() ? kExitDone : fail(finished.error());
}

// Where the verb stands among the words: the first that is not a common option or its value.
size_t find_verb_word(const Words& words) {
  static const Words kTakeValue = {"-o",     "--output", "-j",       "--threads",
                                   "--seed", "--color",  "--config", "--set"};
  size_t i = 0;
  while (i < words.size() && words[i].size() > 1 && words[i][0] == '-' && words[i] != "--")
    i += std::find(kTakeValue.begin(), kTakeValue.end(), words[i]) == kTakeValue.end() ? 1 : 2;
  return std::min(i, words.size());
}

bool has_word(const Words& words, std::initializer_list<const char*> any) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    for (const char* wanted : any)
      if (word == wanted) return true;
  }
  return false;
}

// Is `output` a file of the run, checkpoint or model folder that `operand` addresses (RUN,
// RUN@STEP, a path)? Reports and the like may lie there.
bool is_file_of(const std::string& output, const std::string& operand) {
  namespace files = std::filesystem;
  static const Words kOwn = {"trace.jsonl", "journal.jsonl", "config.toml",   "config.json",
                             "state.json",  "manifest.json", "tokenizer.json"};
  std::error_code failure;
  const files::path file = files::canonical(output, failure);
  if (failure || !files::is_regular_file(file, failure)) return false;
  files::path folder = files::canonical(operand, failure);
  if (failure) folder = files::canonical(operand.substr(0, operand.rfind('@')), failure);
  if (failure) return false;
  const files::path below = file.lexically_relative(folder);
  if (below.empty() || *below.begin() == ".." || *below.begin() == ".") return false;
  return *below.begin() == "ckpt" || *below.begin() == "abandoned" ||
         file.extension() == ".safetensors" ||
         std::find(kOwn.begin(), kOwn.end(), file.filename().string()) != kOwn.end();
}

// A path that is the empty text is most often a variable that was not set.
Result<void> check_paths(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    if (is_path(*option))
      for (const std::string& path : option->results())
        if (path.empty()) return usage_error("names no file", shown_name(*option), "empty");
  return {};
}

// -o must not replace a file that any path operand or option names, be it by the prefix of a shard
// or by the folder it belongs to.
Result<void> check_output(const CLI::App& app, const CommonOptions& common) {
  Words inputs;
  for (const CLI::Option* option : app.get_options())
    if (is_path(*option) && long_name(*option) != "output" && long_name(*option) != "config")
      inputs.insert(inputs.end(), option->results().begin(), option->results().end());
  Words shards;
  for (const std::string& input : inputs) {
    if (is_file_of(common.output, input))
      return usage_error("output is also an input", common.output);
    const std::string prefix = input.substr(0, input.rfind('='));
    for (const char* suffix : {".bin", ".idx", ".docs.jsonl.zst", ".manifest.json"})
      shards.push_back(prefix + suffix);
  }
  inputs.insert(inputs.end(), shards.begin(), shards.end());
  return refuse_output_over_input(posix_file_system(), common.output.empty() ? "-" : common.output,
                                  inputs);
}

void apply_common(const CommonOptions& common) {
  set_color_mode(common.color);
  set_message_prefix(common.tool, common.quiet         ? Verbosity::quiet
                                  : common.verbose > 0 ? Verbosity::verbose
                                                       : Verbosity::normal);
}

// The code of a finished verb, once its output is safely out.
int finish(Result<int> outcome) {
  if (!outcome.ok()) {
    abandon_output();
    const int code = fail(outcome.error());
    // A full device is not reported twice.
    (void)finish_stdout();
    return code;
  }
  auto finished = finish_stdout();
  if (finished.ok() && ::close(STDOUT_FILENO) != 0 && errno != EBADF)
    finished = io_error("cannot write", "standard output", std::generic_category().message(errno));
  return finished.ok() ? *outcome : fail(finished.error());
}

int run_verb(const Tool& tool, const Verb& verb, const Words& words, CommonOptions& common) {
  const std::string command = fmt::format("{} {}", tool.name, verb.name);
  VerbRun run;
  const auto app = make_verb_app(tool, verb, common, &run);
  const auto arguments =
      resolve_arguments(*app, posix_file_system(), words,
                        [](const std::string& name) { return std::getenv(name.c_str()); });
  if (!arguments.ok()) return fail_usage(arguments.error(), command);
  if (arguments->help) return answer(help_text(tool, verb, *app));
  if (arguments->version) return answer(version_text(tool));
  try {
    Words reversed(arguments->words.rbegin(), arguments->words.rend());
    app->parse(std::move(reversed));
  } catch (const CLI::RequiredError& error) {
    if (arguments->typed_any) return fail_usage(parse_failure(error, *app), command);
    std::fputs(usage_text(tool, verb, *app).c_str(), stderr);
    print_hint(fmt::format("try '{} --help'", command));
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    return fail_usage(parse_failure(error, *app), command);
  }
  common.seed_given = app->count("--seed") > 0;
  apply_common(common);
  const auto named = check_paths(*app);
  if (!named.ok()) return fail_usage(named.error(), command);
  const auto checked = check_output(*app, common);
  if (!checked.ok()) return fail_usage(checked.error(), command);
  if (!verb.owns_output && !common.output.empty() && common.output != "-")
    send_output_to(common.output, common.force);
  return finish(run());
}

// Options but no verb: an unknown option is the better thing to name.
Error missing_verb(const Words& words, CommonOptions& common) {
  CLI::App app;
  app.set_help_flag("");
  add_common_options(app, common);
  const auto nothing = [](const std::string&) -> const char* { return nullptr; };
  const auto arguments = resolve_arguments(app, posix_file_system(), words, nothing);
  return arguments.ok() ? usage_error("no verb given") : arguments.error();
}

int dispatch(const Tool& tool, const Words& words) {
  CommonOptions common;
  common.argv = {tool.name};
  common.argv.insert(common.argv.end(), words.begin(), words.end());

  const size_t at = find_verb_word(words);
  const Verb* verb = at < words.size() ? find_verb(tool, words[at]) : nullptr;
  const bool named = verb != nullptr;
  if (!named && !words.empty() && words[0].starts_with("--generate-completion="))
    return generate_completion(tool, words[0].substr(words[0].find('=') + 1));
  if (has_word(words, {"--version"}))
    return answer(has_word(words, {"--json"}) ? version_json(tool) : version_text(tool));
  if (!named && has_word(words, {"-h", "--help"})) return answer(tool_help_text(tool));
  if (!named && tool.default_verb != nullptr) verb = find_verb(tool, tool.default_verb);
  if (verb != nullptr) {
    Words rest = words;
    if (named) rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
    return run_verb(tool, *verb, rest, common);
  }
  if (at == words.size() || words[at] == "--") {
    if (!words.empty()) return fail_usage(missing_verb(words, common), tool.name);
    std::fputs(tool_usage_text(tool).c_str(), stderr);
    print_hint(fmt::format("try '{} --help'", tool.name));
    return kExitUsage;
  }
  Words known;
  for (const Verb& each : tool.verbs) known.push_back(each.name);
  const std::string near = nearest_word(words[at], known);
  return fail_usage(usage_error(fmt::format("unknown verb '{}'", words[at]), {},
                                near.empty() ? "" : fmt::format("did you mean '{}'?", near)),
                    tool.name);
}

}  // namespace

int run_tool(const Tool& tool, int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);
  hold_standard_descriptors();
  set_message_prefix(tool.name, Verbosity::normal);
  try {
    return dispatch(tool, Words(argv + std::min(argc, 1), argv + argc));
  } catch (const DeviceError& error) {
    abandon_output();
    return fail({ErrorKind::device, error.what(), {}, {}});
  } catch (const std::bad_alloc&) {
    abandon_output();
    return fail(io_error("out of memory"));
  } catch (const std::exception& error) {
    // A defect of ours; still one line, and nothing half-written.
    abandon_output();
    return fail(io_error("internal error", {}, error.what()));
  }
}

}  // namespace ballast
