// The order of training data as a law: sample i is a pure function of (data_seed, i), with O(1)
// memory per source and no cursor, so any rank can make any sample and a resume stores one number.
//
// A phase begins at a sample and holds until the next one. Its weights are rounded to 1/65536 and
// one period of 65,536 slots is laid out once by error diffusion: source(i) = slot[(i - i0) mod
// 65536]. How many samples of a source came before i follows in closed form; that ordinal, over all
// phases, names epoch and place, and a Feistel permutation with cycle walking, keyed (data_seed,
// xxh3 of the source's name, epoch), names the window. Pure; thread-safe once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

inline constexpr int64_t kSlots = 65536;

// Window w of a source is its tokens [w T, w T + T], T + 1 of them; what is left over is never
// shown.
constexpr int64_t windows_in(int64_t tokens, int64_t seq_len) {
  return tokens > 0 ? (tokens - 1) / seq_len : 0;
}

struct DataSource {
  std::string name;     // keys the permutation
  int64_t windows = 0;  // N_s: windows of T+1 tokens
};

struct DataPhase {
  int64_t first_sample = 0;     // 0 for the first; ascending
  std::vector<double> weights;  // one per source, >= 0, not all 0
  // Keys the permutations instead of data_seed. Each source keeps its ordinal, so what is left of
  // an epoch that began under another key may show windows again.
  std::optional<uint64_t> seed = {};
};

struct SampleAddress {
  int source = 0;
  int64_t epoch = 0;
  int64_t window = 0;
  bool operator==(const SampleAddress&) const = default;
};

class DataOrder {
 public:
  static Result<DataOrder> make(uint64_t data_seed, std::vector<DataSource> sources,
                                std::vector<DataPhase> phases);

  SampleAddress at(int64_t sample) const;
  // Samples of `source` among the first `samples`.
  int64_t drawn(int source, int64_t samples) const;
  // The sample that shows (source, epoch, window), or -1 when none below `samples` does: the order
  // is invertible. Of several, which only phases with seeds of their own can make, the last.
  int64_t find(const SampleAddress& address, int64_t samples) const;
  // All of them below `samples`, ascending.
  std::vector<int64_t> find_all(const SampleAddress& address, int64_t samples) const;
  const std::vector<DataSource>& sources() const { return sources_; }
  int64_t phases() const { return static_cast<int64_t>(phases_.size()); }
  int64_t phase_index(int64_t sample) const;
  int64_t phase_begin(int64_t index) const {
    return phases_[static_cast<size_t>(index)].first_sample;
  }

 private:
  struct Phase {
    int64_t first_sample = 0;
    uint64_t seed = 0;
    std::vector<int64_t> slots_of;         // per source: slots in a period
    std::vector<int64_t> base;             // per source: samples drawn in earlier phases
    std::vector<uint16_t> source_of_slot;  // kSlots entries
    std::vector<int32_t> rank_of_slot;     // slots of the same source before it in the period
    std::vector<int32_t> slots;            // kSlots entries: of each source in turn, ascending
    std::vector<int32_t> first_slot;       // per source: where its part of `slots` begins
  };
  const Phase& phase_of(int64_t sample) const;
  int64_t find_in_phase(size_t phase, const SampleAddress& address, int64_t samples) const;
  int64_t drawn_in_phase(const Phase& phase, int source, int64_t samples) const;

  std::vector<DataSource> sources_;
  std::vector<uint64_t> stream_;  // xxh3 of the name
  std::vector<Phase> phases_;
};

// A bijection of [0, n), different for every (seed, stream, epoch), and its inverse.
int64_t permute(int64_t index, int64_t n, uint64_t seed, uint64_t stream, int64_t epoch);
int64_t unpermute(int64_t index, int64_t n, uint64_t seed, uint64_t stream, int64_t epoch);

}  // namespace ballast
