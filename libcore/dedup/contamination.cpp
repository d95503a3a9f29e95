#include "libcore/dedup/contamination.h"

#include <algorithm>
#include <map>

#include "libcore/base/hash.h"
#include "libcore/dedup/sequence_match.h"
#include "libcore/dedup/simplify.h"

namespace ballast {
namespace {

std::string joined(const std::vector<std::string_view>& words, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) {
    if (i > begin) text += ' ';
    text += words[i];
  }
  return text;
}

}  // namespace

// Leaves views into buffers.simple.
void ContaminationIndex::cut(std::string_view text, ContaminationBuffers& buffers) {
  simplify_text(text, buffers.simple);
  buffers.splitter.split(buffers.simple, buffers.spans);
  buffers.words.clear();
  for (const Word& word : buffers.spans) buffers.words.push_back(word.of(buffers.simple));
}

uint64_t ContaminationIndex::hash_at(const Words& words, size_t begin) const {
  return xxh3_64(joined(words, begin, begin + static_cast<size_t>(options_.words)));
}

// N-grams that lie in words [begin, end); whether there is any.
bool ContaminationIndex::add_ngrams(const Words& words, size_t begin, size_t end, uint32_t item) {
  const auto n = static_cast<size_t>(options_.words);
  for (size_t i = begin; i + n <= end; ++i) {
    std::vector<uint32_t>& having = ngrams_[hash_at(words, i)];
    if (having.empty() || having.back() != item) having.push_back(item);
  }
  return begin + n <= end;
}

void ContaminationIndex::add(BenchmarkItem item, std::string_view query, std::string_view text) {
  const auto number = static_cast<uint32_t>(items_.size());
  items_.push_back(std::move(item));
  ContaminationBuffers of_query, of_text;
  cut(query, of_query);
  cut(text, of_text);
  Words words = of_query.words;
  words.insert(words.end(), of_text.words.begin(), of_text.words.end());
  const size_t border = of_query.words.size();
  const auto n = static_cast<size_t>(options_.words);
  bool any = false;
  if (options_.method == ContaminationMethod::overlap || options_.queries) {
    any = add_ngrams(words, 0, words.size(), number);
  } else {
    // The last n - 1 words of the query and the answer: across the border, and within the answer.
    any = add_ngrams(words, border - std::min(border, n - 1), words.size(), number);
  }
  short_items_ += any ? 0 : 1;
  if (options_.method != ContaminationMethod::overlap) return;
  std::vector<uint32_t>& numbers = item_words_.emplace_back();
  for (const std::string_view word : words) {
    numbers.push_back(
        vocabulary_.emplace(word, static_cast<uint32_t>(vocabulary_.size()) + 1).first->second);
  }
}

Contamination ContaminationIndex::decide(std::string_view text,
                                         ContaminationBuffers& buffers) const {
  cut(text, buffers);
  const Words& words = buffers.words;
  if (options_.method == ContaminationMethod::overlap) return decide_overlap(words);
  Contamination result;
  const auto n = static_cast<size_t>(options_.words);
  for (size_t i = 0; i + n <= words.size(); ++i) {
    const auto found = ngrams_.find(hash_at(words, i));
    if (found == ngrams_.end()) continue;
    result.item = &items_[found->second.front()];
    result.words = joined(words, i, i + n);
    break;
  }
  return result;
}

Contamination ContaminationIndex::decide_overlap(const Words& words) const {
  std::map<uint32_t, std::pair<size_t, size_t>> candidates;  // first and last shared n-gram
  const auto n = static_cast<size_t>(options_.words);
  for (size_t i = 0; i + n <= words.size(); ++i) {
    const auto found = ngrams_.find(hash_at(words, i));
    if (found == ngrams_.end()) continue;
    for (const uint32_t item : found->second) {
      candidates.emplace(item, std::pair(i, i)).first->second.second = i;
    }
  }
  Contamination result;
  for (const auto& [item, places] : candidates) {
    result.share = overlap(words, places.first, places.second + n, item);
    if (result.share <= options_.share) continue;
    result.item = &items_[item];
    return result;
  }
  result.share = 0;
  return result;
}

double ContaminationIndex::overlap(const Words& words, size_t first, size_t last,
                                   uint32_t item) const {
  const std::vector<uint32_t>& wanted = item_words_[item];
  const size_t begin = first - std::min(first, wanted.size());
  const size_t end = std::min(words.size(), last + wanted.size());
  std::vector<uint32_t> part;
  for (size_t i = begin; i < end; ++i) {
    const auto known = vocabulary_.find(std::string(words[i]));
    part.push_back(known == vocabulary_.end() ? 0 : known->second);
  }
  int64_t shared = 0;
  for (const MatchingRun& run : matching_runs(part, wanted)) {
    if (run.length >= options_.least_run) shared += run.length;
  }
  return static_cast<double>(shared) / static_cast<double>(wanted.size());
}

}  // namespace ballast
