#include "libcore/precision/recipe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ballast {
namespace {

struct GranularityWord {
  Granularity granularity;
  std::string_view word;
  PowerOfTwo own_rounding;
};
constexpr std::array<GranularityWord, 4> kGranularities = {{
    {Granularity::tensor, "tensor", PowerOfTwo::off},
    {Granularity::row, "row", PowerOfTwo::floor},
    {Granularity::block_1x128, "1x128", PowerOfTwo::floor},
    {Granularity::block_128x128, "128x128", PowerOfTwo::floor},
}};

const GranularityWord& word_of(Granularity granularity) {
  return kGranularities[static_cast<size_t>(granularity)];
}

std::string_view rounding_word(PowerOfTwo rounding) {
  if (rounding == PowerOfTwo::off) return "exact";
  return rounding == PowerOfTwo::floor ? "floor" : "ceil";
}

float floor_power_of_two(float value) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xFF800000u);
}

float ceil_power_of_two(float value) {
  const float floor = floor_power_of_two(value);
  return floor == value ? value : floor * 2.0f;
}

Error bad_recipe(std::string_view word, const std::string& flag) {
  return usage_error("unknown recipe '" + std::string(word) + "'", flag,
                     "tensor, row, 1x128 or 128x128, then :e4m3 or :e5m2 and :exact, :floor or "
                     ":ceil if wanted");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0;;) {
    const size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

}  // namespace

std::string Recipe::name() const {
  const GranularityWord& known = word_of(granularity);
  std::string text(known.word);
  if (format != Fp8Format::e4m3) text += ":" + std::string(limits_of(format).name);
  if (power_of_two != known.own_rounding) text += ":" + std::string(rounding_word(power_of_two));
  return text;
}

Result<Recipe> parse_recipe(std::string_view word, const std::string& flag) {
  const std::vector<std::string_view> parts = split(word, ':');
  const auto* known =
      std::find_if(kGranularities.begin(), kGranularities.end(),
                   [&](const GranularityWord& candidate) { return candidate.word == parts[0]; });
  if (known == kGranularities.end()) return bad_recipe(word, flag);
  Recipe recipe{known->granularity, Fp8Format::e4m3, known->own_rounding};
  size_t next = 1;
  if (next < parts.size() && (parts[next] == "e4m3" || parts[next] == "e5m2")) {
    recipe.format = parts[next++] == "e4m3" ? Fp8Format::e4m3 : Fp8Format::e5m2;
  }
  for (PowerOfTwo rounding : {PowerOfTwo::off, PowerOfTwo::floor, PowerOfTwo::ceil}) {
    if (next < parts.size() && parts[next] == rounding_word(rounding)) {
      recipe.power_of_two = rounding;
      ++next;
      break;
    }
  }
  if (next != parts.size()) return bad_recipe(word, flag);
  return recipe;
}

Result<std::vector<Recipe>> parse_recipes(std::string_view list, const std::string& flag) {
  std::vector<Recipe> recipes;
  for (std::string_view word : split(list, ',')) {
    const Recipe recipe = BALLAST_TRY(parse_recipe(word, flag));
    if (std::find(recipes.begin(), recipes.end(), recipe) != recipes.end()) {
      return usage_error("recipe '" + recipe.name() + "' is named twice", flag);
    }
    recipes.push_back(recipe);
  }
  return recipes;
}

float scale_of(const Recipe& recipe, float amax, float source_max) {
  if (!std::isfinite(amax)) return 1.0f;
  const float fp8_max = limits_of(recipe.format).max_finite;
  if (recipe.power_of_two == PowerOfTwo::ceil) {
    return 1.0f / ceil_power_of_two(std::max(amax, 1e-4f) / fp8_max);
  }
  float scale;
  if (recipe.granularity == Granularity::row) {
    scale = static_cast<float>(static_cast<double>(fp8_max) /
                               std::max(static_cast<double>(amax), 1e-12));
  } else {
    if (amax == 0.0f) return 1.0f;
    scale = fp8_max / amax;
    if (std::isinf(scale)) scale = source_max;
  }
  return recipe.power_of_two == PowerOfTwo::floor ? floor_power_of_two(scale) : scale;
}

}  // namespace ballast
