#include "libcore/text/quality/rules.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {
namespace {

// As datatrove: a limit of 0 asks for nothing.
bool asked(Limit limit) { return limit.has_value() && *limit != 0; }

int64_t count_of(std::string_view text, std::string_view what) {
  int64_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size())) {
    ++count;
  }
  return count;
}

bool ends_in_ellipsis(std::string_view line) {
  return line.ends_with("...") || line.ends_with("…");
}

struct WordCounts {
  int64_t ordinary = 0;  // not of symbols alone
  int64_t chars = 0;     // of those
  int64_t with_letters = 0;
  int64_t stop_words = 0;  // distinct
};

WordCounts count_words(MeasuredText& text) {
  constexpr std::string_view kStopWords[] = {"the", "be",   "to",   "of",
                                             "and", "that", "have", "with"};
  WordCounts counts;
  uint32_t met = 0;
  for (const Word& word : text.words()) {
    counts.ordinary += word.symbols ? 0 : 1;
    counts.chars += word.symbols ? 0 : word.chars;
    counts.with_letters += word.letters ? 1 : 0;
    if (word.chars < 2 || word.chars > 4) continue;
    for (size_t i = 0; i < std::size(kStopWords); ++i) {
      if (word.of(text.text()) == kStopWords[i]) met |= 1u << i;
    }
  }
  counts.stop_words = std::popcount(met);
  return counts;
}

struct LineRatios {
  double bullets = 0, ellipses = 0;
};
LineRatios measure_lines(std::string_view rest) {
  const uint32_t* masks = word_masks();
  std::string_view line;
  double lines = 0, bullets = 0, ellipses = 0;
  while (next_line(rest, line, masks)) {
    ++lines;
    const std::string_view head = strip_front(line, masks);
    bullets += head.starts_with("•") || head.starts_with('-') ? 1 : 0;
    ellipses += ends_in_ellipsis(strip_back(line, masks)) ? 1 : 0;
  }
  return {bullets / lines, ellipses / lines};
}

}  // namespace

QualityDrop check_gopher(MeasuredText& text, const GopherLimits& limits) {
  const auto total = static_cast<double>(text.words().size());
  if (total == 0) return {"short_doc", 0.0, limits.min_doc_words};
  const WordCounts words = count_words(text);
  const auto below = [](Limit limit, double value) { return asked(limit) && value < *limit; };
  const auto above = [](Limit limit, double value) { return asked(limit) && value > *limit; };

  const auto ordinary = static_cast<double>(words.ordinary);
  if (below(limits.min_doc_words, ordinary)) return {"short_doc", ordinary, limits.min_doc_words};
  if (above(limits.max_doc_words, ordinary)) return {"long_doc", ordinary, limits.max_doc_words};
  const double length = static_cast<double>(words.chars) / ordinary;  // no number without words
  if (below(limits.min_avg_word_length, length))
    return {"below_avg_threshold", length, limits.min_avg_word_length};
  if (above(limits.max_avg_word_length, length))
    return {"above_avg_threshold", length, limits.max_avg_word_length};

  const Limit symbols = limits.max_symbol_word_ratio;
  const double hashes = static_cast<double>(count_of(text.text(), "#")) / total;
  if (above(symbols, hashes)) return {"too_many_hashes", hashes, symbols};
  const int64_t dots = count_of(text.text(), "...") + count_of(text.text(), "…");
  const double ellipses = static_cast<double>(dots) / total;
  if (above(symbols, ellipses)) return {"too_many_ellipsis", ellipses, symbols};

  const LineRatios lines = measure_lines(text.text());
  if (above(limits.max_bullet_lines_ratio, lines.bullets))
    return {"too_many_bullets", lines.bullets, limits.max_bullet_lines_ratio};
  if (above(limits.max_ellipsis_lines_ratio, lines.ellipses))
    return {"too_many_end_ellipsis", lines.ellipses, limits.max_ellipsis_lines_ratio};

  const double letters = static_cast<double>(words.with_letters) / total;
  if (below(limits.max_non_alpha_words_ratio, letters))
    return {"below_alpha_threshold", letters, limits.max_non_alpha_words_ratio};
  const auto stop_words = static_cast<double>(words.stop_words);
  if (below(limits.min_stop_words, stop_words))
    return {"enough_stop_words", stop_words, limits.min_stop_words};
  return {};
}

}  // namespace ballast
