#include "libcore/text/unicode_class.h"

#include <algorithm>
#include <vector>

namespace ballast {
namespace {

struct Row {
  uint32_t first;
  int mask;
};

constexpr Row kRows[] = {
#include "libcore/text/unicode_ranges.inc"
};

std::vector<uint8_t> expand() {
  std::vector<uint8_t> masks(0x110000);
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const size_t next = i + 1 < std::size(kRows) ? kRows[i + 1].first : masks.size();
    std::fill(masks.begin() + kRows[i].first, masks.begin() + static_cast<std::ptrdiff_t>(next),
              static_cast<uint8_t>(kRows[i].mask));
  }
  return masks;
}

}  // namespace

const uint8_t* char_masks() {
  static const std::vector<uint8_t> masks = expand();
  return masks.data();
}

}  // namespace ballast
