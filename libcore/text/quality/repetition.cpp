#include <fmt/format.h>

#include "libcore/text/quality/duplicates.h"
#include "libcore/text/quality/rules.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {
namespace {

// Pieces between runs of at least `run` line feeds, empty ones at the ends included.
template <typename Take>
void split_at_runs(std::string_view text, size_t run, const Take& take) {
  size_t begin = 0;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at)) {
    const size_t end = std::min(text.find_first_not_of('\n', at), text.size());
    if (end - at >= run) {
      take(text.substr(begin, at - begin));
      begin = end;
    }
    at = end;
  }
  take(text.substr(begin));
}

Duplicates count_pieces(std::string_view text, size_t run, StringIds& seen) {
  Duplicates found;
  seen.reset(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  split_at_runs(text, run, [&](std::string_view piece) { found.add(piece, seen); });
  return found;
}

// Characters of the n-gram that occurs most often (the first of several), joined by blanks, times
// its occurrences. `grams` holds the numbers of the (n-1)-grams and receives those of the n-grams.
double top_n_gram_chars(MeasuredText& text, size_t n, RuleBuffers& buffers) {
  const std::vector<Word>& words = text.words();
  const size_t grams = words.size() - n + 1;
  buffers.pairs.reset(grams);
  buffers.counts.clear();
  buffers.firsts.clear();
  for (size_t i = 0; i < grams; ++i) {
    const uint32_t id = buffers.pairs.intern(buffers.grams[i], buffers.words[i + n - 1]);
    buffers.grams[i] = id;
    if (id == buffers.counts.size()) {
      buffers.counts.push_back(0);
      buffers.firsts.push_back(static_cast<uint32_t>(i));
    }
    ++buffers.counts[id];
  }
  const auto top = std::max_element(buffers.counts.begin(), buffers.counts.end());
  const size_t first = buffers.firsts[static_cast<size_t>(top - buffers.counts.begin())];
  int64_t chars = static_cast<int64_t>(n) - 1;
  for (size_t i = first; i < first + n; ++i) chars += words[i].chars;
  return static_cast<double>(chars * *top);
}

// Characters in n-grams that stood before, compared without blanks; behind one the search goes on.
double duplicate_n_gram_chars(size_t n, RuleBuffers& buffers) {
  const std::string_view joined = buffers.joined;
  const std::vector<uint32_t>& ends = buffers.ends;  // of words, from 0, in `joined`
  int64_t chars = 0;
  if (ends.size() <= n) return 0;
  buffers.strings.reset(ends.size() - n);
  for (size_t i = 0; i + n < ends.size();) {
    const std::string_view gram = joined.substr(ends[i], ends[i + n] - ends[i]);
    if (buffers.strings.insert(gram)) {
      ++i;
    } else {
      chars += count_chars(gram);
      i += n;
    }
  }
  return static_cast<double>(chars);
}

void join_words(MeasuredText& text, RuleBuffers& buffers) {
  buffers.joined.clear();
  buffers.ends.assign(1, 0);
  for (const Word& word : text.words()) {
    buffers.joined += word.of(text.text());
    buffers.ends.push_back(static_cast<uint32_t>(buffers.joined.size()));
  }
}

void number_words(MeasuredText& text, RuleBuffers& buffers) {
  buffers.strings.reset(text.words().size());
  buffers.words.clear();
  for (const Word& word : text.words())
    buffers.words.push_back(buffers.strings.intern(word.of(text.text())));
  buffers.grams = buffers.words;
}

}  // namespace

QualityDrop check_repetition(MeasuredText& text, const RepetitionLimits& limits,
                             RuleBuffers& buffers) {
  if (text.text().empty()) return {"empty", {}, {}};
  const auto chars = static_cast<double>(text.chars());
  const auto above = [](Limit limit, double value) {
    return limit.has_value() && *limit != 0 && value > *limit;
  };
  const Duplicates paragraphs = count_pieces(strip(text.text(), word_masks()), 2, buffers.strings);
  if (above(limits.dup_para_frac, paragraphs.share()))
    return {"dup_para_frac", paragraphs.share(), limits.dup_para_frac};
  if (const double share = paragraphs.chars / chars; above(limits.dup_para_char_frac, share))
    return {"dup_para_char_frac", share, limits.dup_para_char_frac};
  const Duplicates lines = count_pieces(text.text(), 1, buffers.strings);
  if (above(limits.dup_line_frac, lines.share()))
    return {"dup_line_frac", lines.share(), limits.dup_line_frac};
  if (const double share = lines.chars / chars; above(limits.dup_line_char_frac, share))
    return {"dup_line_char_frac", share, limits.dup_line_char_frac};

  number_words(text, buffers);
  for (size_t n = 2; n < 2 + limits.top_n_grams.size(); ++n) {
    if (text.words().size() < n) break;
    const Limit limit = limits.top_n_grams[n - 2];
    const double share = top_n_gram_chars(text, n, buffers) / chars;
    if (limit && share > *limit) return {fmt::format("top_{}_gram", n), share, limit};
  }
  join_words(text, buffers);
  for (size_t n = 5; n < 5 + limits.dup_n_grams.size(); ++n) {
    const Limit limit = limits.dup_n_grams[n - 5];
    if (!limit) continue;
    const double share = duplicate_n_gram_chars(n, buffers) / chars;
    if (share > *limit) return {fmt::format("duplicated_{}_n_grams", n), share, limit};
  }
  return {};
}

}  // namespace ballast
