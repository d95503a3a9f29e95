#include "libcore/text/host_signals.h"

#include <algorithm>
#include <set>

#include "libcore/base/ascii.h"
#include "libcore/text/robots_reading.h"

namespace ballast {
namespace {

// A line of a group; the rule's spelling is the line.
struct UsageLine {
  AiSignal signal = AiSignal::content_usage;
  std::string path;
  Preference says = Preference::unknown;
  RobotsRule rule;
};

class UsageParser {
 public:
  void read_line(std::string_view line, int64_t number) {
    std::string_view field, value;
    if (!split_rfc_line(line, field, value)) return;
    if (ascii_equal(field, "user-agent")) {
      if (!in_names_) start_group();
      in_names_ = true;
      add_rfc_names(value, groups_.back().names);
      return;
    }
    const bool usage = ascii_equal(field, "content-usage");
    const bool signal = ascii_equal(field, "content-signal");
    const bool ends =
        usage || signal || ascii_equal(field, "allow") || ascii_equal(field, "disallow");
    if (!ends) return;
    in_names_ = false;
    if ((!usage && !signal) || groups_.empty()) return;
    add(usage ? AiSignal::content_usage : AiSignal::content_signal, field, value, number);
  }

  const std::vector<RobotsGroup>& groups() const { return groups_; }
  const std::vector<UsageLine>& lines_of(int group) const {
    return lines_[static_cast<size_t>(group)];
  }

 private:
  void start_group() {
    groups_.emplace_back();
    lines_.emplace_back();
  }

  void add(AiSignal signal, std::string_view field, std::string_view value, int64_t number) {
    UsageLine line;
    line.signal = signal;
    line.rule.line = number;
    line.rule.spelling = std::string(field) + ": " + std::string(value);
    line.path = "/";
    if (value.starts_with('/')) {
      const size_t end = std::min(value.find_first_of(" \t"), value.size());
      line.path = value.substr(0, end);
      value = trim_blanks(value.substr(end));
    }
    line.says = signal == AiSignal::content_usage ? content_usage_preference(value)
                                                  : content_signal_preference(value);
    lines_.back().push_back(std::move(line));
  }

  std::vector<RobotsGroup> groups_;  // names only
  std::vector<std::vector<UsageLine>> lines_;
  bool in_names_ = false;
};

// Most files have no such line.
bool may_mention_usage(std::string_view text) {
  constexpr std::string_view kStart = "content-";
  return std::search(text.begin(), text.end(), kStart.begin(), kStart.end(),
                     [](char a, char b) { return ascii_lower(a) == b; }) != text.end();
}

// The specification calls everything but these two numbers unset.
Preference reservation_of(const Json& record) {
  const auto found = record.find("tdm-reservation");
  if (found == record.end() || !found->is_number_integer()) return Preference::unknown;
  return *found == 1   ? Preference::refused
         : *found == 0 ? Preference::granted
                       : Preference::unknown;
}

}  // namespace

AiSignals HostSignals::says() const {
  AiSignals signals;
  for (const AiSignal signal : kAiSignals) signals[signal] = (*this)[signal].says;
  return signals;
}

void PathPreferences::add(std::string_view path, Preference says, RobotsRule rule) {
  if (path.empty()) return;
  Entry entry;
  RobotsPattern pattern = compile_rfc_pattern(path);
  entry.bytes = pattern.priority;
  entry.pattern.add({}, std::move(pattern));
  entry.pattern.seal();
  entry.says = says;
  entry.rule = std::move(rule);
  entries_.push_back(std::move(entry));
}

HostPreference PathPreferences::longest(const RobotsTarget& target) const {
  HostPreference found;
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (entry.bytes < bytes || entry.pattern.match(target) == nullptr) continue;
    if (entry.bytes > bytes) found = {};
    bytes = entry.bytes;
    found.restrict({entry.says, &entry.rule});
  }
  return found;
}

HostPreference PathPreferences::first(const RobotsTarget& target) const {
  for (const Entry& entry : entries_) {
    if (entry.pattern.match(target) != nullptr) return {entry.says, &entry.rule};
  }
  return {};
}

UsageRules::UsageRules(std::string_view robots_txt, const std::vector<std::string>& agents) {
  if (!may_mention_usage(robots_txt)) return;
  UsageParser parser;
  bool truncated = false;
  for_each_line(rfc_content(robots_txt, truncated),
                [&](std::string_view line, int64_t number) { parser.read_line(line, number); });
  std::set<std::vector<int>> known;
  for (const std::string& agent : agents) {
    std::vector<int> obeyed = groups_by_name(parser.groups(), agent);
    if (!known.insert(obeyed).second) continue;
    Group group;
    for (const int index : obeyed) {
      for (const UsageLine& line : parser.lines_of(index)) {
        (line.signal == AiSignal::content_usage ? group.usage : group.signal)
            .add(line.path, line.says, line.rule);
      }
    }
    if (!group.usage.empty() || !group.signal.empty()) groups_.push_back(std::move(group));
  }
}

HostPreference UsageRules::ask(AiSignal signal, const RobotsTarget& target) const {
  HostPreference strictest;
  for (const Group& group : groups_) {
    const PathPreferences& rules = signal == AiSignal::content_usage ? group.usage : group.signal;
    strictest.restrict(rules.longest(target));
  }
  return strictest;
}

TdmFile::TdmFile(std::string_view json) {
  if (json.size() > kRobotsLimitBytes) return;
  const Result<Json> parsed = parse_json(json, {});
  if (!parsed.ok() || !parsed->is_array()) return;
  for (const Json& record : *parsed) {
    if (!record.is_object()) continue;
    const auto location = record.find("location");
    if (location == record.end() || !location->is_string()) continue;
    const std::string path = location->get<std::string>();
    rules_.add(path, reservation_of(record), {false, 0, "tdmrep.json: " + path});
  }
}

}  // namespace ballast
