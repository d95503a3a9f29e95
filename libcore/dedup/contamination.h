// Which documents hold items of benchmarks. Words are those of datatrove: the simplified text
// (simplify.h) cut by the rules for English (words.h). Two methods:
//
// `ngram`: a document is contaminated by any n words in a row that an item has too (GPT-3: 13
// words, datatrove: 12): n words of its answer, or across the border of its query and its answer,
// and where asked of its query alone. An item without query is one text.
//
// `overlap`: as the Apertus report describes it for its post-training data, with words for tokens:
// items that share 8 words in a row with the document are compared with it by Ratcliff and
// Obershelp; runs under 5 words do not count, and the document is contaminated when the rest are
// more than half of the item. Compared is the part of the document that could hold the item: from
// one item's length before the first shared words to one after the last.
//
// Items are added first; then decide() may be called from several threads, each with its buffers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libcore/text/quality/words.h"

namespace ballast {

enum class ContaminationMethod { ngram, overlap };

struct ContaminationOptions {
  ContaminationMethod method = ContaminationMethod::ngram;
  int64_t words = 12;     // in a row; of `overlap` those of the prefilter
  bool queries = false;   // `ngram`: also words of queries alone
  int64_t least_run = 5;  // `overlap`
  double share = 0.5;     // `overlap`: of the item's words, more than
};

struct BenchmarkItem {
  std::string benchmark;
  int64_t number = 0;  // in its file, from 1
};

struct Contamination {
  const BenchmarkItem* item = nullptr;  // null: none found
  std::string words;                    // `ngram`: those that were found
  double share = 0;                     // `overlap`
};

struct ContaminationBuffers {
  WordSplitter splitter;
  std::vector<Word> spans;
  std::string simple;
  std::vector<std::string_view> words;
};

class ContaminationIndex {
 public:
  explicit ContaminationIndex(const ContaminationOptions& options) : options_(options) {}
  void add(BenchmarkItem item, std::string_view query, std::string_view text);
  Contamination decide(std::string_view text, ContaminationBuffers& buffers) const;

  int64_t items() const { return static_cast<int64_t>(items_.size()); }
  int64_t ngrams() const { return static_cast<int64_t>(ngrams_.size()); }
  // Items that are too short to have an n-gram: they can contaminate nothing.
  int64_t short_items() const { return short_items_; }

 private:
  using Words = std::vector<std::string_view>;
  static void cut(std::string_view text, ContaminationBuffers& buffers);
  uint64_t hash_at(const Words& words, size_t begin) const;
  bool add_ngrams(const Words& words, size_t begin, size_t end, uint32_t item);
  Contamination decide_overlap(const Words& words) const;
  double overlap(const Words& words, size_t first, size_t last, uint32_t item) const;

  ContaminationOptions options_;
  std::vector<BenchmarkItem> items_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> ngrams_;  // to items, rising
  std::unordered_map<std::string, uint32_t> vocabulary_;        // of items, `overlap`
  std::vector<std::vector<uint32_t>> item_words_;               // `overlap`
  int64_t short_items_ = 0;
};

}  // namespace ballast
