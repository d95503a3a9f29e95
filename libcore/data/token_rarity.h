// How rare tokens are, by how often each id came before: surprisal under add-one unigram counts,
// the share of the rarest ids, the share of ids that never came. Pure; const methods may be called
// by several threads.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ballast {

// Sums over tokens, so that parts add up.
struct Rarity {
  int64_t tokens = 0;
  double bits = 0;     // surprisal
  int64_t rare = 0;    // tokens with a rare id
  int64_t unseen = 0;  // tokens with an id that never came
  void add(const Rarity& other);
  double mean_bits() const { return share(bits); }
  double rare_share() const { return share(static_cast<double>(rare)); }
  double unseen_share() const { return share(static_cast<double>(unseen)); }

 private:
  double share(double sum) const { return tokens > 0 ? sum / static_cast<double>(tokens) : 0; }
};

class TokenRarity {
 public:
  // counts[id], one per id of the vocabulary; expected counts need not be whole.
  explicit TokenRarity(std::vector<double> counts);

  double total() const { return total_; }
  double count(int32_t id) const { return counts_[static_cast<size_t>(id)]; }
  // -log2 ((count + 1) / (total + ids)).
  double bits(int32_t id) const;
  // By frequency: ids that came less than half a time; the rarest others that make at most 1 % of
  // the tokens, 10 %, half of them; the rest.
  static constexpr int kClasses = 5;
  static constexpr std::array<std::string_view, kClasses> kClassNames = {
      "never came", "rarest 1 %", "to 10 %", "to 50 %", "the commonest"};
  int class_of(int32_t id) const { return knows(id) ? classes_[static_cast<size_t>(id)] : 0; }
  // Of ordinary text about 1 % is rare.
  bool is_rare(int32_t id) const { return class_of(id) <= 1; }
  bool is_unseen(int32_t id) const { return class_of(id) == 0; }
  // kClasses shares of tokens given as times by id.
  std::vector<double> shares_by_class(std::span<const double> times) const;

  // Ids outside the vocabulary count as never seen.
  Rarity of(std::span<const int32_t> ids) const;
  // At most `most` distinct ids of these, the rarest first; of equal counts the smaller id.
  std::vector<int32_t> rarest(std::span<const int32_t> ids, size_t most) const;

 private:
  bool knows(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < counts_.size(); }
  std::vector<double> counts_;
  std::vector<uint8_t> classes_;
  double total_ = 0;
};

// Mean surprisal of each of some sequences. With `among` their tokens are part of the counts, and
// are taken out of them first: how a batch looks to a run that has seen everything else.
std::vector<double> surprisals(std::span<const double> counts,
                               std::span<const std::vector<int32_t>> sequences, bool among);

}  // namespace ballast
