#include "libcore/text/filter_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kHostsListed = 100;
constexpr size_t kNamesListed = 1000;  // of licences, languages, sources: strangers make them up
constexpr size_t kNameBytes = 256;     // of these and of record types
constexpr const char* kLongName = "(a long name)";

// The most frequent first, equal ones by name; behind the names that are listed the sum of all
// others, whose name is empty as no name counted is. All are counted before any is left out, so the
// order of documents and their parts do not matter.
template <class ByName>
auto listed(const ByName& counts) {
  std::vector<std::pair<std::string, typename ByName::mapped_type>> most(counts.begin(),
                                                                         counts.end());
  std::stable_sort(most.begin(), most.end(), [](const auto& a, const auto& b) {
    return a.second.kept + a.second.rejected > b.second.kept + b.second.rejected;
  });
  if (most.size() <= kNamesListed) return most;
  typename ByName::mapped_type others;
  for (size_t i = kNamesListed; i < most.size(); ++i) {
    others.kept += most[i].second.kept;
    others.rejected += most[i].second.rejected;
  }
  most.resize(kNamesListed);
  most.emplace_back("", others);
  return most;
}

std::string counted_name(const std::string& name) {
  return name.size() <= kNameBytes ? name : kLongName;
}

}  // namespace

void FilterSummary::add(const FilterOutcome& outcome) {
  ++records_;
  if (outcome.verdict == FilterVerdict::other) {
    ++others_[counted_name(outcome.reason)];
    return;
  }
  chars_in_ += outcome.chars;
  replaced_ += outcome.replaced;
  if (!outcome.robots.empty()) {
    ++robots_[outcome.robots];
    robots_tally_.add(counted_name(outcome.host), counted_name(outcome.language),
                      outcome.stage == "robots", outcome.agents);
  }
  for (const AiSignal signal : kAiSignals) {
    ++signals_[static_cast<size_t>(signal)][static_cast<size_t>(outcome.signals[signal])];
  }
  count(licenses_, outcome.license, outcome.stage != "license");
  count(languages_, outcome.label, outcome.stage != "language");
  count(sources_, outcome.source, outcome.verdict == FilterVerdict::kept);
  pii_.email += outcome.pii.email;
  pii_.ip += outcome.pii.ip;
  pii_.iban += outcome.pii.iban;
  pii_documents_ += outcome.pii.total() > 0 ? 1 : 0;
  if (outcome.verdict == FilterVerdict::kept) {
    ++kept_;
    chars_kept_ += outcome.chars;
    lines_dropped_ += outcome.lines_dropped;
    return;
  }
  ++rejected_;
  ++reasons_[outcome.stage + ":" + outcome.reason];
  count_agents(agents_, outcome.agents);
}

int64_t FilterSummary::others() const {
  int64_t count = 0;
  for (const auto& [type, records] : others_) count += records;
  return count;
}

int64_t FilterSummary::said(AiSignal signal, Preference preference) const {
  return signals_[static_cast<size_t>(signal)][static_cast<size_t>(preference)];
}

Json FilterSummary::signals_record() const {
  Json record = Json::object();
  for (const AiSignal signal : kAiSignals) {
    for (const Preference preference : {Preference::granted, Preference::refused}) {
      const int64_t count = said(signal, preference);
      if (count > 0) record[ai_signal_name(signal)][preference_name(preference)] = count;
    }
  }
  return record;
}

void FilterSummary::count(ByName& counts, const std::string& name, bool kept) {
  if (name.empty()) return;
  Verdicts& verdicts = counts[counted_name(name)];
  ++(kept ? verdicts.kept : verdicts.rejected);
}

Json FilterSummary::verdicts_record(const ByName& counts) {
  Json record = Json::object();
  for (const auto& [name, verdicts] : listed(counts)) {
    record[name] = {{"kept", verdicts.kept}, {"rejected", verdicts.rejected}};
  }
  return record;
}

Json FilterSummary::to_json(const std::vector<std::string>& agents) const {
  Json record;
  record["v"] = 1;
  record["type"] = "filter";
  record["records"] = records_;
  record["kept"] = kept_;
  record["rejected"] = rejected_;
  record["reasons"] = reasons_;
  record["other_records"] = others_;
  record["robots"] = robots_;
  record["agents"] = agent_counts(agents_, agents);
  if (!robots_tally_.empty()) {
    record["languages_asked"] = robots_tally_.languages_json(agents);
    record["blocking_hosts"] = robots_tally_.hosts_json(kHostsListed);
  }
  record["signals"] = signals_record();
  if (!licenses_.empty()) record["licenses"] = verdicts_record(licenses_);
  if (!languages_.empty()) record["languages"] = verdicts_record(languages_);
  if (!sources_.empty()) record["sources"] = verdicts_record(sources_);
  record["pii"] = {
      {"email", pii_.email}, {"ip", pii_.ip}, {"iban", pii_.iban}, {"documents", pii_documents_}};
  record["lines_dropped"] = lines_dropped_;
  record["replaced"] = replaced_;
  record["chars"] = chars_in_;
  record["chars_kept"] = chars_kept_;
  return record;
}

std::vector<std::string> FilterSummary::to_lines(const std::vector<std::string>& agents) const {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{} records: {} kept, {} rejected, {} without document", records_,
                              kept_, rejected_, others()));
  for (const auto& [reason, count] : reasons_) {
    lines.push_back(fmt::format("rejected {:>8}  {}", count, reason));
  }
  for (size_t i = 0; i < agents_.size(); ++i) {
    if (agents_[i] > 0)
      lines.push_back(fmt::format("blocked  {:>8}  for {}", agents_[i], agents[i]));
  }
  for (const AiSignal signal : kAiSignals) {
    const int64_t refused = said(signal, Preference::refused);
    if (refused > 0)
      lines.push_back(fmt::format("refused  {:>8}  by {}", refused, ai_signal_name(signal)));
  }
  const auto add_verdicts = [&](const char* what, const ByName& counts) {
    for (const auto& [name, verdicts] : listed(counts)) {
      const std::string shown = name.empty() ? "of other names" : printable(name);
      lines.push_back(fmt::format("{} {:>8}  {}, {} rejected", what,
                                  verdicts.kept + verdicts.rejected, shown, verdicts.rejected));
    }
  };
  add_verdicts("licence ", licenses_);
  add_verdicts("language", languages_);
  add_verdicts("source  ", sources_);
  for (const auto& [type, count] : others_) {
    lines.push_back(fmt::format("passed   {:>8}  {} records", count, printable(type)));
  }
  lines.push_back(fmt::format("personal data in {} documents: {} e-mail, {} IP, {} IBAN",
                              pii_documents_, pii_.email, pii_.ip, pii_.iban));
  if (lines_dropped_ > 0)
    lines.push_back(fmt::format("{} lines dropped from kept documents", lines_dropped_));
  if (replaced_ > 0) lines.push_back(fmt::format("{} ill-formed characters replaced", replaced_));
  return lines;
}

}  // namespace ballast
