#include "libcore/cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"

namespace ballast {
namespace {

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '_') c = '-';
  }
  return text;
}

// Options that CLI11 parses into nothing: run_tool() acts on them before CLI11 sees the words.
void add_mark(CLI::App& app, const std::string& name, const std::string& help) {
  app.add_flag(name, help)->group(kCommonGroup);
}

// A named option whose text goes through one of the parsers of units.h.
template <class T>
CLI::Option* parsed_option(CLI::App& app, const std::string& name, T& value,
                           const std::string& help, const char* type,
                           Result<T> (*parse)(std::string_view), std::string (*show)(T)) {
  CLI::Option* option = app.add_option(
      name,
      [&value, parse](const CLI::results_t& results) {
        auto parsed = parse(results.back());
        if (parsed.ok()) value = *parsed;
        return parsed.ok();
      },
      help);
  option->check([parse](const std::string& text) {
    const auto parsed = parse(text);
    return parsed.ok() ? std::string() : parsed.error().message();
  });
  option->type_name(type);
  if (value != T{}) option->default_str(show(value));
  return option;
}

// CLI11 appends what its validators say: "N:INT in [0 - 4096]".
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

// CLI11 takes a number beyond 64 bits for the nearest one, and 010 for 8.
CLI::Option* whole_number_option(CLI::Option* option) {
  return option->transform(CLI::Validator(
      [](std::string& text) -> std::string {
        int64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, value);
        if (parsed.ec == std::errc::result_out_of_range && parsed.ptr == end)
          // As CLI::Range says it, for parse_failure() to name the option's own range.
          return fmt::format("Value {} not in range {} to {}", text,
                             std::numeric_limits<int64_t>::min(),
                             std::numeric_limits<int64_t>::max());
        if (parsed.ec != std::errc() || parsed.ptr != end)
          return fmt::format("'{}' is not a whole number", text);
        text = fmt::format("{}", value);
        return {};
      },
      ""));
}

void apply_rules(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (!option->nonpositional() || is_flag(*option)) continue;
    if (type_of(*option) == "INT") whole_number_option(option);
    if (is_repeatable(*option)) {
      // Otherwise `--data a b` would swallow the operand b, and a value "[x]" would be taken apart.
      option->allow_extra_args(false);
    } else if (option->get_multi_option_policy() == CLI::MultiOptionPolicy::Throw) {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
}

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& common) {
  const auto grouped = [](CLI::Option* option) { return option->group(kCommonGroup); };
  add_mark(app, "-h,--help", "show this help");
  add_mark(app, "--version", "show versions and features");
  grouped(app.add_flag("-q,--quiet", common.quiet, "say only errors"));
  grouped(app.add_flag("-v,--verbose", common.verbose, "say more"));
  grouped(app.add_flag("--json", common.json, "write JSON Lines"));
  grouped(path_option(app.add_option("-o,--output", common.output, "write to PATH (- is stdout)")));
  grouped(app.add_flag("-f,--force", common.force, "replace existing outputs"));
  grouped(app.add_flag("-n,--dry-run", common.dry_run, "say what would be done"));
  CLI::Option* threads =
      grouped(app.add_option("-j,--threads", common.threads, "threads (0: one per core)"));
  whole_number_option(threads->type_name("N")->check(CLI::Range(0, 4096)));
  whole_number_option(
      grouped(app.add_option("--seed", common.seed, "seed of random choices"))->type_name("N"));
  grouped(choice_option(app.add_option("--color", common.color, "colour the output"),
                        {"auto", "always", "never"}));
  // Both are taken out of the command line before CLI11 sees it (arguments.h).
  grouped(path_option(app.add_option("--config", "read options from a TOML file")));
  grouped(app.add_option("--set", "as --KEY VALUE; KEY as in the file")->type_name("KEY=VALUE"));
}

std::unique_ptr<CLI::App> make_verb_app(const Tool& tool, const Verb& verb, CommonOptions& common,
                                        VerbRun* run) {
  common.tool = tool.name;
  common.verb = verb.name;
  auto app = std::make_unique<CLI::App>(verb.summary, verb.name);
  app->set_help_flag("");
  add_common_options(*app, common);
  VerbRun added = verb.add(*app, common);
  if (run != nullptr) *run = std::move(added);
  apply_rules(*app);
  return app;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

bool is_repeatable(const CLI::Option& option) {
  return option.get_expected_max() >= CLI::detail::expected_max_vector_size;
}

bool is_path(const CLI::Option& option) { return type_of(option) == kPathType; }

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = type_of(option);
  if (type.find('|') == std::string::npos) return {};
  return CLI::detail::split(type, '|');
}

std::string value_name(const CLI::Option& option) {
  const std::string type = type_of(option);
  if (type.starts_with("TEXT")) return "WORD";
  if (type.starts_with("INT") || type.starts_with("UINT") || type.starts_with("FLOAT")) return "N";
  return type;
}

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? std::string() : option.get_lnames().front();
}

std::string shown_name(const CLI::Option& option) {
  if (!long_name(option).empty()) return "--" + long_name(option);
  if (!option.get_snames().empty()) return "-" + option.get_snames().front();
  return upper(option.get_name(true));
}

CLI::Option* path_option(CLI::Option* option) { return option->type_name(kPathType); }

CLI::Option* choice_option(CLI::Option* option, std::vector<std::string> choices,
                           std::function<bool(const std::string&)> also) {
  option->type_name(fmt::format("{}", fmt::join(choices, "|")));
  return option->check(
      [choices = std::move(choices), also = std::move(also)](const std::string& word) {
        if (also && also(word)) return std::string();
        if (std::find(choices.begin(), choices.end(), word) != choices.end()) return std::string();
        const std::string near = nearest_word(word, choices);
        return fmt::format("'{}' is not one of {}{}", word, fmt::join(choices, ", "),
                           near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near));
      });
}

CLI::Option* count_option(CLI::App& app, const std::string& name, int64_t& value,
                          const std::string& help) {
  return parsed_option<int64_t>(app, name, value, help, "COUNT", parse_count,
                                [](int64_t count) { return std::to_string(count); });
}

CLI::Option* seconds_option(CLI::App& app, const std::string& name, double& value,
                            const std::string& help) {
  return parsed_option<double>(app, name, value, help, "TIME", parse_seconds, format_seconds);
}

}  // namespace ballast
