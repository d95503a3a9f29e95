// tokshard seen: which steps of a run consumed these documents, which checkpoints hold what was
// learnt from them, and the last one that holds nothing of it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "libcore/checkpoint/json_fields.h"
#include "libcore/cli/message.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/provenance/consumers.h"
#include "libcore/text/display_cells.h"
#include "tools/tokshard/run_documents.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct SeenFlags {
  RunOptions run;
  std::string ids;
};

// A document that is asked about.
struct Wanted {
  int source = -1;  // -1: the run has none of this name
  int64_t document = -1;
  std::string id, url;
  Json line;
};

struct Fate {
  Wanted wanted;
  ShardDocument known;
  std::vector<Shown> shown;
  const KeptCheckpoint* first = nullptr;  // of the line that holds something of it
  std::vector<const KeptCheckpoint*> abandoned;
  bool consumed() const { return !shown.empty(); }
};

class Search {
 public:
  explicit Search(const RunData& run) : run_(run), names_(run) {}

  Result<void> read(const std::string& path);
  // Documents that were named by id or URL; one URL may be that of several.
  Result<void> look_up();
  std::vector<Wanted> found, unknown;
  DocumentNames& names() { return names_; }

 private:
  Result<void> take(const Json& json, const std::string& where);
  int source_of(const std::string& prefix) const;

  const RunData& run_;
  DocumentNames names_;
  std::vector<Wanted> by_name_;
  std::set<std::pair<int, int64_t>> known_;
};

// A shard that was copied or redacted keeps its name.
int Search::source_of(const std::string& prefix) const {
  const auto& sources = run_.sources();
  const auto same = std::ranges::find(sources, prefix, &RunSource::prefix);
  const auto named = std::ranges::find(sources, file_name(prefix), &RunSource::name);
  if (same != sources.end()) return static_cast<int>(same - sources.begin());
  return named == sources.end() ? -1 : static_cast<int>(named - sources.begin());
}

Result<void> Search::take(const Json& json, const std::string& where) {
  Wanted wanted;
  wanted.line = json;
  if (json.contains("shard") && json.contains("document")) {
    wanted.source = source_of(BALLAST_TRY(string_member(json, "shard", where)));
    wanted.document = BALLAST_TRY(count_field(json, "document", where));
    if (wanted.source < 0) {
      unknown.push_back(std::move(wanted));
      return {};
    }
    const ShardReader& shard = *run_.sources()[static_cast<size_t>(wanted.source)].shard;
    if (wanted.document >= shard.documents())
      return corrupt_error(fmt::format("document {} is not in the shard", wanted.document), where,
                           fmt::format("{} has {}", shard.prefix(), shard.documents()));
    if (known_.emplace(wanted.source, wanted.document).second) found.push_back(std::move(wanted));
    return {};
  }
  if (json.contains("id")) wanted.id = BALLAST_TRY(string_member(json, "id", where));
  if (json.contains("url")) wanted.url = BALLAST_TRY(string_member(json, "url", where));
  if (wanted.id.empty() && wanted.url.empty())
    return corrupt_error("line names no document", where, "shard and document, or id, or url");
  by_name_.push_back(std::move(wanted));
  return {};
}

Result<void> Search::read(const std::string& path) {
  const auto input = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*input);
  while (const auto line = BALLAST_TRY(lines.next())) {
    if (line->empty()) continue;
    const std::string where = fmt::format("{}:{}", path, lines.line_number());
    const Json json = BALLAST_TRY(parse_json(*line, where));
    if (!json.is_object()) return corrupt_error("not a JSON object", where);
    if (json.contains("type") && json.at("type") != "document") continue;
    BALLAST_TRY(take(json, where));
  }
  return {};
}

Result<void> Search::look_up() {
  if (by_name_.empty()) return {};
  std::multimap<std::string, size_t> ids, urls;
  for (size_t i = 0; i < by_name_.size(); ++i) {
    if (!by_name_[i].id.empty()) ids.emplace(by_name_[i].id, i);
    if (by_name_[i].id.empty()) urls.emplace(by_name_[i].url, i);
  }
  std::vector<bool> met(by_name_.size(), false);
  for (int s = 0; s < static_cast<int>(run_.sources().size()); ++s) {
    SidecarReader* sidecar = BALLAST_TRY(names_.sidecar(s));
    if (sidecar == nullptr) continue;
    const auto visit = [&](int64_t document, const ShardDocument& own) -> Result<void> {
      for (const auto& [map, key] : {std::pair(&ids, &own.id), std::pair(&urls, &own.url)}) {
        const auto [begin, end] = map->equal_range(*key);
        for (auto entry = begin; entry != end; ++entry) {
          met[entry->second] = true;
          Wanted wanted = by_name_[entry->second];
          wanted.source = s;
          wanted.document = document;
          if (known_.emplace(s, document).second) found.push_back(std::move(wanted));
        }
      }
      return {};
    };
    BALLAST_TRY(sidecar->for_each(visit));
  }
  for (size_t i = 0; i < met.size(); ++i)
    if (!met[i]) unknown.push_back(std::move(by_name_[i]));
  return {};
}

// Is it the first, in the order of checkpoints, that holds any of these?
Fate fate_of(const Consumers& consumers, const std::vector<KeptCheckpoint>& checkpoints,
             Wanted wanted, ShardDocument known) {
  Fate fate{std::move(wanted), std::move(known), {}, nullptr, {}};
  fate.shown = consumers.of_document(fate.wanted.source, fate.wanted.document);
  for (const KeptCheckpoint& checkpoint : checkpoints) {
    const bool holds = std::ranges::any_of(
        fate.shown, [&](const Shown& shown) { return checkpoint.holds(shown); });
    if (!holds) continue;
    if (checkpoint.abandoned)
      fate.abandoned.push_back(&checkpoint);
    else if (fate.first == nullptr)
      fate.first = &checkpoint;
  }
  return fate;
}

Json fate_json(const RunData& run, const Fate& fate) {
  Json json = {{"v", 1}, {"type", "document"}};
  add_document_keys(json, run, fate.wanted.source, fate.wanted.document, fate.known);
  for (const char* key : {"reason", "sha256"})
    if (fate.wanted.line.contains(key)) json[key] = fate.wanted.line.at(key);
  json["shown"] = Json::array();
  for (const Shown& shown : fate.shown)
    json["shown"].push_back({{"segment", shown.step->segment},
                             {"step", shown.step->step},
                             {"sample", shown.sample},
                             {"epoch", shown.epoch},
                             {"surviving", shown.step->surviving},
                             {"trained", shown.trained}});
  json["first_checkpoint"] = fate.first == nullptr ? Json() : Json(fate.first->name);
  json["abandoned_checkpoints"] = Json::array();
  for (const KeptCheckpoint* checkpoint : fate.abandoned)
    json["abandoned_checkpoints"].push_back(checkpoint->name);
  return json;
}

// "3, 7 (left: 9 of segment 0)": steps on the line that survived, then those on branches.
std::string steps_cell(const Fate& fate) {
  constexpr size_t kMost = 6;
  std::string cell;
  std::set<std::pair<int64_t, int64_t>> listed;
  size_t more = 0;
  for (const bool surviving : {true, false}) {
    for (const Shown& shown : fate.shown) {
      const StepBatch& step = *shown.step;
      if (step.surviving != surviving || !listed.emplace(step.segment, step.step).second) continue;
      if (listed.size() > kMost) {
        ++more;
        continue;
      }
      cell += fmt::format("{}{}{}{}", cell.empty() ? "" : ", ", step.step,
                          surviving ? "" : fmt::format(" of segment {}", step.segment),
                          shown.trained ? "" : " (not trained)");
    }
  }
  if (more > 0) cell += fmt::format(" and {} more", more);
  return cell.empty() ? "-" : cell;
}

// Columns are as wide as what stands in them, but for the last.
std::string fates_table(const RunData& run, const std::vector<Fate>& fates) {
  struct Row {
    std::string document, samples, checkpoint, steps, name;
  };
  std::vector<Row> rows = {{"document", "samples", "first checkpoint", "steps", "url or id"}};
  for (const Fate& fate : fates)
    rows.push_back({document_cell(run, fate.wanted.source, fate.wanted.document),
                    fmt::format("{}", fate.shown.size()),
                    fate.first == nullptr ? "-" : fate.first->name, steps_cell(fate),
                    name_cell(fate.known)});
  size_t document = 0, checkpoint = 0, steps = 0;
  for (const Row& row : rows) {
    document = std::max(document, display_cells(row.document));
    checkpoint = std::max(checkpoint, display_cells(row.checkpoint));
    steps = std::max(steps, display_cells(row.steps));
  }
  std::string text;
  for (const Row& row : rows)
    text +=
        fmt::format("{} {:>8} {} {} {}\n", left_cell(row.document, document), row.samples,
                    left_cell(row.checkpoint, checkpoint), left_cell(row.steps, steps), row.name);
  return text;
}

struct Summary {
  int64_t documents = 0, consumed = 0, held = 0, unknown = 0;
  const KeptCheckpoint* first = nullptr;      // of the line that holds any of them
  const KeptCheckpoint* last_free = nullptr;  // of the line that holds none
  std::set<std::string> abandoned;
};

Summary summarise(const std::vector<Fate>& fates, const std::vector<KeptCheckpoint>& checkpoints,
                  size_t unknown) {
  Summary summary;
  summary.unknown = static_cast<int64_t>(unknown);
  for (const Fate& fate : fates) {
    ++summary.documents;
    summary.consumed += fate.consumed() ? 1 : 0;
    summary.held += fate.first != nullptr ? 1 : 0;
    if (fate.first != nullptr && (summary.first == nullptr || fate.first < summary.first))
      summary.first = fate.first;
    for (const KeptCheckpoint* checkpoint : fate.abandoned)
      summary.abandoned.insert(checkpoint->name);
  }
  for (const KeptCheckpoint& checkpoint : checkpoints) {
    if (checkpoint.abandoned || &checkpoint == summary.first) break;
    summary.last_free = &checkpoint;
  }
  return summary;
}

Json summary_json(const RunData& run, const Summary& s) {
  Json json = {{"v", 1},
               {"type", "summary"},
               {"documents", s.documents},
               {"consumed", s.consumed},
               {"unknown", s.unknown},
               {"first_checkpoint", s.first == nullptr ? Json() : Json(s.first->name)},
               {"last_free_checkpoint", s.last_free == nullptr ? Json() : Json(s.last_free->name)},
               {"abandoned_checkpoints", s.abandoned}};
  if (!run.branch_of().empty()) json["branch_of"] = run.branch_of();
  return json;
}

std::string summary_text(const Summary& s) {
  std::string text = fmt::format("{} of {} documents were consumed", s.consumed, s.documents);
  if (s.unknown > 0) text += fmt::format("; {} more are not in the run's data", s.unknown);
  text += "\n";
  if (s.first == nullptr) text += "no checkpoint of the line has learnt from any of them\n";
  if (s.first != nullptr)
    text += fmt::format("{} is the first checkpoint that has learnt from one of them; {}\n",
                        s.first->name,
                        s.last_free == nullptr
                            ? "none is free of all"
                            : fmt::format("{} is the last that is free of all", s.last_free->name));
  if (!s.abandoned.empty())
    text += fmt::format("on branches that were left: {}\n", fmt::join(s.abandoned, ", "));
  return text;
}

Result<int> seen(const SeenFlags& flags, const CommonOptions& common) {
  const RunData run = BALLAST_TRY(open_run_data(flags.run));
  Search search(run);
  BALLAST_TRY(search.read(flags.ids));
  BALLAST_TRY(search.look_up());
  const Consumers consumers(run);
  const std::vector<KeptCheckpoint> checkpoints =
      BALLAST_TRY(kept_checkpoints(posix_file_system(), run));
  std::vector<Fate> fates;
  for (Wanted& wanted : search.found) {
    ShardDocument known = BALLAST_TRY(search.names().of(wanted.source, wanted.document));
    fates.push_back(fate_of(consumers, checkpoints, std::move(wanted), std::move(known)));
  }
  if (!common.json && !fates.empty()) print_out(fates_table(run, fates));
  if (common.json)
    for (const Fate& fate : fates) print_out(to_json_line(fate_json(run, fate)) + "\n");
  const Summary summary = summarise(fates, checkpoints, search.unknown.size());
  print_out(common.json ? to_json_line(summary_json(run, summary)) + "\n" : summary_text(summary));
  if (!run.branch_of().empty())
    print_warning(
        fmt::format("this run is a branch of {}: what that one consumed before is not "
                    "looked at",
                    run.branch_of()));
  return kExitDone;
}

}  // namespace

VerbRun add_seen(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<SeenFlags>();
  add_run_options(app, flags->run);
  path_option(app.add_option("--ids", flags->ids,
                             "documents, as recheck and locate --json print them: JSON Lines with "
                             "shard and document, or id, or url; '-' is stdin"))
      ->required();
  return [flags, &common] { return seen(*flags, common); };
}

}  // namespace ballast
