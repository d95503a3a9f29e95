// tokshard robots: whether one robot may fetch URLs, by what filter asks too, with the line that
// decided.
#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/text/display_cells.h"
#include "libcore/text/robots_agents.h"
#include "tools/tokshard/robots_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr size_t kUrlCells = 48;  // a longer URL moves what stands behind it

struct RobotsOptions {
  RobotsFlags flags;
  std::string agent;
  std::vector<std::string> urls;
};

struct Answer {
  std::string url;
  RobotsAnswer found;
  bool allowed = true;
  std::string place;  // of the file that was asked
};

std::string rule_text(const RobotsRule& rule) {
  return (rule.allow ? "Allow: " : "Disallow: ") + rule.spelling;
}

std::string json_line(const RobotsOptions& options, const Answer& answer) {
  const RobotsRule* rule = answer.found.verdict.rule;
  Json record;
  record["v"] = 1;
  record["type"] = "robots";
  record["url"] = answer.url;
  record["agent"] = options.agent;
  record["allowed"] = answer.allowed;
  record["outcome"] = robots_outcome_name(answer.found.outcome);
  record["line"] = rule == nullptr ? Json(nullptr) : Json(rule->line);
  record["rule"] = rule == nullptr ? Json(nullptr) : Json(rule_text(*rule));
  if (!answer.found.captured.empty()) record["captured"] = answer.found.captured;
  return to_json_line(record) + "\n";
}

std::string reason_of(const Answer& answer) {
  if (answer.found.outcome == RobotsOutcome::missing) return "no robots.txt of the host is known";
  if (answer.found.outcome == RobotsOutcome::unreachable)
    return "the host failed to give its robots.txt";
  const RobotsRule* rule = answer.found.verdict.rule;
  if (rule == nullptr) return "no rule matches";
  return fmt::format("{}:{}: {}", answer.place, rule->line, rule_text(*rule));
}

std::string text_line(const Answer& answer, size_t url_cells) {
  std::string url = printable(answer.url);
  const size_t cells = display_cells(url);
  if (cells < url_cells) url.append(url_cells - cells, ' ');
  std::string line = fmt::format("{:<8}  {}  {}", answer.allowed ? "allow" : "disallow", url,
                                 printable(reason_of(answer)));
  if (!answer.found.captured.empty())
    line += fmt::format(" (captured {})", printable(answer.found.captured));
  return line + "\n";
}

// Of what is neither a URL with a host nor a path from '/' no rule says anything, whatever is
// asked.
Result<void> check_url(std::string_view url, const std::string& where) {
  const UrlParts parts = split_url(url);
  if (url.starts_with('/') || (!parts.scheme.empty() && !parts.netloc.empty())) return {};
  const std::string message = "neither a URL nor a path from '/': '" + printable(url) + "'";
  return where.empty() ? usage_error(message) : corrupt_error(message, where);
}

// Letters, digits and what the public lists have beside them ("CCBot/2.0", "bigsur.ai", "Kangaroo
// Bot"): of what else a User-agent header holds no line of a robots.txt is a name.
bool is_product_token(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_./ ";
  return name == "*" || to_ascii_lower(name).find_first_not_of(kLetters) == name.npos;
}

// The name that filter asks for when --agents is `text`, which has to be that of one robot.
Result<std::string> one_agent(std::string_view text) {
  constexpr const char* kAccepted = "one product token, or '*'";
  const std::string name(trim_blanks(text));
  if (name.empty()) return usage_error("--agent names no robot", "", "a product token, or '*'");
  const std::string shown = "'" + printable(name) + "'";
  if (name.find(',') != name.npos)
    return usage_error("--agent names several robots: " + shown, "", kAccepted);
  if (BALLAST_TRY(parse_agent_list(name, "--agent")).size() != 1)
    return usage_error("--agent names a list of robots: " + shown, "", kAccepted);
  if (!is_product_token(name))
    return usage_error("--agent is no product token: " + shown, "", kAccepted);
  return name;
}

Result<void> check_options(const RobotsOptions& options) {
  if (options.flags.path.empty()) return usage_error("--robots names no file");
  BALLAST_TRY(check_robots_flags(options.flags));
  const auto lists = std::ranges::count(options.urls, "-");
  if (lists + (options.flags.path == "-") > 1)
    return usage_error("standard input is named more than once");
  for (const std::string& url : options.urls)
    if (url != "-") BALLAST_TRY(check_url(url, ""));
  return {};
}

class Inquiry {
 public:
  Inquiry(const RobotsOptions& options, const RobotsStore& store, bool json)
      : options_(options), store_(store), json_(json) {
    for (const std::string& url : options.urls)
      cells_ = std::max(cells_, url == "-" ? kUrlCells : display_cells(printable(url)));
    cells_ = std::min(cells_, kUrlCells);
  }

  Result<void> ask(std::string_view url) {
    if (!store_.is_for_all() && split_url(url).netloc.empty())
      return usage_error("a path has no host: '" + printable(url) + "'", options_.flags.path,
                         "give a URL, or one robots.txt for every host");
    Answer answer{std::string(url), store_.decide(url), true, options_.flags.path};
    if (!store_.is_for_all()) answer.place = url_host(url) + "/robots.txt";
    const RobotsOutcome outcome = answer.found.outcome;
    answer.allowed = outcome == RobotsOutcome::allowed ||
                     (outcome == RobotsOutcome::missing && options_.flags.keep_missing());
    all_allowed_ = all_allowed_ && answer.allowed;
    print_out(json_ ? json_line(options_, answer) : text_line(answer, cells_));
    return {};
  }

  Result<void> ask_lines() {
    const auto source = BALLAST_TRY(open_source(posix_file_system(), "-"));
    LineReader lines(*source);
    while (const auto line = BALLAST_TRY(lines.next())) {
      const size_t first = line->find_first_not_of(" \t\r");
      if (first == std::string_view::npos) continue;
      const std::string_view url = line->substr(first, line->find_last_not_of(" \t\r") + 1 - first);
      BALLAST_TRY(check_url(url, fmt::format("-:{}", lines.line_number())));
      BALLAST_TRY(ask(url));
    }
    return {};
  }

  bool all_allowed() const { return all_allowed_; }

 private:
  const RobotsOptions& options_;
  const RobotsStore& store_;
  bool json_;
  size_t cells_ = 0;
  bool all_allowed_ = true;
};

Result<int> run_robots(RobotsOptions options, const CommonOptions& common) {
  options.agent = BALLAST_TRY(one_agent(options.agent));
  BALLAST_TRY(check_options(options));
  const auto store =
      BALLAST_TRY(open_robots_for(posix_file_system(), options.flags, {options.agent}));
  Inquiry inquiry(options, *store, common.json);
  for (const std::string& url : options.urls)
    BALLAST_TRY(url == "-" ? inquiry.ask_lines() : inquiry.ask(url));
  return inquiry.all_allowed() ? kExitDone : kExitNo;
}

}  // namespace

VerbRun add_robots(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<RobotsOptions>();
  app.add_option("--agent", options->agent, "product token of the robot, '*' for the global group")
      ->required();
  add_robots_path(app, options->flags)->required();
  add_reading_flags(app, options->flags);
  app.add_option("url", options->urls, "URLs, or paths from '/'; '-' is stdin, one a line")
      ->required();
  return [options, &common] { return run_robots(*options, common); };
}

}  // namespace ballast
