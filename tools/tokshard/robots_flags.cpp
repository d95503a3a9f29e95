#include "tools/tokshard/robots_flags.h"

namespace ballast {

void add_robots_flags(CLI::App& app, RobotsFlags& flags) {
  path_option(
      app.add_option("--robots", flags.path,
                     "robots.txt for all hosts, folder of HOST.txt, or WARC with captures"));
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
  const RobotsMode mode = BALLAST_TRY(parse_robots_mode(flags.mode, "--mode"));
  std::vector<std::string> agents = BALLAST_TRY(parse_agent_list(flags.agents, "--agents"));
  return load_robots(fs, flags.path, std::move(agents), mode);
}

}  // namespace ballast
