#include "libcore/text/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

namespace ballast {
namespace {

constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxSymbols = int64_t{1} << 32;

uint64_t key_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
int32_t left_of(uint64_t key) { return static_cast<int32_t>(key >> 32); }
int32_t right_of(uint64_t key) { return static_cast<int32_t>(key & 0xFFFFFFFF); }

struct ScatterKey {
  size_t operator()(uint64_t key) const {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 32;
  }
};

struct Word {
  uint32_t begin = 0;  // in symbols_
  uint32_t length = 0;
  int64_t count = 0;
};

struct Pair {
  int64_t count = 0;
  bool barred = false;          // joining it would spell an added token
  std::vector<uint32_t> words;  // that held it when they were noted
};

struct Candidate {
  int64_t count = 0;
  uint64_t key = 0;
  // For std::priority_queue: the larger count first, of equals the smaller pair.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class Trainer {
 public:
  explicit Trainer(TrainedBpe& trained) : trained_(trained) {
    for (size_t id = 0; id < trained_.tokens.size(); ++id) {
      const std::string& bytes = trained_.tokens[id];
      ids_.emplace(bytes, static_cast<int32_t>(id));
      if (id >= leading_tokens().size())
        byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    }
  }

  void add_words(const PieceCounter::Counts& counts) {
    for (const auto& [piece, count] : counts) {
      if (piece.size() < 2) continue;
      const auto word = static_cast<uint32_t>(words_.size());
      words_.push_back(
          {static_cast<uint32_t>(symbols_.size()), static_cast<uint32_t>(piece.size()), count});
      for (const char byte : piece) symbols_.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
      for (size_t i = symbols_.size() - piece.size(); i + 1 < symbols_.size(); ++i)
        change(symbols_[i], symbols_[i + 1], count, word);
    }
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
    touched_.clear();
  }

  // Joins the best pair; false when there is none.
  bool step() {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Pair& pair = pairs_[best.key];
      if (pair.barred || pair.count <= 0) continue;
      if (pair.count != best.count) {  // it lost occurrences since it was queued
        queue_.push({pair.count, best.key});
        continue;
      }
      const int32_t joined = join(best.key, pair);
      if (joined < 0) continue;
      const std::vector<uint32_t> words = std::move(pair.words);
      pair.words.clear();
      for (const uint32_t word : words) rewrite(word, best.key, joined);
      pairs_[best.key].count = 0;
      for (const uint64_t key : touched_) queue_.push({pairs_[key].count, key});
      touched_.clear();
      return true;
    }
    return false;
  }

 private:
  void change(int32_t left, int32_t right, int64_t by, uint32_t word) {
    const uint64_t key = key_of(left, right);
    Pair& pair = pairs_[key];
    pair.count += by;
    if (by < 0) return;
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
    if (touched_.empty() || touched_.back() != key) touched_.push_back(key);
  }

  // The id of the joined token, new or known; -1 bars the pair.
  int32_t join(uint64_t key, Pair& pair) {
    const auto at = [this](int32_t id) { return trained_.tokens[static_cast<size_t>(id)]; };
    const std::string bytes = at(left_of(key)) + at(right_of(key));
    const auto [found, fresh] = ids_.emplace(bytes, static_cast<int32_t>(trained_.tokens.size()));
    if (static_cast<size_t>(found->second) < leading_tokens().size()) {
      pair.barred = true;
      return -1;
    }
    if (fresh) trained_.tokens.push_back(bytes);
    trained_.merges.push_back({left_of(key), right_of(key), found->second});
    return found->second;
  }

  void rewrite(uint32_t index, uint64_t key, int32_t joined) {
    Word& word = words_[index];
    int32_t* symbols = &symbols_[word.begin];
    const int32_t left = left_of(key), right = right_of(key);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < word.length;) {
      if (symbols[i] != left || i + 1 == word.length || symbols[i + 1] != right) {
        symbols[kept++] = symbols[i++];
        continue;
      }
      if (kept > 0) {
        change(symbols[kept - 1], left, -word.count, index);
        change(symbols[kept - 1], joined, word.count, index);
      }
      if (i + 2 < word.length) {
        change(right, symbols[i + 2], -word.count, index);
        change(joined, symbols[i + 2], word.count, index);
      }
      symbols[kept++] = joined;
      i += 2;
    }
    word.length = kept;
  }

  TrainedBpe& trained_;
  std::unordered_map<std::string, int32_t> ids_;
  std::array<int32_t, 256> byte_ids_{};
  std::vector<int32_t> symbols_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair, ScatterKey> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<uint64_t> touched_;
};

// Hugging Face numbers the bytes by the characters that stand for them.
std::vector<std::string> bytes_in_alphabet_order() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  const auto rank = [](const std::string& byte) {
    const std::string& name = byte_level_alphabet()[static_cast<uint8_t>(byte[0])];
    return std::pair(name.size(), name);  // shorter UTF-8 is the smaller code point
  };
  std::sort(bytes.begin(), bytes.end(),
            [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  return bytes;
}

}  // namespace

const std::vector<AddedToken>& leading_tokens() {
  static const std::vector<AddedToken> tokens = [] {
    std::vector<AddedToken> made;
    for (const char* name : {"<s>", "</s>", "<pad>", "<email-pii>", "<ip-pii>", "<iban-pii>"}) {
      AddedToken token;
      token.content = name;
      token.id = static_cast<int32_t>(made.size());
      token.special = made.size() < 3;
      made.push_back(token);
    }
    return made;
  }();
  return tokens;
}

Result<TrainedBpe> train_bpe(const PieceCounter& counter, int64_t vocab_size) {
  TrainedBpe trained;
  trained.pattern = counter.pattern();
  for (const AddedToken& token : leading_tokens()) trained.tokens.push_back(token.content);
  for (const std::string& byte : bytes_in_alphabet_order()) trained.tokens.push_back(byte);
  const auto smallest = static_cast<int64_t>(trained.tokens.size());
  if (vocab_size < smallest || vocab_size > kMaxVocab)
    return usage_error(fmt::format("vocabulary size {} is out of range", vocab_size), "--size",
                       fmt::format("{} to {}", smallest, kMaxVocab));
  int64_t symbols = 0;
  for (const auto& [piece, count] : counter.counts()) symbols += static_cast<int64_t>(piece.size());
  if (symbols >= kMaxSymbols)
    return usage_error("too many distinct pieces to learn from", {}, "at most 4 GiB of them");
  Trainer trainer(trained);
  trainer.add_words(counter.counts());
  while (static_cast<int64_t>(trained.tokens.size()) < vocab_size) {
    if (!trainer.step())
      return insufficient_error(
          fmt::format("documents give only {} tokens", trained.tokens.size()), {},
          fmt::format("{} wanted: add documents or lower --size", vocab_size));
  }
  return trained;
}

}  // namespace ballast
