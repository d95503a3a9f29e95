#include "libcore/guard/ladder.h"

#include <fmt/format.h>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr int64_t kDefaultSkip = 20;
constexpr int64_t kMost = 1'000'000'000;  // batches and steps; keeps sample positions in range
constexpr const char* kAccepted =
    "accepted: off, or a list of replay, skip:K, rollback:M[+K], stop";

Result<Rung> parse_rung(std::string_view text) {
  const Error bad = usage_error(fmt::format("--guard: '{}' is not a rung", text), "", kAccepted);
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const bool bare = colon == std::string_view::npos;
  const std::string_view value = bare ? "" : text.substr(colon + 1);
  if (name == "replay" && bare) return Rung{RungKind::replay, 0, 0};
  if (name == "stop" && bare) return Rung{RungKind::stop, 0, 0};
  if (name == "skip" && !value.empty()) {
    const auto batches = parse_count(value);
    if (!batches.ok() || *batches < 1 || *batches > kMost) return bad;
    return Rung{RungKind::skip, 0, *batches};
  }
  if (name == "rollback" && !value.empty()) {
    const size_t plus = value.find('+');
    const auto steps = parse_count(value.substr(0, plus));
    const auto batches = plus == std::string_view::npos ? Result<int64_t>(kDefaultSkip)
                                                        : parse_count(value.substr(plus + 1));
    if (!steps.ok() || !batches.ok() || *steps > kMost || *batches > kMost) return bad;
    return Rung{RungKind::rollback, *steps, *batches};
  }
  if (name == "wait" || name == "lr" || name == "clip" || name == "drop-source") {
    return usage_error(fmt::format("--guard: '{}' is not built", name), "", kAccepted);
  }
  return bad;
}

}  // namespace

std::string Rung::text() const {
  switch (kind) {
    case RungKind::replay:
      return "replay";
    case RungKind::skip:
      return fmt::format("skip:{}", skip_batches);
    case RungKind::rollback:
      return fmt::format("rollback:{}+{}", steps, skip_batches);
    case RungKind::stop:
      return "stop";
  }
  return "";
}

Result<Ladder> Ladder::parse(std::string_view spec) {
  Ladder ladder;
  ladder.spec_ = std::string(spec);
  if (spec == "off") return ladder;
  for (size_t begin = 0; begin <= spec.size();) {
    const size_t comma = std::min(spec.find(',', begin), spec.size());
    ladder.rungs_.push_back(BALLAST_TRY(parse_rung(spec.substr(begin, comma - begin))));
    begin = comma + 1;
  }
  return ladder;
}

Rung Ladder::next(int64_t step) {
  if (last_step_ >= 0 && step > last_step_ + kMemorySteps) next_ = 0;
  last_step_ = std::max(last_step_, step);
  const auto rung = static_cast<size_t>(next_++);
  return rung < rungs_.size() ? rungs_[rung] : Rung{RungKind::stop, 0, 0};
}

Json Ladder::state() const { return {{"next", next_}, {"last_step", last_step_}}; }

Result<void> Ladder::load(const Json& state) {
  next_ = BALLAST_TRY(integer_member(state, "next", "ladder"));
  last_step_ = BALLAST_TRY(integer_member(state, "last_step", "ladder"));
  return {};
}

}  // namespace ballast
