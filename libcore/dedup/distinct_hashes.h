// A set of 128-bit hashes that numbers them in the order in which they are first seen. Equal hashes
// count as equal things: among n of them two differ nonetheless with chance n^2 / 2^129. Open
// addressing in 64 parts that grow one at a time, so growing never needs a second copy of the
// whole: 21 to 43 bytes per hash, 32 to 64 with numbers. One thread. Nothing fails.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "libcore/base/hash.h"

namespace ballast {

class DistinctHashes {
 public:
  // Without numbers every answer's number is 0.
  explicit DistinctHashes(bool numbered) : numbered_(numbered) {}

  struct Answer {
    bool fresh = false;   // not seen before
    uint64_t number = 0;  // of its first sight, from 0
  };
  Answer insert(Hash128 hash);

  int64_t size() const { return count_; }
  int64_t bytes() const { return bytes_; }  // of the tables

 private:
  struct Part {
    std::vector<Hash128> slots;  // all zero: free
    std::vector<uint64_t> numbers;
    size_t used = 0;
  };
  void grow(Part& part);

  bool numbered_;
  int64_t count_ = 0, bytes_ = 0;
  std::array<Part, 64> parts_;
};

}  // namespace ballast
