// tokshard robots: the verdict of one robots.txt for one robot on each URL, with the line that
// decided.
#include <fmt/format.h>

#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/text/robots.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kFileLimit = int64_t{64} << 20;

struct RobotsOptions {
  std::string agent, robots, mode = "rfc";
  std::vector<std::string> urls;
};

std::string rule_text(const RobotsRule& rule) {
  return (rule.allow ? "Allow: " : "Disallow: ") + rule.spelling;
}

std::string json_line(const RobotsOptions& options, const std::string& url, const RobotsRule* rule,
                      bool allowed) {
  Json record;
  record["v"] = 1;
  record["type"] = "robots";
  record["url"] = url;
  record["agent"] = options.agent;
  record["allowed"] = allowed;
  record["line"] = rule == nullptr ? Json(nullptr) : Json(rule->line);
  record["rule"] = rule == nullptr ? Json(nullptr) : Json(rule_text(*rule));
  return to_json_line(record) + "\n";
}

std::string text_line(const RobotsOptions& options, const std::string& url, const RobotsRule* rule,
                      bool allowed) {
  std::string reason = "no rule matches";
  if (rule != nullptr) {
    reason = fmt::format("{}:{}: {}", options.robots, rule->line, printable(rule_text(*rule)));
  }
  return fmt::format("{}\t{}\t{}\n", allowed ? "allow" : "disallow", printable(url), reason);
}

Result<int> run_robots(const RobotsOptions& options, const CommonOptions& common) {
  const RobotsMode mode = BALLAST_TRY(parse_robots_mode(options.mode, "--mode"));
  auto source = BALLAST_TRY(open_source(posix_file_system(), options.robots));
  const RobotsFile file = RobotsFile::parse(BALLAST_TRY(read_all(*source, kFileLimit)), mode);
  const RobotsRules rules = file.rules_of(file.groups_of(options.agent));
  bool all_allowed = true;
  for (const std::string& url : options.urls) {
    const RobotsRule* rule = rules.match(RobotsTarget(url, mode));
    const bool allowed = rule == nullptr || rule->allow;
    all_allowed = all_allowed && allowed;
    print_out(common.json ? json_line(options, url, rule, allowed)
                          : text_line(options, url, rule, allowed));
  }
  return all_allowed ? kExitDone : kExitNo;
}

}  // namespace

VerbRun add_robots(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<RobotsOptions>();
  app.add_option("--agent", options->agent, "product token of the robot, '*' for the global group")
      ->required();
  path_option(app.add_option("--robots", options->robots, "robots.txt to obey"))->required();
  app.add_option("--mode", options->mode, "how it is read: rfc (the default), google or protego");
  app.add_option("url", options->urls, "URLs, or paths from '/'")->required();
  return [options, &common] { return run_robots(*options, common); };
}

}  // namespace ballast
