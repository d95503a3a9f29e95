#include "tools/tokshard/robots_flags.h"

namespace ballast {

CLI::Option* add_robots_path(CLI::App& app, RobotsFlags& flags) {
  return path_option(app.add_option(
      "--robots", flags.path, "robots.txt for all hosts, folder of HOST.txt, WARC or JSON Lines"));
}

void add_robots_flags(CLI::App& app, RobotsFlags& flags) {
  add_robots_path(app, flags);
  flags.dependent.emplace_back(
      "--agents", app.add_option("--agents", flags.agents,
                                 "robots to ask for and lists of them, separated by commas "
                                 "(apertus)"));
  add_reading_flags(app, flags);
}

void add_reading_flags(CLI::App& app, RobotsFlags& flags) {
  auto dependent = [&flags](const char* name, CLI::Option* option) {
    flags.dependent.emplace_back(name, option);
  };
  dependent("--mode", app.add_option("--mode", flags.mode,
                                     "how robots.txt is read: rfc (the default), google, protego"));
  dependent("--on-missing",
            choice_option(app.add_option("--on-missing", flags.on_missing,
                                         "documents of hosts without known robots.txt (keep)"),
                          {"keep", "drop"}));
  dependent("--on-unreachable",
            choice_option(app.add_option("--on-unreachable", flags.on_unreachable,
                                         "documents of hosts that answered 5xx (drop; in mode "
                                         "protego keep)"),
                          {"keep", "drop"}));
  dependent("--captures",
            choice_option(app.add_option("--captures", flags.captures,
                                         "of several captures of a host: the latest decides, or "
                                         "any may forbid (latest)"),
                          {"latest", "any"}));
}

void add_signal_flags(CLI::App& app, RobotsFlags& flags, bool pages) {
  struct Flag {
    AiSignal signal;
    const char *name, *help;
    bool of_hosts;
  };
  static constexpr Flag kFlags[] = {
      {AiSignal::content_usage, "--content-usage",
       "documents with Content-Usage: train-ai=n (keep)", true},
      {AiSignal::content_signal, "--content-signal",
       "documents with Content-Signal: ai-train=no (keep)", true},
      {AiSignal::tdm, "--tdm", "documents whose rights are reserved by TDMRep (keep)", true},
      {AiSignal::noai, "--noai", "documents that robots tags call noai (keep)", false},
      {AiSignal::noimageai, "--noimageai", "documents that robots tags call noimageai (keep)",
       false}};
  for (const Flag& flag : kFlags) {
    if (!pages && !flag.of_hosts) continue;
    std::string& choice = flags.signals[static_cast<size_t>(flag.signal)];
    choice = "keep";
    CLI::Option* option =
        choice_option(app.add_option(flag.name, choice, flag.help), {"keep", "drop"});
    if (!pages) flags.dependent.emplace_back(flag.name, option);
  }
}

std::vector<AiSignal> RobotsFlags::obeyed() const {
  std::vector<AiSignal> list;
  for (const AiSignal signal : kAiSignals) {
    if (signals[static_cast<size_t>(signal)] == "drop") list.push_back(signal);
  }
  return list;
}

Result<void> check_robots_flags(const RobotsFlags& flags) {
  for (const auto& [name, option] : flags.dependent) {
    if (flags.path.empty() && option->count() > 0) {
      return usage_error(name + " needs --robots", name);
    }
  }
  BALLAST_TRY(parse_robots_mode(flags.mode, "--mode"));
  BALLAST_TRY(parse_agent_list(flags.agents, "--agents"));
  return {};
}

Result<std::unique_ptr<RobotsStore>> open_robots(FileSystem& fs, const RobotsFlags& flags) {
  if (flags.path.empty()) return std::unique_ptr<RobotsStore>();
  return open_robots_for(fs, flags, BALLAST_TRY(parse_agent_list(flags.agents, "--agents")));
}

Result<std::unique_ptr<RobotsStore>> open_robots_for(FileSystem& fs, const RobotsFlags& flags,
                                                     std::vector<std::string> agents) {
  RobotsSettings settings;
  settings.mode = BALLAST_TRY(parse_robots_mode(flags.mode, "--mode"));
  settings.any_capture = flags.captures == "any";
  if (!flags.on_unreachable.empty()) {
    settings.unreachable =
        flags.on_unreachable == "keep" ? RobotsUnreachable::keep : RobotsUnreachable::drop;
  }
  return load_robots(fs, flags.path, std::move(agents), settings);
}

}  // namespace ballast
