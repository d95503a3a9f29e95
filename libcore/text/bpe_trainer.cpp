#include "libcore/text/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "libcore/text/bpe_words.h"

namespace ballast {
namespace {

constexpr int64_t kMaxVocab = int64_t{1} << 24;
// Of words, headers included: places and pairs are then at most 2^32 too, as BpeWords numbers them.
constexpr size_t kMaxNumbers = size_t{1} << 31;
// Words below which waking threads takes longer than rewriting them.
constexpr size_t kWorthSharing = 4096;

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
  Trainer(TrainedBpe& trained, ThreadPool& pool)
      : trained_(trained),
        pool_(pool),
        parts_(std::min<size_t>(static_cast<size_t>(pool.size()), PieceCounter::kTables)),
        changes_(parts_.size()) {
    for (size_t id = 0; id < trained_.tokens.size(); ++id) {
      const std::string& bytes = trained_.tokens[id];
      ids_.emplace(bytes, static_cast<int32_t>(id));
      if (id >= leading_tokens().size())
        byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    }
  }

  void load(const PieceCounter& counter) {
    each_part(true, [&](size_t part) {
      size_t numbers = 0, words = 0;
      each_word(counter, part, [&](std::string_view piece, int64_t) {
        numbers += piece.size() + BpeWords::kHeader;
        ++words;
      });
      parts_[part].reserve(numbers, words);
      each_word(counter, part, [&](std::string_view piece, int64_t count) {
        parts_[part].add(piece, count, byte_ids_);
      });
      changes_[part] = parts_[part].settle();
    });
    add_up();
    for (const auto& pair : counts_.entries()) floor_ = std::max(floor_, pair.value);
    refill();
  }

  // Joins the best pair; false when there is none.
  bool step() {
    while (true) {
      if (queue_.empty()) {
        if (floor_ <= 1) return false;
        floor_ = std::max<int64_t>(1, floor_ / 4);
        refill();
        continue;
      }
      const Candidate best = queue_.top();
      queue_.pop();
      const int64_t count = counts_[best.key];
      if (count != best.count) {  // it changed since it was queued
        if (count >= floor_ && count < best.count) queue_.push({count, best.key});
        continue;
      }
      const int32_t joined = join(best.key);
      if (joined < 0) continue;
      rewrite(best.key, joined);
      return true;
    }
  }

 private:
  template <class Visit>
  void each_word(const PieceCounter& counter, size_t part, const Visit& visit) const {
    for (size_t i = part; i < PieceCounter::kTables; i += parts_.size())
      counter.table(i).for_each([&](std::string_view piece, uint64_t, int64_t count) {
        if (piece.size() >= 2) visit(piece, count);
      });
  }

  template <class Body>
  void each_part(bool shared, const Body& body) {
    if (!shared) {
      for (size_t part = 0; part < parts_.size(); ++part) body(part);
      return;
    }
    pool_.parallel_for(std::ssize(parts_), 1,
                       [&](int64_t begin, int64_t) { body(static_cast<size_t>(begin)); });
  }

  // The id of the joined token, new or known; -1 when it would spell an added token.
  int32_t join(uint64_t key) {
    const auto at = [this](int32_t id) { return trained_.tokens[static_cast<size_t>(id)]; };
    const std::string bytes = at(left_of(key)) + at(right_of(key));
    const auto [found, fresh] = ids_.emplace(bytes, static_cast<int32_t>(trained_.tokens.size()));
    if (static_cast<size_t>(found->second) < leading_tokens().size()) return -1;
    if (fresh) trained_.tokens.push_back(bytes);
    trained_.merges.push_back({left_of(key), right_of(key), found->second});
    return found->second;
  }

  void rewrite(uint64_t key, int32_t joined) {
    size_t words = 0;
    for (BpeWords& part : parts_) words += part.words_with(key);
    each_part(words >= kWorthSharing, [&](size_t part) {
      parts_[part].join(key, joined);
      changes_[part] = parts_[part].settle();
    });
    add_up();
    counts_[key] = 0;
    std::sort(risen_.begin(), risen_.end());
    risen_.erase(std::unique(risen_.begin(), risen_.end()), risen_.end());
    for (const uint64_t pair : risen_)
      if (const int64_t count = counts_[pair]; count >= floor_) queue_.push({count, pair});
  }

  void add_up() {
    risen_.clear();
    for (const auto changes : changes_) {
      for (const auto [key, by] : changes) {
        counts_[key] += by;
        if (by > 0) risen_.push_back(key);
      }
    }
  }

  // The many pairs below the floor would only take room in the queue: most are never joined.
  void refill() {
    std::vector<Candidate> candidates;
    for (const auto& [key, count] : counts_.entries())
      if (count >= floor_) candidates.push_back({count, key});
    queue_ = std::priority_queue<Candidate>({}, std::move(candidates));
  }

  TrainedBpe& trained_;
  ThreadPool& pool_;
  std::unordered_map<std::string, int32_t> ids_;
  BpeWords::ByteIds byte_ids_{};
  std::vector<BpeWords> parts_;
  std::vector<std::span<const BpeWords::Change>> changes_;  // of each part, since the last step
  PairMap<int64_t> counts_;
  std::priority_queue<Candidate> queue_;  // every pair counted at least floor_ times
  int64_t floor_ = 1;
  std::vector<uint64_t> risen_;
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

Result<TrainedBpe> train_bpe(const PieceCounter& counter, int64_t vocab_size, ThreadPool& pool) {
  TrainedBpe trained;
  trained.pattern = counter.pattern();
  for (const AddedToken& token : leading_tokens()) trained.tokens.push_back(token.content);
  for (const std::string& byte : bytes_in_alphabet_order()) trained.tokens.push_back(byte);
  const auto smallest = static_cast<int64_t>(trained.tokens.size());
  if (vocab_size < smallest || vocab_size > kMaxVocab)
    return usage_error(fmt::format("vocabulary size {} is out of range", vocab_size), "--size",
                       fmt::format("{} to {}", smallest, kMaxVocab));
  size_t numbers = 0;
  for (size_t i = 0; i < PieceCounter::kTables; ++i)
    numbers += counter.table(i).piece_bytes() + BpeWords::kHeader * counter.table(i).size();
  if (numbers >= kMaxNumbers)
    return usage_error("too many distinct pieces to learn from", {},
                       "at most 2 GiB of them, three bytes for each counted in");
  Trainer trainer(trained, pool);
  trainer.load(counter);
  while (static_cast<int64_t>(trained.tokens.size()) < vocab_size) {
    if (!trainer.step())
      return insufficient_error(
          fmt::format("documents give only {} tokens", trained.tokens.size()), {},
          fmt::format("{} wanted: add documents or lower --size", vocab_size));
  }
  return trained;
}

}  // namespace ballast
