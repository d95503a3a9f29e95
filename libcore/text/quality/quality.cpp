#include "libcore/text/quality/quality.h"

#include <fmt/format.h>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr std::string_view kNames[] = {"gopher", "gopher_repetition", "c4", "fineweb"};

Result<void> take_limit(StrategySpec& spec, const char* key, Limit& limit) {
  const std::string text = spec.take_text(key, "");
  if (text.empty()) return {};
  if (text == "off") {
    limit.reset();
    return {};
  }
  const Result<double> value = parse_double(text);
  if (!value.ok() || *value < 0) {
    return usage_error(fmt::format("{}: {}={} is not accepted", spec.kind(), key, text),
                       spec.flag(), "a number of 0 or more, or 'off'");
  }
  limit = *value;
  return {};
}

Result<void> take_switch(StrategySpec& spec, const char* key, bool& on) {
  on = BALLAST_TRY(spec.take_word(key, on ? "on" : "off", {"on", "off"})) == "on";
  return {};
}

Result<GopherLimits> read_gopher(StrategySpec& spec) {
  GopherLimits limits;
  BALLAST_TRY(take_limit(spec, "min_doc_words", limits.min_doc_words));
  BALLAST_TRY(take_limit(spec, "max_doc_words", limits.max_doc_words));
  BALLAST_TRY(take_limit(spec, "min_avg_word_length", limits.min_avg_word_length));
  BALLAST_TRY(take_limit(spec, "max_avg_word_length", limits.max_avg_word_length));
  BALLAST_TRY(take_limit(spec, "max_symbol_word_ratio", limits.max_symbol_word_ratio));
  BALLAST_TRY(take_limit(spec, "max_bullet_lines_ratio", limits.max_bullet_lines_ratio));
  BALLAST_TRY(take_limit(spec, "max_ellipsis_lines_ratio", limits.max_ellipsis_lines_ratio));
  BALLAST_TRY(take_limit(spec, "max_non_alpha_words_ratio", limits.max_non_alpha_words_ratio));
  BALLAST_TRY(take_limit(spec, "min_stop_words", limits.min_stop_words));
  return limits;
}

Result<RepetitionLimits> read_repetition(StrategySpec& spec) {
  RepetitionLimits limits;
  BALLAST_TRY(take_limit(spec, "dup_line_frac", limits.dup_line_frac));
  BALLAST_TRY(take_limit(spec, "dup_para_frac", limits.dup_para_frac));
  BALLAST_TRY(take_limit(spec, "dup_line_char_frac", limits.dup_line_char_frac));
  BALLAST_TRY(take_limit(spec, "dup_para_char_frac", limits.dup_para_char_frac));
  for (size_t i = 0; i < limits.top_n_grams.size(); ++i) {
    const std::string key = fmt::format("top_{}_gram", i + 2);
    BALLAST_TRY(take_limit(spec, key.c_str(), limits.top_n_grams[i]));
  }
  for (size_t i = 0; i < limits.dup_n_grams.size(); ++i) {
    const std::string key = fmt::format("duplicated_{}_n_grams", i + 5);
    BALLAST_TRY(take_limit(spec, key.c_str(), limits.dup_n_grams[i]));
  }
  return limits;
}

Result<C4Limits> read_c4(StrategySpec& spec) {
  C4Limits limits;
  BALLAST_TRY(take_switch(spec, "remove_citations", limits.remove_citations));
  BALLAST_TRY(take_switch(spec, "filter_no_terminal_punct", limits.filter_no_terminal_punct));
  BALLAST_TRY(take_switch(spec, "filter_lorem_ipsum", limits.filter_lorem_ipsum));
  BALLAST_TRY(take_switch(spec, "filter_javascript", limits.filter_javascript));
  BALLAST_TRY(take_switch(spec, "filter_curly_bracket", limits.filter_curly_bracket));
  BALLAST_TRY(take_switch(spec, "filter_policy", limits.filter_policy));
  BALLAST_TRY(take_limit(spec, "min_num_sentences", limits.min_num_sentences));
  BALLAST_TRY(take_limit(spec, "min_words_per_line", limits.min_words_per_line));
  BALLAST_TRY(take_limit(spec, "max_word_length", limits.max_word_length));
  return limits;
}

Result<FineWebLimits> read_fineweb(StrategySpec& spec) {
  FineWebLimits limits;
  limits.line_punct_thr =
      BALLAST_TRY(spec.take_number("line_punct_thr", limits.line_punct_thr, 0, 1));
  BALLAST_TRY(take_switch(spec, "line_punct_exclude_zero", limits.line_punct_exclude_zero));
  limits.short_line_thr =
      BALLAST_TRY(spec.take_number("short_line_thr", limits.short_line_thr, 0, 1));
  limits.short_line_length =
      BALLAST_TRY(spec.take_number("short_line_length", limits.short_line_length, 0, 1e9));
  limits.char_duplicates_ratio =
      BALLAST_TRY(spec.take_number("char_duplicates_ratio", limits.char_duplicates_ratio, 0, 1));
  limits.new_line_ratio =
      BALLAST_TRY(spec.take_number("new_line_ratio", limits.new_line_ratio, 0, 1e9));
  return limits;
}

// One filter per element: a comma begins a new one unless a key of the filter before it follows.
std::vector<std::string> split_filters(std::string_view text) {
  std::vector<std::string> filters;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const size_t equals = item.find('=');
    const bool key = equals != std::string_view::npos && item.find(':') > equals;
    if (key && !filters.empty() && filters.back().find(':') != std::string::npos) {
      filters.back() += "," + std::string(item);
    } else {
      filters.emplace_back(item);
    }
    if (comma == std::string_view::npos) return filters;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<QualityPlan> QualityPlan::parse(std::string_view text, const std::string& flag) {
  QualityPlan plan;
  for (const std::string& item : split_filters(text)) {
    StrategySpec spec = BALLAST_TRY(StrategySpec::parse(item, flag));
    const std::string& kind = spec.kind();
    Filter filter;
    if (kind == "gopher") {
      filter = BALLAST_TRY(read_gopher(spec));
    } else if (kind == "gopher-repetition") {
      filter = BALLAST_TRY(read_repetition(spec));
    } else if (kind == "c4") {
      filter = BALLAST_TRY(read_c4(spec));
    } else if (kind == "fineweb") {
      filter = BALLAST_TRY(read_fineweb(spec));
    } else {
      return usage_error(fmt::format("unknown filter '{}'", kind), flag,
                         "one of gopher, gopher-repetition, c4, fineweb");
    }
    BALLAST_TRY(spec.finish());
    for (const Filter& other : plan.filters_) {
      if (other.index() == filter.index())
        return usage_error(fmt::format("'{}' is named twice", kind), flag);
    }
    plan.filters_.push_back(std::move(filter));
  }
  return plan;
}

QualityVerdict QualityPlan::check(std::string& text, QualityBuffers& buffers) const {
  QualityVerdict verdict;
  std::string_view current = text;
  MeasuredText& measured = buffers.text;
  measured.reset(current);
  for (const Filter& filter : filters_) {
    verdict.filter = kNames[filter.index()];
    if (const auto* gopher = std::get_if<GopherLimits>(&filter)) {
      verdict.drop = check_gopher(measured, *gopher);
    } else if (const auto* repetition = std::get_if<RepetitionLimits>(&filter)) {
      verdict.drop = check_repetition(measured, *repetition, buffers.rules);
    } else if (const auto* fineweb = std::get_if<FineWebLimits>(&filter)) {
      verdict.drop = check_fineweb(measured, *fineweb, buffers.rules);
    } else {
      verdict.drop = check_c4(measured, std::get<C4Limits>(filter), buffers.rules, verdict.lines,
                              buffers.rewritten);
      if (!verdict.kept()) return verdict;
      verdict.rewritten = buffers.rewritten != current;
      if (verdict.rewritten) measured.reset(current = buffers.rewritten);
    }
    if (!verdict.kept()) return verdict;
  }
  if (verdict.rewritten) text = buffers.rewritten;
  return verdict;
}

Json line_counts_json(const LineCounts& counts) {
  Json json = Json::object();
  json["lines"] = counts.lines;
  json["kept"] = counts.kept;
  const std::pair<const char*, int64_t> details[] = {
      {"too_long_word", counts.too_long_word},
      {"no_terminal_punct", counts.no_terminal_punct},
      {"too_few_words", counts.too_few_words},
      {"javascript", counts.javascript},
      {"policy", counts.policy},
      {"citations", counts.citations}};
  for (const auto& [name, count] : details) {
    if (count > 0) json[name] = count;
  }
  return json;
}

}  // namespace ballast
