#include "libcore/text/scores/score_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::optional<double> parse_number(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc() && end == word.data() + word.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Of what is NaN no comparison would hold, and every document would go.
Result<double> limit_number(const Json& value, const std::string& where) {
  const double limit = BALLAST_TRY(number_of(value, where));
  if (!std::isfinite(limit)) return corrupt_error("a limit is not finite", where);
  return limit;
}

constexpr std::pair<std::string_view, Comparison> kComparisons[] = {{">=", Comparison::at_least},
                                                                    {"<=", Comparison::at_most},
                                                                    {">", Comparison::above},
                                                                    {"<", Comparison::below}};

std::optional<double> number_in(const Json& root, std::string_view path) {
  const Json* at = &root;
  while (true) {
    const size_t dot = std::min(path.find('.'), path.size());
    if (!at->is_object()) return {};
    const auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end()) return {};
    at = &*found;
    if (dot == path.size()) break;
    path.remove_prefix(dot + 1);
  }
  if (!at->is_number()) return {};
  const auto value = at->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

}  // namespace

std::vector<std::string_view> text_chunks(std::string_view text, int64_t characters) {
  std::vector<std::string_view> chunks;
  while (!text.empty()) {
    size_t end = 0, blank = 0;
    for (int64_t count = 0; end < text.size() && count < characters; ++count) {
      ++end;
      while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
      if (is_blank(text[end - 1])) blank = end;
    }
    if (end < text.size() && blank > 0) end = blank;
    chunks.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return chunks;
}

std::optional<double> document_number(const Document& document, std::string_view path) {
  constexpr std::string_view kOwn = "ballast.";
  if (path.starts_with(kOwn)) return number_in(document.ballast, path.substr(kOwn.size()));
  const size_t dot = std::min(path.find('.'), path.size());
  for (const auto& [name, value] : document.extra) {
    if (name != path.substr(0, dot)) continue;
    Result<Json> parsed = parse_json(value, "metadata");
    if (!parsed.ok()) return {};
    Json root = Json::object();
    root[name] = parsed.take_value();
    return number_in(root, path);
  }
  return {};
}

bool ScoreLimit::met_by(double measured, double limit) const {
  switch (comparison) {
    case Comparison::at_least:
      return measured >= limit;
    case Comparison::above:
      return measured > limit;
    case Comparison::at_most:
      return measured <= limit;
    case Comparison::below:
      return measured < limit;
  }
  return false;
}

double ScoreLimit::of(const std::string& language) const {
  const auto own = by_language.find(language);
  return own == by_language.end() ? value : own->second;
}

Result<ScoreLimit> parse_score_limit(std::string_view spec) {
  for (const auto& [sign, comparison] : kComparisons) {
    const size_t at = spec.find(sign);
    if (at == std::string_view::npos) continue;
    ScoreLimit limit;
    limit.score = trim_blanks(spec.substr(0, at));
    const std::optional<double> value = parse_number(trim_blanks(spec.substr(at + sign.size())));
    if (!is_score_name(limit.score) || !value) break;
    limit.comparison = comparison;
    limit.value = *value;
    return limit;
  }
  return usage_error(fmt::format("'{}' is no limit", printable(spec)), "--keep",
                     "NAME>=X, NAME>X, NAME<=X or NAME<X");
}

Result<ScoreLimit> parse_thresholds(std::string_view text, const std::string& where) {
  const Json record = BALLAST_TRY(parse_json(text, where));
  if (BALLAST_TRY(string_member(record, "type", where)) != "thresholds" ||
      BALLAST_TRY(integer_member(record, "v", where)) != 1)
    return corrupt_error("no thresholds of version 1", where);
  ScoreLimit limit;
  limit.score = BALLAST_TRY(string_member(record, "score", where));
  const std::string keep = BALLAST_TRY(string_member(record, "keep", where));
  const auto* known = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                   [&](const auto& entry) { return entry.first == keep; });
  if (known == std::end(kComparisons)) return corrupt_error("'keep' is no comparison", where);
  if (!is_score_name(limit.score)) return corrupt_error("'score' is no name", where);
  limit.comparison = known->second;
  const Json* value = BALLAST_TRY(member(record, "limit", where));
  limit.value = BALLAST_TRY(limit_number(*value, where));
  const auto languages = record.find("languages");
  if (languages == record.end()) return limit;
  if (!languages->is_object()) return corrupt_error("'languages' is no object", where);
  for (const auto& [language, own] : languages->items()) {
    limit.by_language[language] = BALLAST_TRY(limit_number(own, where));
  }
  return limit;
}

std::string thresholds_text(const ScoreLimit& limit, const std::string& share, int64_t documents,
                            int dropped_bits) {
  Json record;
  record["v"] = 1;
  record["type"] = "thresholds";
  record["score"] = limit.score;
  const auto* comparison =
      std::find_if(std::begin(kComparisons), std::end(kComparisons),
                   [&](const auto& entry) { return entry.second == limit.comparison; });
  record["keep"] = comparison->first;
  record["limit"] = json_number(limit.value);
  record["languages"] = Json::object();
  for (const auto& [language, value] : limit.by_language)
    record["languages"][language] = json_number(value);
  record["share"] = share;
  record["documents"] = documents;
  record["dropped_bits"] = dropped_bits;
  return to_json_text(record);
}

Result<void> ScorePlan::read_fasttext(FileSystem& fs, Score& score) {
  const std::string& path = score.spec.source;
  auto& model = fasttext_models_[path];
  if (model == nullptr) model = BALLAST_TRY(FastTextModel::load(fs, path));
  score.fasttext = model;
  const std::vector<std::string>& labels = model->labels();
  const std::string& label = score.spec.label;
  auto found = std::find(labels.begin(), labels.end(), label);
  if (found == labels.end()) found = std::find(labels.begin(), labels.end(), "__label__" + label);
  if (found == labels.end())
    return usage_error(fmt::format("the model has no label '{}'", printable(label)), path);
  score.label = static_cast<size_t>(found - labels.begin());
  return {};
}

Result<void> ScorePlan::read_linear(FileSystem& fs, Score& score) {
  auto& model = linear_models_[score.spec.source];
  if (model == nullptr) model = BALLAST_TRY(LinearModel::load(fs, score.spec.source));
  score.linear = model;
  return {};
}

Result<void> ScorePlan::add_score(std::string_view text, FileSystem& fs) {
  Score score;
  score.spec = BALLAST_TRY(parse_score_spec(text));
  for (const Score& other : scores_) {
    if (other.spec.name == score.spec.name)
      return usage_error("two scores of one name", "--score", score.spec.name);
  }
  if (score.spec.kind == ScoreKind::fasttext) BALLAST_TRY(read_fasttext(fs, score));
  if (score.spec.kind == ScoreKind::linear) BALLAST_TRY(read_linear(fs, score));
  scores_.push_back(std::move(score));
  return {};
}

Result<void> ScorePlan::add_limit(std::string_view spec) {
  limits_.push_back(BALLAST_TRY(parse_score_limit(spec)));
  return {};
}

double ScorePlan::ask(const Score& score, std::string_view text, ScoreBuffers& buffers) {
  if (score.linear != nullptr) return score.linear->score(text, buffers.linear);
  score.fasttext->predict(text, buffers.fasttext);
  return buffers.fasttext.scores[score.label];
}

std::optional<double> ScorePlan::measure(const Score& score, const Document& document,
                                         ScoreBuffers& buffers) {
  const ScoreSpec& spec = score.spec;
  if (spec.kind == ScoreKind::metadata) return document_number(document, spec.source);
  if (spec.over == ScoreOver::text) return ask(score, document.text, buffers);
  std::optional<double> most;
  for (const std::string_view chunk : text_chunks(document.text, spec.chunk)) {
    const double here = ask(score, chunk, buffers);
    if (!most || here > *most) most = here;
    if (spec.over == ScoreOver::first) break;
  }
  return most;
}

ScoreVerdict ScorePlan::judge(Document& document, ScoreBuffers& buffers) const {
  Json& scores = document.ballast["scores"];
  if (!scores.is_object()) scores = Json::object();
  for (const Score& score : scores_) {
    const std::optional<double> value = measure(score, document, buffers);
    scores.erase(score.spec.name);
    if (value) scores[score.spec.name] = *value;
  }
  ScoreVerdict verdict;
  for (const ScoreLimit& limit : limits_) {
    const std::optional<double> value = number_in(scores, limit.score);
    verdict.limit = limit.of(document.language);
    if (value && limit.met_by(*value, verdict.limit)) continue;
    verdict.value = value.value_or(0);
    verdict.reason = value ? limit.score : limit.score + ".missing";
    break;
  }
  if (scores.empty()) document.ballast.erase("scores");
  return verdict;
}

}  // namespace ballast
