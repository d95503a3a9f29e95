// How rare the tokens of an incident's batches were against those of the batches before, measured
// by whoever can read the shards; the weighing of causes takes the numbers. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast {

// Mean surprisal in bits a token, of a batch and of the sequence in it where it is highest.
struct BatchSurprisal {
  int64_t step = -1;
  double mean = 0;
  double highest = 0;
};

// One of the two, of the batch where it stands out most.
struct SurprisalTest {
  int64_t step = -1;
  double bits = 0;
  double usual = 0;  // median of the batches before
  double z = 0;      // by their robust scale, which is at least 1/1000 of the median
};

struct TokenEvidence {
  int64_t batches = 0;  // compared with; 0: nothing is known
  SurprisalTest mean, highest;
  bool known() const { return batches > 0; }
};

// Fewer than 20 batches before give nothing.
TokenEvidence token_evidence(const std::vector<BatchSurprisal>& incident,
                             const std::vector<BatchSurprisal>& before);

}  // namespace ballast
