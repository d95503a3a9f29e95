// tokshard locate: the documents of a run's batches, by step, by sample or of incidents, and how
// rare their tokens were to the run at that time.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/checkpoint/json_fields.h"
#include "libcore/cli/message.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/provenance/batch_contents.h"
#include "libcore/provenance/consumers.h"
#include "libcore/provenance/token_counts.h"
#include "libcore/text/display_cells.h"
#include "tools/tokshard/run_documents.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr size_t kShown = 16;  // sequences of a step in the table

struct LocateFlags {
  RunOptions run;
  std::string incidents, step, samples, tokenizer, counts = "auto";
  int64_t segment = -1;
  int64_t top = -1;  // -1: not given
};

// Steps that are looked at together: token counts are those before the first.
struct Question {
  Json incident;  // its id; null: none
  std::vector<const StepBatch*> steps;
};

Result<std::pair<int64_t, int64_t>> parse_span(const std::string& text, const char* separator,
                                               const char* flag) {
  const size_t at = text.find(separator);
  const std::string first = text.substr(0, at);
  const std::string last =
      at == std::string::npos ? first : text.substr(at + std::string_view(separator).size());
  const auto a = parse_count(first), b = parse_count(last);
  if (!a.ok() || !b.ok() || *a > *b)
    return usage_error("malformed range '" + printable(text) + "'", flag,
                       fmt::format("accepted: N{}M", separator));
  return std::pair(*a, *b);
}

Result<Question> question_of_steps(const RunData& run, int64_t first, int64_t last,
                                   std::optional<int64_t> segment) {
  Question question;
  for (int64_t step = first; step <= last; ++step) {
    const StepBatch* batch = run.find_step(step, segment);
    if (batch == nullptr)
      return insufficient_error(
          fmt::format("the trace has no step {}{}", step,
                      segment ? fmt::format(" of segment {}", *segment) : " on the surviving line"),
          run.run());
    question.steps.push_back(batch);
  }
  return question;
}

// What `gradstat spikes --json` prints: the cause shows from the first abnormal step to the onset.
Result<std::vector<Question>> read_incidents(const RunData& run, const std::string& path) {
  const auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*source);
  std::vector<Question> questions;
  while (const auto line = BALLAST_TRY(lines.next())) {
    if (line->empty()) continue;
    const std::string where = fmt::format("{}:{}", path, lines.line_number());
    const Json json = BALLAST_TRY(parse_json(*line, where));
    if (!json.is_object()) return corrupt_error("incident is not a JSON object", where);
    if (json.contains("type") && json.at("type") != "incident") continue;
    const int64_t onset = BALLAST_TRY(count_field(json, "onset", where));
    const int64_t first =
        json.contains("first") ? BALLAST_TRY(count_field(json, "first", where)) : onset;
    const bool abandoned = json.value("abandoned", Json()) == true;
    std::optional<int64_t> segment;
    if (abandoned) segment = BALLAST_TRY(count_field(json, "segment", where));
    Question question = BALLAST_TRY(question_of_steps(run, std::min(first, onset), onset, segment));
    question.incident = json.value("id", Json());
    questions.push_back(std::move(question));
  }
  return questions;
}

// A sequence, and the step that consumed it (nullptr: none).
struct Row {
  LocatedSequence sequence;
  const StepBatch* step = nullptr;
};

class Report {
 public:
  Report(const RunData& run, const TokenTexts& texts, const LocateFlags& flags, bool json)
      : run_(run), names_(run), texts_(texts), json_(json) {
    most_ = flags.top >= 0 ? static_cast<size_t>(flags.top) : json ? 0 : kShown;
  }

  Result<void> batch(const Question& question, const StepBatch& step, const TokenCounts& counts,
                     const TokenRarity& rarity) {
    std::vector<Row> all;
    Rarity sum;
    for (LocatedSequence& sequence : BALLAST_TRY(locate_batch(run_, step, rarity))) {
      sum.add(sequence.rarity);
      all.push_back({std::move(sequence), &step});
    }
    const std::string& replaced = run_.notes(step).replaced;
    if (!replaced.empty())
      print_warning(fmt::format(
          "step {}: {} fed made-up tokens instead of this batch; its documents were not shown",
          step.step, replaced));
    if (json_)
      print_out(to_json_line(batch_json(question, step, all.size(), sum, counts)) + "\n");
    else
      print_out(batch_text(question, step, all.size(), sum, counts));
    return rows(all, question.incident, rarity);
  }

  Result<void> rows(const std::vector<Row>& all, const Json& incident, const TokenRarity& rarity) {
    std::vector<Line> lines;
    const size_t shown = most_ == 0 ? all.size() : std::min(all.size(), most_);
    for (size_t i = 0; i < shown; ++i)
      for (const LocatedDocument& document : all[i].sequence.documents)
        BALLAST_TRY(line(all[i], document, incident, rarity, lines));
    if (!json_) print_out(table(lines));
    if (!json_ && shown < all.size())
      print_out(fmt::format("  and {} more sequences (--top 0 shows all)\n", all.size() - shown));
    return {};
  }

 private:
  static std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

  Json batch_json(const Question& question, const StepBatch& step, size_t sequences,
                  const Rarity& sum, const TokenCounts& counts) const {
    Json json = {{"v", 1}, {"type", "batch"}};
    if (!question.incident.is_null()) json["incident"] = question.incident;
    json.update({{"segment", step.segment},
                 {"step", step.step},
                 {"sequences", sequences},
                 {"skipped", step.skipped}});
    if (!run_.notes(step).replaced.empty()) json["replaced"] = run_.notes(step).replaced;
    add_rarity(json, sum);
    json["counts"] = counts.exact ? "exact" : "expected";
    json["tokens_before"] = counts.total;
    return json;
  }

  std::string batch_text(const Question& question, const StepBatch& step, size_t sequences,
                         const Rarity& sum, const TokenCounts& counts) const {
    const std::string before = format_count(static_cast<int64_t>(counts.total));
    const std::string& replaced = run_.notes(step).replaced;
    return fmt::format(
        "{}step {} of segment {}{}{}: {} sequences, {:.2f} bits a token, {} rare, {} unseen "
        "({} {} tokens before)\n",
        question.incident.is_null()
            ? ""
            : fmt::format("incident {}, ", printable(to_json_line(question.incident))),
        step.step, step.segment, step.skipped ? " (skipped)" : "",
        replaced.empty() ? "" : fmt::format(" (replaced by {})", replaced), sequences,
        sum.mean_bits(), percent(sum.rare_share()), percent(sum.unseen_share()),
        counts.exact ? "by the" : "by the manifests, for", before);
  }

  static void add_rarity(Json& json, const Rarity& rarity) {
    json["tokens"] = rarity.tokens;
    json["surprisal"] = rarity.mean_bits();
    json["rare_share"] = rarity.rare_share();
    json["unseen_share"] = rarity.unseen_share();
  }

  // A line of the table: what is in columns of numbers, and the texts behind.
  struct Line {
    std::string numbers, document, rarest, name;
  };

  // Columns of texts are as wide as what stands in them, but for the last.
  static std::string table(const std::vector<Line>& lines) {
    std::vector<Line> all = {{fmt::format("  {:>8} {:>10} {:>8} {:>6} {:>7} {:>7} {:>6}", "step",
                                          "sample", "loss", "bits", "rare", "unseen", "tokens"),
                              "document", "rarest tokens", "url or id"}};
    all.insert(all.end(), lines.begin(), lines.end());
    size_t document = 0, rarest = 0;
    for (const Line& line : all) {
      document = std::max(document, display_cells(line.document));
      rarest = std::max(rarest, display_cells(line.rarest));
    }
    std::string text;
    for (const Line& line : all)
      text += fmt::format("{}  {} {}{}{}\n", line.numbers, left_cell(line.document, document),
                          left_cell(line.rarest, rarest), line.name.empty() ? "" : " ", line.name);
    return text;
  }

  Result<void> line(const Row& row, const LocatedDocument& document, const Json& incident,
                    const TokenRarity& rarity, std::vector<Line>& lines) {
    const LocatedSequence& sequence = row.sequence;
    const int source = sequence.address.source;
    const ShardDocument known = BALLAST_TRY(names_.of(source, document.part.document));
    if (json_) {
      Json json = {{"v", 1}, {"type", "document"}};
      if (!incident.is_null()) json["incident"] = incident;
      json["segment"] = row.step == nullptr ? Json() : Json(row.step->segment);
      json["step"] = row.step == nullptr ? Json() : Json(row.step->step);
      json["sample"] = sequence.sample;
      if (sequence.loss) json["loss"] = json_number(*sequence.loss);
      json["sequence_surprisal"] = sequence.rarity.mean_bits();
      json["epoch"] = sequence.address.epoch;
      json["window"] = sequence.address.window;
      add_document_keys(json, run_, source, document.part.document, known);
      add_rarity(json, document.rarity);
      json["rarest"] = rarest_json(document, rarity);
      print_out(to_json_line(json) + "\n");
      return {};
    }
    lines.push_back(
        {fmt::format("  {:>8} {:>10} {:>8} {:>6.2f} {:>7} {:>7} {:>6}",
                     row.step == nullptr ? "-" : fmt::format("{}", row.step->step), sequence.sample,
                     sequence.loss ? fmt::format("{:.4g}", *sequence.loss) : "-",
                     document.rarity.mean_bits(), percent(document.rarity.rare_share()),
                     percent(document.rarity.unseen_share()), document.part.tokens()),
         document_cell(run_, source, document.part.document), rarest_cell(document),
         name_cell(known)});
    return {};
  }

  Json rarest_json(const LocatedDocument& document, const TokenRarity& rarity) const {
    Json list = Json::array();
    for (const int32_t id : document.rarest) {
      Json one = {{"id", id}, {"before", id < run_.vocab_size() ? rarity.count(id) : 0.0}};
      if (const std::string text = texts_.text(id); !text.empty()) one["text"] = text;
      list.push_back(std::move(one));
    }
    return list;
  }

  std::string rarest_cell(const LocatedDocument& document) const {
    std::string cell;
    for (const int32_t id : document.rarest) {
      const std::string text = texts_.text(id);
      cell += (cell.empty() ? "" : " ") +
              (text.empty() ? fmt::format("{}", id) : fmt::format("'{}'", printable(text)));
    }
    return cell;
  }

  const RunData& run_;
  DocumentNames names_;
  const TokenTexts& texts_;
  bool json_;
  size_t most_;
};

CountKind count_kind(const std::string& word) {
  return word == "exact"      ? CountKind::exact
         : word == "expected" ? CountKind::expected
                              : CountKind::automatic;
}

Result<void> answer(const RunData& run, const Question& question, TokenCounter& counter,
                    Report& report) {
  const TokenCounts& counts = *BALLAST_TRY(counter.before(run, *question.steps.front()));
  const TokenRarity rarity(counts.of);
  for (const StepBatch* step : question.steps)
    BALLAST_TRY(report.batch(question, *step, counts, rarity));
  return {};
}

// Samples of the data index, whether or not the line has consumed them: in the order that it has
// now, with what it knows now.
Result<void> answer_samples(const RunData& run, const LocateFlags& flags, TokenCounter& counter,
                            Report& report) {
  constexpr int64_t kMost = 1 << 20;
  const auto [begin, end] = BALLAST_TRY(parse_span(flags.samples, ":", "--samples"));
  if (end - begin > kMost || begin == end)
    return usage_error(fmt::format("--samples names {} samples", end - begin), "",
                       fmt::format("1 to {}, half open as A:B", kMost));
  const StepBatch* last = nullptr;
  for (const StepBatch& step : run.steps())
    if (step.surviving) last = &step;
  if (last == nullptr) return insufficient_error("the run has no step", run.run());
  const TokenRarity rarity(BALLAST_TRY(counter.before(run, *last))->of);
  const Consumers consumers(run);
  std::vector<Row> rows;
  for (int64_t sample = begin; sample < end; ++sample) {
    rows.push_back({BALLAST_TRY(locate_sample(run, run.order(*last), sample, rarity)), nullptr});
    const SampleAddress& address = rows.back().sequence.address;
    for (const Shown& shown : consumers.of_window(address.source, address.window))
      if (shown.sample == sample && shown.step->surviving) rows.back().step = shown.step;
  }
  return report.rows(rows, Json(), rarity);
}

Result<int> locate(const LocateFlags& flags, const CommonOptions& common) {
  const int given = !flags.incidents.empty() + !flags.step.empty() + !flags.samples.empty();
  if (given != 1)
    return usage_error("give one of --step, --samples and incidents", "",
                       "a file of incidents, or '-' for stdin");
  if (flags.segment >= 0 && flags.step.empty())
    return usage_error("--segment without --step", "", "incidents name their segment");
  const RunData run = BALLAST_TRY(open_run_data(flags.run));
  const TokenTexts texts = BALLAST_TRY(TokenTexts::open(run, flags.tokenizer));
  Report report(run, texts, flags, common.json);
  TokenCounter counter(posix_file_system(), count_kind(flags.counts));
  std::vector<Question> questions;
  if (!flags.samples.empty()) {
    BALLAST_TRY(answer_samples(run, flags, counter, report));
  } else if (!flags.step.empty()) {
    const auto [first, last] = BALLAST_TRY(parse_span(flags.step, "..", "--step"));
    std::optional<int64_t> segment;
    if (flags.segment >= 0) segment = flags.segment;
    questions.push_back(BALLAST_TRY(question_of_steps(run, first, last, segment)));
  } else {
    questions = BALLAST_TRY(read_incidents(run, flags.incidents));
    if (questions.empty()) print_note("no incident to look for");
  }
  for (const Question& question : questions) BALLAST_TRY(answer(run, question, counter, report));
  return kExitDone;
}

}  // namespace

VerbRun add_locate(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<LocateFlags>();
  path_option(app.add_option("incidents", flags->incidents,
                             "incidents as `gradstat spikes --json` prints them; '-' is stdin"));
  add_run_options(app, flags->run);
  app.add_option("--step", flags->step, "a step, or steps N..M");
  app.add_option("--segment", flags->segment, "segment of --step; default: the line that survived")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--samples", flags->samples, "samples A:B of the data index, half open");
  app.add_option("--top", flags->top,
                 "sequences of a step to show; 0: all; default 16 in the table, all with --json")
      ->check(CLI::NonNegativeNumber);
  choice_option(app.add_option("--counts", flags->counts,
                               "tokens seen before, for rarity: exact reads the batches again, "
                               "expected takes the manifests, auto is exact up to 2^28 tokens")
                    ->capture_default_str(),
                {"auto", "exact", "expected"});
  path_option(app.add_option(
      "--tokenizer", flags->tokenizer,
      "tokenizer.json, tekken.json or tokenizer.model for the text of tokens; default: the run's"));
  return [flags, &common] { return locate(*flags, common); };
}

}  // namespace ballast
