#include "libcore/text/filter.h"

#include "libcore/text/page.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

// One record on its way through the stages.
class Run {
 public:
  Run(const FilterOptions& options, FilterBuffers& buffers, FilterOutcome& outcome)
      : options_(options), buffers_(buffers), outcome_(outcome) {}

  void take_line(const InputRecord& record) {
    Result<Document> parsed = buffers_.parser.parse(record.line, record.where);
    if (!parsed.ok()) {
      outcome_.verdict = FilterVerdict::malformed;
      outcome_.stage = "input";
      outcome_.reason = "malformed";
      outcome_.error = parsed.take_error();
      return;
    }
    document_ = parsed.take_value();
    outcome_.chars = count_chars(document_.text);
    if (passes_robots() && passes_signals(earlier_signals("page")) && passes_license())
      check_text();
    finish();
  }

  void take_capture(const InputRecord& record) {
    Page page = identify_page(record.warc);
    if (page.kind == PageKind::other) {
      outcome_.verdict = FilterVerdict::other;
      outcome_.reason = page.reason;
      return;
    }
    document_ = std::move(page.document);
    bool usable = page.kind == PageKind::text;
    if (!usable) refuse_page(page);
    // The text of an opted-out page is needed only where rejects are kept.
    bool allowed = usable && passes_robots();
    if (usable && (allowed || options_.rejects)) {
      PageText text = extract_page(page, record.where);
      document_.text = std::move(text.text);
      // Without --rejects the text of a refused page is not there to be counted.
      if (allowed) outcome_.chars = count_chars(document_.text);
      document_.replaced = text.replaced;
      if (!text.language.empty()) document_.language = text.language;
      document_.license = std::move(text.license);
      if (allowed && !text.failure.empty()) {
        reject("extract", text.failure);
        allowed = false;
      }
      const Fields& fields = page.response.fields;
      allowed = allowed && passes_signals(page_signals(fields, text.metas, options_.agents));
    }
    if (allowed && passes_license()) check_text();
    finish();
  }

 private:
  void refuse_page(const Page& page) {
    reject("extract", page.reason);
    if (page.reason == "http_status") document_.ballast["status"] = page.response.status;
    if (page.reason == "media_type") document_.ballast["media_type"] = page.media.type;
  }

  void reject(std::string stage, std::string reason) {
    outcome_.verdict = FilterVerdict::rejected;
    outcome_.stage = std::move(stage);
    outcome_.reason = std::move(reason);
  }

  bool passes_robots() {
    if (options_.robots == nullptr) return true;
    RobotsAnswer answer = options_.robots->decide(document_.url);
    outcome_.robots = robots_outcome_name(answer.outcome);
    outcome_.host = url_host(document_.url);
    outcome_.language = document_.language;
    if (answer.outcome == RobotsOutcome::allowed) return true;
    if (answer.outcome == RobotsOutcome::missing && options_.keep_missing) return true;
    reject("robots", outcome_.robots);
    outcome_.agents = answer.verdict.agents;
    Json& details = document_.ballast;
    if (answer.outcome == RobotsOutcome::disallowed) {
      Json names = Json::array();
      for (int agent : answer.verdict.agents) {
        names.push_back(options_.robots->agents()[static_cast<size_t>(agent)]);
      }
      details["agents"] = std::move(names);
      details["rule"] = "Disallow: " + answer.verdict.rule->spelling;
      details["line"] = answer.verdict.rule->line;
    }
    if (!answer.captured.empty()) details["captured"] = std::string(answer.captured);
    return false;
  }

  // What the "page" or the "host" said when an earlier run asked.
  AiSignals earlier_signals(const char* who) const {
    const auto found = document_.ballast.find("signals");
    if (found == document_.ballast.end() || !found->is_object()) return {};
    const auto signals = found->find(who);
    return signals == found->end() ? AiSignals() : signals_of_json(*signals);
  }

  bool passes_signals(const AiSignals& page) {
    HostSignals host;
    if (options_.robots != nullptr) host = options_.robots->signals(document_.url);
    const AiSignals says = options_.robots != nullptr ? host.says() : earlier_signals("host");
    outcome_.signals = combined_signals(page, says);
    Json& details = document_.ballast;
    details.erase("signals");
    if (page.any()) details["signals"]["page"] = signals_json(page);
    if (says.any()) details["signals"]["host"] = signals_json(says);
    for (const AiSignal signal : options_.obeyed) {
      if (outcome_.signals[signal] != Preference::refused) continue;
      reject("signal", ai_signal_name(signal));
      const HostPreference& by_host = host[signal];
      if (page[signal] != Preference::refused && by_host.rule != nullptr) {
        details["rule"] = by_host.rule->spelling;
        if (by_host.rule->line > 0) details["line"] = by_host.rule->line;
      }
      return false;
    }
    return true;
  }

  // What is recognised is written as SPDX from here on; what was said stays beside it.
  bool passes_license() {
    if (options_.license.empty()) return true;
    const LicenseVerdict verdict = options_.license.judge(document_.license);
    const std::string outcome = license_outcome_name(verdict.outcome);
    outcome_.license = verdict.expression.empty() ? outcome : verdict.expression;
    if (!verdict.expression.empty() && verdict.expression != document_.license) {
      object_at(document_.ballast, "license")["said"] = document_.license;
      document_.license = verdict.expression;
    }
    if (!verdict.kept) reject("license", outcome);
    return verdict.kept;
  }

  void check_text() {
    if (outcome_.chars < options_.min_chars || outcome_.chars == 0) {
      return reject("length", outcome_.chars == 0 ? "empty" : "too_short");
    }
    std::string original;  // what a reject is written with
    bool may_change = !options_.quality.empty() || options_.pii.asks(PiiAction::drop);
    if (options_.rejects && may_change) original = document_.text;
    if (!passes_language() || !passes_quality() || !passes_scores()) return;
    const PiiFindings found = apply_pii(document_.text, options_.pii);
    outcome_.pii = found.counts;
    if (!found.dropped) return;
    document_.text = std::move(original);
    reject("pii", "found");
  }

  void erase_measures() {  // of an earlier run
    for (const char* key : {"value", "limit", "line"}) document_.ballast.erase(key);
  }

  bool passes_language() {
    if (options_.language.empty()) return true;
    erase_measures();
    const LanguageVerdict verdict =
        options_.language.judge(document_.text, document_.language, buffers_.scores.fasttext);
    Json& details = document_.ballast;
    if (options_.language.predicts() && !verdict.label.empty()) {
      Json& record = details["language"] = Json::object();
      record["score"] = verdict.score;
      if (!document_.language.empty() && document_.language != verdict.label)
        record["said"] = document_.language;
      document_.language = verdict.label;
    }
    outcome_.label = document_.language.empty() ? "missing" : document_.language;
    if (verdict.outcome == LanguageOutcome::wanted) return true;
    reject("language", language_outcome_name(verdict.outcome));
    if (verdict.outcome == LanguageOutcome::uncertain) {
      details["value"] = verdict.score;
      details["limit"] = verdict.limit;
    }
    return false;
  }

  bool passes_scores() {
    if (options_.scores.empty()) return true;
    erase_measures();
    const ScoreVerdict verdict = options_.scores.judge(document_, buffers_.scores);
    if (verdict.reason.empty()) return true;
    reject("score", verdict.reason);
    if (!verdict.reason.ends_with(".missing")) document_.ballast["value"] = verdict.value;
    document_.ballast["limit"] = verdict.limit;
    return false;
  }

  bool passes_quality() {
    if (options_.quality.empty()) return true;
    QualityVerdict verdict = options_.quality.check(document_.text, buffers_.quality);
    Json& details = document_.ballast;
    erase_measures();
    if (!verdict.kept()) {
      reject("quality", verdict.reason());
      if (verdict.drop.value) details["value"] = *verdict.drop.value;
      if (verdict.drop.limit) details["limit"] = *verdict.drop.limit;
      if (verdict.drop.line > 0) details["line"] = verdict.drop.line;
    } else if (verdict.rewritten) {
      outcome_.lines_dropped = verdict.lines.lines - verdict.lines.kept;
      object_at(details, "quality")["c4"] = line_counts_json(verdict.lines);
    }
    return verdict.kept();
  }

  // A document may bring anything under a key of ours.
  static Json& object_at(Json& details, const char* key) {
    Json& value = details[key];
    if (!value.is_object()) value = Json::object();
    return value;
  }

  // Counts of an earlier run over the same document are added to.
  void add_count(Json& object, const char* name, int64_t count) {
    int64_t before = 0;
    auto found = object.find(name);
    if (found != object.end() && found->is_number_integer()) before = found->get<int64_t>();
    object[name] = before + count;
  }

  void finish() {
    if (document_.id.empty()) document_.id = default_document_id(document_);
    bool kept = outcome_.verdict == FilterVerdict::kept;
    outcome_.replaced = document_.replaced;
    outcome_.source = document_.source;
    if (!kept && !options_.rejects) return;
    Json& details = document_.ballast;
    details.erase("dropped_by");
    details.erase("reason");
    if (!kept) {
      details["dropped_by"] = outcome_.stage;
      details["reason"] = outcome_.reason;
    }
    if (!outcome_.robots.empty()) details["robots"] = outcome_.robots;
    if (!options_.pii.off() && (kept || outcome_.stage == "pii")) {
      if (!details["pii"].is_object()) details["pii"] = Json::object();
      Json& counts = details["pii"];
      add_count(counts, "email", outcome_.pii.email);
      add_count(counts, "ip", outcome_.pii.ip);
      add_count(counts, "iban", outcome_.pii.iban);
    }
    if (document_.replaced > 0) add_count(details, "replaced", document_.replaced);
    if (kept && options_.documents) {
      outcome_.document = std::move(document_);
    } else {
      append_document(outcome_.line, document_);
    }
  }

  const FilterOptions& options_;
  FilterBuffers& buffers_;
  FilterOutcome& outcome_;
  Document document_;
};

}  // namespace

FilterOutcome filter_record(const InputRecord& record, const FilterOptions& options,
                            FilterBuffers& buffers) {
  FilterOutcome outcome;
  Run run(options, buffers, outcome);
  if (record.is_warc) {
    run.take_capture(record);
  } else {
    run.take_line(record);
  }
  return outcome;
}

}  // namespace ballast
