#include "libcore/cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/message.h"
#include "libcore/cli/options.h"

namespace ballast {
namespace {

std::string did_you_mean(const std::string& near) {
  return near.empty() ? std::string() : fmt::format("did you mean '{}'?", near);
}

// --config and --set are answered here; help and version by the caller.
bool is_frame_option(const std::string& name) {
  return name == "config" || name == "set" || name == "help" || name == "version";
}

class Walker {
 public:
  Walker(const CLI::App& app, const std::vector<std::string>& typed) : app_(app), typed_(typed) {}

  Result<void> walk() {
    for (next_ = 0; next_ < typed_.size();) {
      const std::string& word = typed_[next_++];
      if (word == "--") {
        words.push_back(word);
        while (next_ < typed_.size()) words.push_back(operand(typed_[next_++]));
        return {};
      }
      if (word.starts_with("--")) {
        BALLAST_TRY(take_long(word));
      } else if (word.size() > 1 && word[0] == '-' && !is_number(word)) {
        BALLAST_TRY(take_short(word));
      } else {
        words.push_back(operand(word));
      }
    }
    return {};
  }

  std::vector<std::string> words;
  std::vector<const CLI::Option*> given;
  std::string config;
  bool help = false;
  bool version = false;

 private:
  // CLI11 takes a repeatable operand "[a,b]" for a list; the same file by another name is safe.
  static std::string operand(const std::string& word) {
    return word.starts_with('[') && word.ends_with(']') ? "./" + word : word;
  }

  // "-5" is an operand or a value unless there is an option of that name.
  bool is_number(const std::string& word) const {
    return (std::isdigit(static_cast<unsigned char>(word[1])) != 0 || word[1] == '.') &&
           app_.get_option_no_throw(word.substr(0, 2)) == nullptr;
  }

  Result<void> take_long(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = app_.get_option_no_throw(name);
    if (option == nullptr) return unknown(name);
    if (equals == std::string::npos) return take(*option, name, nullptr);
    const std::string value = word.substr(equals + 1);
    return take(*option, name, &value);
  }

  // "-qv", "-j4", "-j 4".
  Result<void> take_short(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const std::string name = {'-', word[i]};
      const CLI::Option* option = app_.get_option_no_throw(name);
      if (option == nullptr) return unknown(name);
      if (is_flag(*option)) {
        BALLAST_TRY(take(*option, name, nullptr));
        continue;
      }
      const std::string value = word.substr(i + 1);
      return take(*option, name, value.empty() ? nullptr : &value);
    }
    return {};
  }

  Result<void> take(const CLI::Option& option, const std::string& name, const std::string* value) {
    const std::string kind = long_name(option);
    if (kind == "help" || kind == "version") {
      (kind == "help" ? help : version) = true;
      return {};
    }
    given.push_back(&option);
    if (is_flag(option)) {
      words.push_back(value == nullptr ? name : name + "=" + *value);
      return {};
    }
    if (value == nullptr) {
      if (next_ == typed_.size())
        return usage_error(fmt::format("{} needs a value", name), {}, value_name(option));
      value = &typed_[next_++];
    }
    if (kind == "config") {
      config = *value;
      return {};
    }
    if (kind == "set") return take_set(*value);
    // Two words also for --name=: CLI11 takes "--name=" for a missing value.
    words.push_back(name);
    words.push_back(*value);
    return {};
  }

  Result<void> take_set(const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage_error(fmt::format("--set takes key=value, not '{}'", text));
    const std::string key = text.substr(0, equals), value = text.substr(equals + 1);
    const CLI::Option* option = option_of_key(app_, key);
    if (option == nullptr)
      return usage_error(fmt::format("--set: unknown key '{}'", key), {},
                         did_you_mean(nearest_key(app_, key)));
    return take(*option, "--" + long_name(*option), &value);
  }

  Error unknown(const std::string& name) const {
    std::vector<std::string> known;
    for (const CLI::Option* option : app_.get_options())
      for (const std::string& other : option->get_lnames()) known.push_back("--" + other);
    return usage_error(fmt::format("unknown option '{}'", name), {},
                       did_you_mean(nearest_word(name, known)));
  }

  const CLI::App& app_;
  const std::vector<std::string>& typed_;
  size_t next_ = 0;
};

// "dry-run" -> "BALLAST_DRY_RUN"
std::string variable_of(const std::string& name) {
  std::string variable = "BALLAST_";
  for (const char c : name)
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

Result<std::vector<std::string>> environment_words(const CLI::App& app,
                                                   const Environment& environment,
                                                   std::vector<const CLI::Option*>& given) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = long_name(*option);
    if (name.empty() || is_frame_option(name)) continue;
    if (is_settled(*option, given)) continue;
    const char* text = environment(variable_of(name));
    if (text == nullptr || *text == '\0') continue;
    const std::string value = text;
    given.push_back(option);
    if (!is_flag(*option)) {
      words.push_back("--" + name);
      words.push_back(value);
    } else if (value == "1" || value == "true" || value == "yes" || value == "on") {
      words.push_back("--" + name);
    } else if (value != "0" && value != "false" && value != "no" && value != "off") {
      return usage_error(fmt::format("'{}' is not true or false", value), variable_of(name));
    }
  }
  return words;
}

}  // namespace

bool is_settled(const CLI::Option& option, const std::vector<const CLI::Option*>& given) {
  return std::any_of(given.begin(), given.end(), [&](const CLI::Option* stronger) {
    const auto excluded = stronger->get_excludes();
    return stronger == &option || std::any_of(excluded.begin(), excluded.end(),
                                              [&](const auto* e) { return e == &option; });
  });
}

std::string key_of(const CLI::Option& option) {
  std::string key = long_name(option);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

const CLI::Option* option_of_key(const CLI::App& app, const std::string& key) {
  for (const CLI::Option* option : app.get_options())
    if (!key.empty() && key_of(*option) == key && !is_frame_option(key)) return option;
  return nullptr;
}

std::string nearest_key(const CLI::App& app, const std::string& key) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    const std::string other = key_of(*option);
    if (!other.empty() && !is_frame_option(other)) known.push_back(other);
  }
  return nearest_word(key, known);
}

Result<Arguments> resolve_arguments(const CLI::App& app, FileSystem& fs,
                                    const std::vector<std::string>& typed,
                                    const Environment& environment) {
  Walker walker(app, typed);
  BALLAST_TRY(walker.walk());
  Arguments arguments;
  arguments.help = walker.help;
  arguments.version = walker.version;
  arguments.typed_any = !typed.empty();
  if (arguments.help || arguments.version) return arguments;

  const auto from_environment = BALLAST_TRY(environment_words(app, environment, walker.given));
  std::string config = walker.config;
  if (config.empty())
    if (const char* path = environment("BALLAST_CONFIG")) config = path;
  std::vector<std::string> from_file;
  if (!config.empty()) {
    constexpr int64_t kLargestConfig = int64_t{1} << 22;
    const std::string text = BALLAST_TRY(read_file(fs, config, kLargestConfig));
    from_file = BALLAST_TRY(config_words(app, text, config, walker.given));
  }
  arguments.words = std::move(from_file);
  arguments.words.insert(arguments.words.end(), from_environment.begin(), from_environment.end());
  arguments.words.insert(arguments.words.end(), walker.words.begin(), walker.words.end());
  return arguments;
}

}  // namespace ballast
