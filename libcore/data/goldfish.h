// The Goldfish loss (Hans et al., arXiv 2406.10209): a share 1/k of the labels is never learnt, the
// same ones whenever the same passage comes again, so that it cannot be recited. Dropped labels are
// masked like padding and not counted.
//   fixed   (default) a 64-bit hash of the h ids that end at the label; dropped when its top 32
//   bits
//           are below 2^32/k
//   apertus the mask of ahans30/goldfish-loss and of the Apertus runs: the product of the h ids,
//           wrapping in 64 bits, floor-mod 1,000,003, looks up a table of float uniforms (MT19937,
//           seed 2971215073); dropped when the entry is below float(1/k). With large h the product
//           is often 0 mod 2^64 and the rate is not 1/k; use it only to reproduce those runs.
//   static  labels `start`, start + k, ... of every row
// In the hash modes the first h - 1 labels of a row stay. Windows run over the labels of a row as
// they stand in the shard, borders of documents included. Pure; thread-safe once made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class GoldfishMode { fixed, apertus, every };

class Goldfish {
 public:
  // `k=50,h=50[,mode=fixed|apertus|static][,start=0]` (start with mode=static, which has no h).
  // Kind usage, naming --goldfish.
  static Result<Goldfish> parse(std::string_view spec);

  // drop[i] says whether label i of a row is dropped; both spans have the row's length.
  void mask(std::span<const int32_t> labels, std::span<uint8_t> drop) const;
  std::string spec() const;  // every key written out

 private:
  void mask_product(std::span<const int32_t> labels, std::span<uint8_t> drop) const;
  void mask_rolling(std::span<const int32_t> labels, std::span<uint8_t> drop) const;

  GoldfishMode mode_ = GoldfishMode::fixed;
  int64_t k_ = 50, h_ = 50, start_ = 0;
  std::vector<float> table_;  // apertus
};

// For tests: entry i is a multiple of 2^-24.
std::vector<float> goldfish_table();

}  // namespace ballast
