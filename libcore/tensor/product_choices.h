// Which algorithm of cuBLASLt multiplies which shape, as text: it stands in checkpoints, so that a
// run that goes on uses the algorithms it began with and gives the same bits. First line: the
// library and device that the choices belong to; then a line for each shape, its name, " = " and
// the library's eight words for the algorithm in hexadecimal. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ballast {

struct ProductChoices {
  using Words = std::array<uint64_t, 8>;
  std::string owner;
  std::map<std::string, Words> by_shape;

  std::string text() const;
  // Nothing when a line is not of that form, or a shape stands there twice.
  static std::optional<ProductChoices> parse(std::string_view text);
  bool operator==(const ProductChoices&) const = default;
};

}  // namespace ballast
