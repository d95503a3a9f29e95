// The rules of the four quality filters with their published thresholds, as datatrove (0.10) ships
// them; decisions are the same, down to the order of the rules. A limit that is absent is a rule
// that is switched off. Gopher: arXiv 2112.11446, table A1; C4: arXiv 1910.10683; FineWeb: arXiv
// 2406.17557. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/text/quality/intern.h"
#include "libcore/text/quality/measured_text.h"

namespace ballast {

using Limit = std::optional<double>;

struct GopherLimits {
  Limit min_doc_words = 50, max_doc_words = 100000;  // words that are not symbols alone
  Limit min_avg_word_length = 3, max_avg_word_length = 10;
  Limit max_symbol_word_ratio = 0.1;  // '#', and ellipses, per word
  Limit max_bullet_lines_ratio = 0.9, max_ellipsis_lines_ratio = 0.3;
  Limit max_non_alpha_words_ratio = 0.8;  // least share of words with a letter (datatrove's name)
  Limit min_stop_words = 2;               // distinct ones
};

struct RepetitionLimits {
  Limit dup_line_frac = 0.3, dup_para_frac = 0.3;
  Limit dup_line_char_frac = 0.2, dup_para_char_frac = 0.2;
  std::array<Limit, 3> top_n_grams = {0.2, 0.18, 0.16};                     // of 2, 3, 4 words
  std::array<Limit, 6> dup_n_grams = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};  // of 5 to 10 words
};

struct C4Limits {
  bool remove_citations = true, filter_no_terminal_punct = true, filter_lorem_ipsum = true;
  bool filter_javascript = true, filter_curly_bracket = true, filter_policy = true;
  Limit min_num_sentences = 5, min_words_per_line = 3, max_word_length = 1000;
};

struct FineWebLimits {
  double line_punct_thr = 0.12;
  bool line_punct_exclude_zero = false;
  double short_line_thr = 0.67, short_line_length = 30;
  double char_duplicates_ratio = 0.01;
  double new_line_ratio = 0.3;
};

// Why a text goes. An empty rule: it stays.
struct QualityDrop {
  std::string rule;    // "dup_line_frac"
  Limit value, limit;  // what was measured; absent for words that must not occur
  int64_t line = 0;    // where such a word stands, from 1

  bool dropped() const { return !rule.empty(); }
};

// What C4's rules did to the lines of a text that stays.
struct LineCounts {
  int64_t lines = 0, kept = 0;
  int64_t too_long_word = 0, no_terminal_punct = 0, too_few_words = 0, javascript = 0, policy = 0;
  int64_t citations = 0;  // taken out
};

// Buffers of the rules; one per thread.
struct RuleBuffers {
  StringIds strings;
  PairIds pairs;
  std::vector<uint32_t> words, grams, counts, firsts, ends;
  std::string joined, line, folded;
};

QualityDrop check_gopher(MeasuredText& text, const GopherLimits& limits);
QualityDrop check_repetition(MeasuredText& text, const RepetitionLimits& limits,
                             RuleBuffers& buffers);
QualityDrop check_fineweb(MeasuredText& text, const FineWebLimits& limits, RuleBuffers& buffers);
// Writes the lines that stay to `kept`.
QualityDrop check_c4(MeasuredText& text, const C4Limits& limits, RuleBuffers& buffers,
                     LineCounts& counts, std::string& kept);

}  // namespace ballast
