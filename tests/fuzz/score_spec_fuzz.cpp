// The values of --score and --keep, one on a line. What is accepted is complete, and says the same
// when it is spelled out.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/base/units.h"
#include "libcore/text/scores/score_plan.h"

namespace {

using ballast::ScoreKind;
using ballast::ScoreOver;

std::string spelled_out(const ballast::ScoreSpec& spec) {
  if (spec.kind == ScoreKind::metadata) return spec.name + "=metadata:" + spec.source;
  std::string text = spec.name + (spec.kind == ScoreKind::linear ? "=linear:" : "=fasttext:");
  text += spec.source;
  if (spec.over != ScoreOver::text)
    text += ",chunk=" + std::to_string(spec.chunk) +
            (spec.over == ScoreOver::max ? ",over=max" : ",over=first");
  if (spec.kind == ScoreKind::fasttext) text += ",label=" + spec.label;
  return text;
}

void check_score(std::string_view line) {
  const auto spec = ballast::parse_score_spec(line);
  if (!spec.ok()) return;
  BALLAST_CHECK(ballast::is_score_name(spec->name) && !spec->source.empty() && spec->chunk > 0);
  BALLAST_CHECK(spec->label.empty() == (spec->kind != ScoreKind::fasttext));
  const auto again = ballast::parse_score_spec(spelled_out(*spec));
  BALLAST_CHECK(again.ok() && again->name == spec->name && again->kind == spec->kind &&
                again->source == spec->source && again->label == spec->label &&
                again->over == spec->over);
  BALLAST_CHECK(again->chunk == spec->chunk);
}

void check_limit(std::string_view line) {
  const auto limit = ballast::parse_score_limit(line);
  if (!limit.ok()) return;
  BALLAST_CHECK(ballast::is_score_name(limit->score) && std::isfinite(limit->value));
  const char* signs[] = {">=", ">", "<=", "<"};
  const std::string text = limit->score + signs[static_cast<size_t>(limit->comparison)] +
                           ballast::format_double(limit->value);
  const auto again = ballast::parse_score_limit(text);
  BALLAST_CHECK(again.ok() && again->score == limit->score && again->value == limit->value &&
                again->comparison == limit->comparison);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    check_score(rest.substr(0, end));
    check_limit(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}
