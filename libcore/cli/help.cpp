#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/options.h"

namespace ballast {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kText = 26;  // column where descriptions start

// Words of `text` broken at 80 columns, each line after the first indented to `column`; the first
// starts at `at`.
std::string wrap(std::string_view text, size_t column, size_t at) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const bool fresh = at <= column;
    if (!fresh && at + 1 + word.size() > kColumns) {
      out += "\n" + std::string(column, ' ');
      at = column;
    } else if (!fresh) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out + "\n";
}

std::string entry(const std::string& left, const std::string& right) {
  std::string line = "  " + left;
  if (right.empty()) return line + "\n";
  if (line.size() + 2 > kText) {
    line += "\n" + std::string(kText, ' ');
  } else {
    line.append(kText - line.size(), ' ');
  }
  return line + wrap(right, kText, kText);
}

std::string names_of(const CLI::Option& option) {
  if (!option.nonpositional()) return shown_name(option);
  std::string names;
  for (const std::string& name : option.get_snames()) names += "-" + name + ", ";
  for (const std::string& name : option.get_lnames()) names += "--" + name + ", ";
  names.resize(names.size() - 2);
  if (option.get_snames().empty()) names = "    " + names;
  if (!is_flag(option) && choices_of(option).empty()) names += " " + value_name(option);
  return names;
}

std::string describe(const CLI::Option& option) {
  std::string text = option.get_description();
  const auto choices = choices_of(option);
  if (!choices.empty()) {
    if (!text.empty()) text += ": ";
    text += fmt::format("{}", fmt::join(choices, ", "));
  }
  const std::string fallback = option.get_default_str();
  if (!fallback.empty() && fallback != "[]" && fallback != "\"\"" && !is_flag(option))
    text += fmt::format(" (default {})", fallback);
  return text;
}

// Example lines as the verb gives them, each indented by two whatever they had.
std::string examples_text(std::string_view lines) {
  if (lines.empty()) return {};
  std::string out = "\nexamples:\n";
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    const size_t begin = std::min(line.find_first_not_of(' '), line.size());
    out += fmt::format("  {}\n", line.substr(begin));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return out;
}

std::string footer(const Tool& tool) {
  return fmt::format(
      "\nexit codes: 0 done, 1 the answer is no, 2 usage, 3 I/O or corrupt input;\n"
      "all of them, environment and --config: ballast(7). See {}(1).\n",
      tool.name);
}

// "ckpt inspect", or "pretrain [train]" for the default verb.
std::string command_name(const Tool& tool, const Verb& verb) {
  const bool is_default =
      tool.default_verb != nullptr && std::string_view(tool.default_verb) == verb.name;
  return is_default ? fmt::format("{} [{}]", tool.name, verb.name)
                    : fmt::format("{} {}", tool.name, verb.name);
}

}  // namespace

std::string usage_text(const Tool& tool, const Verb& verb, const CLI::App& app) {
  std::string line = "usage: " + command_name(tool, verb);
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional() && option->get_required() && !option->get_positional())
      words += fmt::format("{} {} ", shown_name(*option), value_name(*option));
  }
  words += "[options] ";
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) continue;
    const std::string name = shown_name(*option) + (is_repeatable(*option) ? "..." : "");
    words += option->get_required() ? name + " " : "[" + name + "] ";
  }
  const size_t column = line.size() + 1;
  return line + " " + wrap(words, column, column);
}

std::string help_text(const Tool& tool, const Verb& verb, const CLI::App& app) {
  std::string out = wrap(fmt::format("{} {}: {}", tool.name, verb.name, verb.summary), 0, 0);
  out += usage_text(tool, verb, app);
  std::vector<std::string> groups;
  for (const CLI::Option* option : app.get_options()) {
    const std::string group = option->nonpositional() ? option->get_group() : "Operands";
    if (group.empty() || group == kCommonGroup) continue;
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  std::stable_partition(groups.begin(), groups.end(),
                        [](const std::string& group) { return group == "Operands"; });
  groups.push_back(kCommonGroup);
  for (const std::string& group : groups) {
    out +=
        "\n" + std::string(1, static_cast<char>(std::tolower(group[0]))) + group.substr(1) + ":\n";
    for (const CLI::Option* option : app.get_options())
      if ((option->nonpositional() ? option->get_group() : "Operands") == group)
        out += entry(names_of(*option), describe(*option));
  }
  return out + examples_text(verb.examples) + footer(tool);
}

std::string tool_usage_text(const Tool& tool) {
  std::string out;
  if (tool.default_verb != nullptr)
    out += fmt::format("usage: {} [{}] [options] ...\n       ", tool.name, tool.default_verb);
  else
    out += "usage: ";
  return out + fmt::format("{} VERB [options] ...\n", tool.name);
}

std::string tool_help_text(const Tool& tool) {
  std::string out = wrap(fmt::format("{}: {}", tool.name, tool.summary), 0, 0);
  out += tool_usage_text(tool) + "\nverbs:\n";
  for (const Verb& verb : tool.verbs) out += entry(verb.name, verb.summary);
  out +=
      fmt::format("\nA verb's options: '{0} VERB --help'. Versions: '{0} --version'.\n", tool.name);
  return out + examples_text(tool.examples) + footer(tool);
}

}  // namespace ballast
