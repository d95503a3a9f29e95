#include "tools/tokshard/robots_flags.h"

namespace ballast {

void add_robots_flags(CLI::App& app, RobotsFlags& flags) {
  path_option(app.add_option("--robots", flags.path,
                             "robots.txt for all hosts, folder of HOST.txt, WARC or JSON Lines"));
  auto dependent = [&flags](const char* name, CLI::Option* option) {
    flags.dependent.emplace_back(name, option);
  };
  dependent("--agents", app.add_option("--agents", flags.agents,
                                       "robots to ask for and lists of them, separated by commas "
                                       "(apertus)"));
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
  RobotsSettings settings;
  settings.mode = BALLAST_TRY(parse_robots_mode(flags.mode, "--mode"));
  settings.any_capture = flags.captures == "any";
  if (!flags.on_unreachable.empty()) {
    settings.unreachable =
        flags.on_unreachable == "keep" ? RobotsUnreachable::keep : RobotsUnreachable::drop;
  }
  std::vector<std::string> agents = BALLAST_TRY(parse_agent_list(flags.agents, "--agents"));
  return load_robots(fs, flags.path, std::move(agents), settings);
}

}  // namespace ballast
