#include "tools/gradstat/post_mortem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/data/token_rarity.h"
#include "libcore/guard/diagnosis.h"
#include "libcore/io/utf8.h"
#include "libcore/stats/robust.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/layer_table.h"

namespace ballast {
namespace {

constexpr const char* kNotRecorded = "not recorded";
constexpr int64_t kOutcomeSteps = 500;  // "recovery loss" is read so many steps later
constexpr size_t kOutcomeLosses = 20;   // as the median of so many
constexpr int64_t kBeforeSteps = 20;
constexpr int64_t kEventReach = 50;  // events so many steps around belong to the incident

class Account {
 public:
  // `cause` is what a diagnosis says.
  Account(const RunHistory& history, const RunIncident& incident, const std::string& cause,
          const std::optional<IncidentTokens>& tokens)
      : h_(history), i_(incident), cause_(cause), tokens_(tokens), run_(find_run()) {
    for (size_t r = 0; r < h_.rows.size(); ++r)
      if (h_.rows[r].segment == i_.segment) own_.push_back(r);
  }

  std::string text() {
    std::string t = fmt::format("# Spike #{} - {}\n\n", i_.id, onset_time());
    t += symptoms() + evidence() + classification() + recovery() + outcome();
    return t + "## Lessons and follow-ups\n\n- not recorded\n";
  }

 private:
  const RunRecord* find_run() const {
    for (size_t r = h_.runs.size(); r > 0; --r)
      if (h_.runs[r - 1].segment == i_.segment) return &h_.runs[r - 1];
    return nullptr;
  }
  static std::string item(const char* name, const std::string& value) {
    return fmt::format("- {}: {}\n", name, value.empty() ? kNotRecorded : value);
  }
  static std::string number(double value) {
    return std::isnan(value) ? kNotRecorded : short_number(value);
  }
  const StepRow* row_at(int64_t step) const {
    for (const size_t r : own_)
      if (h_.rows[r].step >= step) return &h_.rows[r];
    return nullptr;
  }
  std::string onset_time() const {
    const StepRow* row = row_at(i_.onset);
    if (row == nullptr || row->time_us == 0) return "time not recorded";
    const std::string time = format_time_us(row->time_us);
    return time.substr(0, 10) + " " + time.substr(11, 5) + " UTC";
  }

  double loss_before() const;
  std::string given_up() const;
  std::string later_loss() const;
  std::string symptoms() const;
  std::string evidence() const;
  std::string layers_at_spike() const;
  std::string token_histogram() const;
  std::string classification() const;
  std::string recovery() const;
  std::string outcome() const;
  std::string cost() const;
  std::vector<const EventRecord*> events() const;

  const RunHistory& h_;
  const RunIncident& i_;
  const std::string& cause_;
  const std::optional<IncidentTokens>& tokens_;
  const RunRecord* run_;
  std::vector<size_t> own_;  // rows of the incident's segment
};

// What became of the loss: the line goes on in later segments when this one survived.
std::string Account::later_loss() const {
  std::vector<double> losses;
  int64_t first = 0;
  for (const StepRow& row : h_.rows) {
    const bool follows = i_.abandoned ? row.segment == i_.segment : row.surviving;
    if (!follows || row.step < i_.onset + kOutcomeSteps || !std::isfinite(row.loss)) continue;
    if (losses.empty()) first = row.step;
    losses.push_back(row.loss);
    if (losses.size() == kOutcomeLosses) break;
  }
  if (losses.empty()) return fmt::format("{} (the line ends before)", kNotRecorded);
  return fmt::format("{} (median of {} steps from {})", short_number(median(losses)), losses.size(),
                     first);
}

// Without a baseline of the classifier: the median of the last losses.
double Account::loss_before() const {
  std::vector<double> losses;
  for (const StepRow& row : h_.rows) {
    const bool leads = row.segment == i_.segment || row.surviving;
    const bool near = row.step < i_.first && row.step >= i_.first - kBeforeSteps;
    if (leads && near && std::isfinite(row.loss)) losses.push_back(row.loss);
  }
  return losses.empty() ? std::numeric_limits<double>::quiet_NaN() : median(losses);
}

std::string Account::symptoms() const {
  std::string t = "## Symptoms\n\n";
  t += item("Pre-spike loss", number(i_.classified ? i_.verdict.baseline : loss_before()));
  t += item("Peak loss",
            i_.nonfinite && std::isnan(i_.peak_loss) ? "not finite"
            : i_.classified && !std::isnan(i_.peak_loss)
                ? fmt::format("{} at step {}", number(i_.peak_loss), i_.verdict.peak_step)
                : number(i_.peak_loss));
  t += item("Non-finite loss or norm", i_.nonfinite ? "yes" : "no");
  t += item("Recovery loss (500 steps later)", later_loss());
  t += item("Gradient norm peak (before clipping)", number(i_.peak_norm));
  t += item("Lead of the norm over the loss",
            i_.classified && i_.verdict.norm_onset >= 0
                ? fmt::format("{} steps (norm abnormal from step {})", i_.verdict.lead,
                              i_.verdict.norm_onset)
                : "none seen");
  return t + "\n";
}

// What changed most, then what each layer's stream and branches did.
std::string Account::layers_at_spike() const {
  constexpr const char* kName = "Activation norms by layer at the spike";
  constexpr const char* kColumns[] = {"residual", "proj_output", "fc2_output", "attn_logit_max"};
  const LayerTable table = layer_table(h_, i_);
  if (table.empty()) return item(kName, "");
  std::string t = item(kName, "most changed: " + change_sentence(table));
  std::vector<const LayerTable::Row*> rows;
  for (const char* key : kColumns)
    for (const LayerTable::Row& row : table.rows)
      if (row.key == key) rows.push_back(&row);
  if (rows.empty()) return t;
  t += "\n| layer |";
  for (const LayerTable::Row* row : rows) t += " " + row->key + " |";
  t += "\n|--|";
  for (size_t k = 0; k < rows.size(); ++k) t += "--|";
  for (size_t layer = 0; layer < rows.front()->layers.size(); ++layer) {
    t += fmt::format("\n| {} |", layer);
    for (const LayerTable::Row* row : rows) {
      const bool has = layer < row->layers.size();
      t += has ? fmt::format(" {} (x {}) |", number(row->layers[layer].at),
                             number(row->layers[layer].ratio))
               : " - |";
    }
  }
  return t + "\n";
}

// How rare the batches' tokens were, and a table by frequency among the tokens before.
std::string Account::token_histogram() const {
  constexpr const char* kName = "Token histogram of these batches";
  if (!tokens_) return item(kName, "");
  if (!tokens_->replaced.empty())
    return item(kName, "made-up tokens, fed on purpose: " + printable(tokens_->replaced));
  const TokenEvidence& seen = tokens_->evidence;
  const auto test = [](const SurprisalTest& t) {
    return fmt::format("{:.2f} bits a token, before {:.2f} (z {:.1f})", t.bits, t.usual, t.z);
  };
  std::string t =
      item(kName, seen.known() ? fmt::format("{}; rarest sequence {}; against {} batches before",
                                             test(seen.mean), test(seen.highest), seen.batches)
                               : "too few batches before to compare them with");
  t += fmt::format("\n| tokens, by the {} before{} | these batches | before |\n|--|--|--|\n",
                   format_count(static_cast<int64_t>(tokens_->tokens_before)),
                   tokens_->exact ? "" : " (expected by the manifests)");
  for (size_t k = 0; k < tokens_->shares.size(); ++k)
    t += fmt::format("| {} | {:.1f} % | {:.1f} % |\n", TokenRarity::kClassNames[k],
                     100 * tokens_->shares[k], 100 * tokens_->usual_shares[k]);
  return t + "\n";
}

std::string Account::evidence() const {
  std::string t = "## Evidence\n\n";
  t += item("Run", run_ == nullptr ? "" : run_->run);
  t += item("Trace", fmt::format("{}, segment {}, steps {} to {}", printable(h_.path), i_.segment,
                                 i_.first, i_.last));
  t += item("Configuration", run_ == nullptr ? "" : run_->config_hash);
  t += item("Batch index range",
            i_.samples_end > i_.samples_begin
                ? fmt::format("samples {} to {} (steps {} to {})", i_.samples_begin,
                              i_.samples_end - 1, i_.first, i_.last)
                : "");
  std::string worst;
  for (const EventRecord* event : events())
    if (event->details.is_object() && event->details.contains("samples"))
      worst += (worst.empty() ? "" : ", ") + to_json_line(event->details["samples"]);
  t += item("Sequences with the highest loss", worst);
  t += token_histogram();
  t += layers_at_spike();
  return t + "\n";
}

std::string Account::classification() const {
  std::string t = "## Classification\n\n";
  t += item("Type",
            i_.classified
                ? fmt::format("{} ({}){}", static_cast<int>(i_.verdict.type), class_name(i_),
                              i_.verdict.provisional ? ", provisional: too few steps since" : "")
                : "none: the loss stayed within its range");
  t += item("Root cause", cause_);
  return t + "\n";
}

std::vector<const EventRecord*> Account::events() const {
  std::vector<const EventRecord*> found;
  for (const EventRecord& event : h_.events)
    if (event.segment == i_.segment && event.step >= i_.first - kEventReach &&
        event.step <= i_.last + kEventReach && event.event != "checkpoint")
      found.push_back(&event);
  return found;
}

std::string Account::recovery() const {
  std::string t = "## Recovery action\n\n";
  bool any = false;
  for (const EventRecord* event : events()) {
    any = true;
    t += fmt::format("- step {}: {}{}\n", event->step, event->event,
                     event->reason.empty() ? "" : ", " + printable(event->reason));
  }
  if (i_.skipped_steps > 0)
    t += fmt::format("- {} of the steps {} to {} were skipped\n", i_.skipped_steps, i_.first,
                     i_.last);
  for (const RunRecord& run : h_.runs)
    if (i_.abandoned && run.parent == i_.segment && run.parent_step && *run.parent_step < i_.onset)
      t += fmt::format("- segment {} went on from step {}: this branch was left\n", run.segment,
                       *run.parent_step);
  if (!any && i_.skipped_steps == 0 && !i_.abandoned) t += "- none recorded\n";
  return t + "\n";
}

std::string steps_text(int64_t n) { return fmt::format("{} step{}", n, n == 1 ? "" : "s"); }

// What going back threw away, good steps before the incident included.
std::string Account::given_up() const {
  for (const RunRecord& run : h_.runs) {
    if (!i_.abandoned || run.parent != i_.segment || !run.parent_step) continue;
    const int64_t fork = *run.parent_step;
    if (fork >= i_.onset || own_.empty()) continue;
    const StepRow* kept = nullptr;
    for (const StepRow& row : h_.rows)
      if (row.step == fork) kept = &row;
    const StepRow& end = h_.rows[own_.back()];
    const int64_t tokens = end.tokens - (kept == nullptr ? 0 : kept->tokens);
    return fmt::format("; going back to step {} gave up {}, {} tokens", fork,
                       steps_text(end.step - fork), format_count(tokens));
  }
  return "";
}

std::string Account::cost() const {
  const StepRow* begin = row_at(i_.first);
  const StepRow* end = row_at(i_.last);
  std::string t = fmt::format("{}, {} tokens", steps_text(i_.last - i_.first + 1),
                              format_count(i_.tokens_lost));
  const bool timed = begin != nullptr && end != nullptr && end->time_us > begin->time_us;
  if (std::isnan(i_.step_ms) && !timed) return t;
  const double seconds = std::isnan(i_.step_ms)
                             ? static_cast<double>(end->time_us - begin->time_us) * 1e-6
                             : i_.step_ms * 1e-3;
  t += ", " + format_seconds(seconds);
  if (run_ == nullptr || !run_->cost_per_hour) return t + ", money not recorded";
  return t + fmt::format(", {:.2f} at {} per hour", seconds / 3600 * *run_->cost_per_hour,
                         format_double(*run_->cost_per_hour));
}

std::string Account::outcome() const {
  std::string t = "## Outcome\n\n";
  const bool recovered = i_.classified && i_.verdict.recovery >= 0;
  t += item("Loss back on its course", recovered ? fmt::format("at step {}", i_.verdict.recovery)
                                       : i_.abandoned  ? "no: the branch was abandoned"
                                       : i_.classified ? "no"
                                                       : "it never left it");
  t += item("Cost of the incident", cost() + given_up());
  return t + "\n";
}

// The verdict and what speaks for it.
std::string cause_text(const Diagnosis& diagnosis) {
  std::string text = diagnosis_sentence(diagnosis);
  for (const Evidence& evidence : diagnosis.causes.front().evidence)
    if (evidence.kind == Evidence::Kind::supports) text += "; " + evidence.text;
  return text;
}

}  // namespace

std::string post_mortem(const RunHistory& history, const RunIncident& incident,
                        const std::string& cause, const std::optional<IncidentTokens>& tokens) {
  return Account(history, incident, cause, tokens).text();
}

std::string post_mortems(const RunHistory& history, const std::vector<RunIncident>& incidents,
                         const std::vector<std::optional<IncidentTokens>>& tokens) {
  if (incidents.empty())
    return fmt::format("No incident was found in the {} steps of {}.\n", history.rows.size(),
                       printable(history.path));
  std::string text;
  const Diagnoser diagnoser(history, incidents);
  for (size_t i = 0; i < incidents.size(); ++i) {
    if (!text.empty()) text += "\n";
    const std::optional<IncidentTokens> own = i < tokens.size() ? tokens[i] : std::nullopt;
    const TokenEvidence evidence = own ? own->evidence : TokenEvidence();
    text += post_mortem(history, incidents[i],
                        cause_text(diagnoser.diagnose(incidents[i], evidence)), own);
  }
  return text;
}

}  // namespace ballast
