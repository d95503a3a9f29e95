// tokshard recheck: documents of finished shards that newer robots.txt files or a takedown list
// exclude. The sidecar's host index says which documents are asked about, so that only their lines
// are decoded, and no token is read. Memory: the index of one shard, and the rules.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "libcore/cli/message.h"
#include "libcore/io/json.h"
#include "libcore/io/output_check.h"
#include "libcore/io/stream.h"
#include "libcore/shard/exclusion.h"
#include "libcore/shard/format.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/sidecar.h"
#include "libcore/text/display_cells.h"
#include "libcore/text/takedown.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/robots_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct RecheckFlags {
  std::vector<std::string> words;
  RobotsFlags robots;
  std::string takedown;
};

// Decides about documents, a host at a time: `may_exclude` is asked once per host.
class Law {
 public:
  virtual ~Law() = default;
  virtual bool may_exclude(const std::string& host) const = 0;
  // Fills in why; false: the document stays.
  virtual bool excludes(const ShardDocument& document, Exclusion& found) const = 0;
  virtual const TakedownList* list() const { return nullptr; }
};

class RobotsLaw final : public Law {
 public:
  RobotsLaw(std::unique_ptr<RobotsStore> store, bool keep_missing, std::vector<AiSignal> obeyed)
      : store_(std::move(store)),
        keep_missing_(keep_missing),
        obeyed_(std::move(obeyed)),
        hosts_(store_->restricted_hosts(!obeyed_.empty())) {}

  bool may_exclude(const std::string& host) const override {
    return !keep_missing_ || !hosts_ || hosts_->contains(host);
  }

  bool excludes(const ShardDocument& document, Exclusion& found) const override {
    const RobotsAnswer answer = store_->decide(document.url);
    const bool kept_missing = answer.outcome == RobotsOutcome::missing && keep_missing_;
    if (answer.outcome == RobotsOutcome::allowed || kept_missing)
      return refused_by_signal(document, found);
    found.reason = "robots";
    found.rule = robots_outcome_name(answer.outcome);
    if (answer.outcome != RobotsOutcome::disallowed) return true;
    found.rule = "Disallow: " + answer.verdict.rule->spelling;
    found.line = answer.verdict.rule->line;
    for (const int agent : answer.verdict.agents)
      found.agents.push_back(store_->agents()[static_cast<size_t>(agent)]);
    return true;
  }

 private:
  bool refused_by_signal(const ShardDocument& document, Exclusion& found) const {
    if (obeyed_.empty()) return false;
    const HostSignals signals = store_->signals(document.url);
    for (const AiSignal signal : obeyed_) {
      const HostPreference& preference = signals[signal];
      if (preference.says != Preference::refused) continue;
      found.reason = ai_signal_name(signal);
      found.rule = preference.rule->spelling;
      found.line = preference.rule->line;
      return true;
    }
    return false;
  }

  std::unique_ptr<RobotsStore> store_;
  bool keep_missing_;
  std::vector<AiSignal> obeyed_;
  std::optional<std::unordered_set<std::string>> hosts_;
};

class TakedownLaw final : public Law {
 public:
  explicit TakedownLaw(TakedownList list) : list_(std::move(list)) {}

  bool may_exclude(const std::string& host) const override { return list_.may_name(host); }

  bool excludes(const ShardDocument& document, Exclusion& found) const override {
    const TakedownEntry* entry = list_.match(document.id, document.url, document.host);
    if (entry == nullptr) return false;
    found.reason = "takedown";
    found.rule = entry->spelling;
    found.line = entry->line;
    return true;
  }

  const TakedownList* list() const override { return &list_; }

 private:
  TakedownList list_;
};

// What was looked at and found, of one shard or of all.
struct Tally {
  int64_t documents = 0, excluded = 0, tokens = 0, redacted = 0;
  int64_t hosts = 0, hosts_asked = 0, frames = 0, frames_read = 0;

  void add(const Tally& other) {
    for (int64_t Tally::*count :
         {&Tally::documents, &Tally::excluded, &Tally::tokens, &Tally::redacted, &Tally::hosts,
          &Tally::hosts_asked, &Tally::frames, &Tally::frames_read})
      this->*count += other.*count;
  }
  std::string text(const std::string& what) const {
    std::string line = fmt::format(
        "{}: {} of {} documents excluded, {} tokens (asked {} of {} hosts, read {} of {} frames)",
        what, excluded, documents, tokens, hosts_asked, hosts, frames_read, frames);
    if (redacted > 0) line += fmt::format("; {} redacted before", redacted);
    return line;
  }
};

// Of a takedown list, the entries that decided about nothing: mistyped, or long gone.
class IdleEntries {
 public:
  void decided(int64_t line) { busy_.insert(line); }
  void find(const TakedownList& list) {
    entries_ = list.entries();
    for (int64_t i = 0; i < entries_; ++i)
      if (!busy_.contains(list.entry(i).line)) idle_.push_back(&list.entry(i));
  }

  std::string text() const {
    std::string text = fmt::format(
        "{} of {} entries of the list decided about no document:", idle_.size(), entries_);
    for (size_t i = 0; i < std::min(kShown, idle_.size()); ++i)
      text += fmt::format("{} line {} ({})", i == 0 ? "" : ",", idle_[i]->line,
                          elide_middle(idle_[i]->spelling, kCells));
    if (idle_.size() > kShown) text += ", ...";
    return text;
  }
  void add_to(Json& record) const {
    record["entries"] = entries_;
    record["idle_entries"] = idle_.size();
    record["first_idle"] = Json::array();
    for (size_t i = 0; i < std::min(kShown, idle_.size()); ++i)
      record["first_idle"].push_back({{"line", idle_[i]->line}, {"rule", idle_[i]->spelling}});
  }
  bool empty() const { return idle_.empty(); }

 private:
  static constexpr size_t kShown = 5, kCells = 60;
  std::unordered_set<int64_t> busy_;
  std::vector<const TakedownEntry*> idle_;
  int64_t entries_ = 0;
};

Result<Tally> recheck_shard(const std::string& prefix, const Law& law, IdleEntries& idle,
                            ByteSink* sink) {
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(posix_file_system(), prefix));
  Tally tally;
  tally.documents = sidecar.documents();
  tally.hosts = static_cast<int64_t>(sidecar.hosts().size());
  std::vector<int64_t> asked;
  for (const auto& [host, documents] : sidecar.hosts()) {
    if (!law.may_exclude(host)) continue;
    ++tally.hosts_asked;
    asked.insert(asked.end(), documents.begin(), documents.end());
  }
  std::sort(asked.begin(), asked.end());  // so every frame is decoded once
  for (const int64_t number : asked) {
    const ShardDocument document = BALLAST_TRY(sidecar.read(number));
    Exclusion found{.shard = prefix,
                    .document = number,
                    .id = document.id,
                    .url = document.url,
                    .host = document.host,
                    .sha256 = document.sha256,
                    .tokens = document.tokens};
    if (!law.excludes(document, found)) continue;
    idle.decided(found.line);
    if (document.redacted) {
      ++tally.redacted;
      continue;
    }
    ++tally.excluded;
    tally.tokens += document.tokens;
    if (sink != nullptr) BALLAST_TRY(sink->write(exclusion_line(found) + "\n"));
  }
  tally.frames = sidecar.frames();
  tally.frames_read = sidecar.frames_read();
  return tally;
}

Result<std::unique_ptr<Law>> read_law(const RecheckFlags& flags) {
  FileSystem& fs = posix_file_system();
  if (!flags.takedown.empty())
    return std::make_unique<TakedownLaw>(BALLAST_TRY(load_takedown(fs, flags.takedown)));
  return std::make_unique<RobotsLaw>(BALLAST_TRY(open_robots(fs, flags.robots)),
                                     flags.robots.keep_missing(), flags.robots.obeyed());
}

Result<void> check_flags(const RecheckFlags& flags) {
  if (flags.robots.path.empty() == flags.takedown.empty())
    return usage_error("give one of --robots and --takedown");
  return check_robots_flags(flags.robots);
}

Result<std::unique_ptr<ByteSink>> open_output(const RecheckFlags& flags,
                                              const std::vector<std::string>& prefixes,
                                              const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  std::vector<std::string> inputs = {flags.robots.path.empty() ? flags.takedown
                                                               : flags.robots.path};
  for (const std::string& prefix : prefixes) inputs.push_back(shard_docs_path(prefix));
  const std::string path = common.output.empty() ? "-" : common.output;
  BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
  BALLAST_TRY(check_output(fs, path, common.force));
  if (common.dry_run) return std::unique_ptr<ByteSink>();
  return open_sink(fs, path, common.force);
}

Json summary_of(const Tally& all, size_t shards) {
  return {{"v", 1},
          {"type", "recheck"},
          {"shards", shards},
          {"documents", all.documents},
          {"excluded", all.excluded},
          {"tokens", all.tokens},
          {"redacted_before", all.redacted},
          {"hosts", all.hosts},
          {"hosts_asked", all.hosts_asked},
          {"frames", all.frames},
          {"frames_read", all.frames_read}};
}

Result<int> run_recheck(const RecheckFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags));
  const auto prefixes = BALLAST_TRY(shard_prefixes(posix_file_system(), flags.words));
  BALLAST_TRY(refuse_repeated_inputs(prefixes));
  const std::unique_ptr<ByteSink> sink = BALLAST_TRY(open_output(flags, prefixes, common));
  const std::unique_ptr<Law> law = BALLAST_TRY(read_law(flags));
  Tally all;
  IdleEntries idle;
  for (const std::string& prefix : prefixes) {
    const Tally tally = BALLAST_TRY(recheck_shard(prefix, *law, idle, sink.get()));
    print_note(tally.text(prefix));
    all.add(tally);
  }
  if (sink) BALLAST_TRY(sink->finish());
  if (prefixes.size() > 1) print_note(all.text("all"));
  if (law->list() != nullptr) idle.find(*law->list());
  if (!idle.empty()) print_note(idle.text());
  const bool stdout_free = common.dry_run || (!common.output.empty() && common.output != "-");
  if (common.json && stdout_free) {
    Json record = summary_of(all, prefixes.size());
    if (law->list() != nullptr) idle.add_to(record);
    print_out(to_json_line(record) + "\n");
  }
  return kExitDone;
}

}  // namespace

VerbRun add_recheck(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<RecheckFlags>();
  path_option(app.add_option("prefix", flags->words, "shards, sets or folders of shards"))
      ->required();
  add_robots_flags(app, flags->robots);
  add_signal_flags(app, flags->robots, false);
  path_option(app.add_option("--takedown", flags->takedown,
                             "list of URLs, URL*, hosts, .domains or JSON Lines; '-' is stdin"));
  return [flags, &common] { return run_recheck(*flags, common); };
}

}  // namespace ballast
