#include "libcore/guard/ladder.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr int64_t kDefaultSkip = 20;
constexpr int64_t kMost = 1'000'000'000;  // batches and steps; keeps sample positions in range
constexpr double kLargestNorm = 1e30;
constexpr std::array<const char*, 2> kKindNames = {"nonfinite", "jump"};
constexpr const char* kAccepted =
    "accepted: off, or a list of wait:K, replay, skip:K, rollback:M[+K], lr:F, clip:C, "
    "drop-source, stop";

struct RungText {
  std::string_view name, value;
  bool bare = false;  // no colon
};

bool count_from_one(std::string_view text, int64_t& into) {
  const auto count = parse_count(text);
  if (!count.ok() || *count < 1 || *count > kMost) return false;
  into = *count;
  return true;
}

bool take_bare(const RungText& text, Rung& rung) {
  if (text.name == "replay") {
    rung.kind = RungKind::replay;
  } else if (text.name == "drop-source") {
    rung.kind = RungKind::drop_source;
  } else if (text.name == "stop") {
    rung.kind = RungKind::stop;
  } else {
    return false;
  }
  return text.bare;
}

bool take_rollback(std::string_view value, Rung& rung) {
  rung.kind = RungKind::rollback;
  const size_t plus = value.find('+');
  const auto steps = parse_count(value.substr(0, plus));
  const auto batches = plus == std::string_view::npos ? Result<int64_t>(kDefaultSkip)
                                                      : parse_count(value.substr(plus + 1));
  if (!steps.ok() || !batches.ok() || *steps > kMost || *batches > kMost) return false;
  rung.steps = *steps;
  rung.skip_batches = *batches;
  return true;
}

bool take_value(const RungText& text, Rung& rung) {
  if (text.value.empty()) return false;
  if (text.name == "wait") {
    rung.kind = RungKind::wait;
    return count_from_one(text.value, rung.steps);
  }
  if (text.name == "skip") {
    rung.kind = RungKind::skip;
    return count_from_one(text.value, rung.skip_batches);
  }
  if (text.name == "rollback") return take_rollback(text.value, rung);
  const auto number = parse_double(text.value);
  if (!number.ok() || !(*number > 0)) return false;
  rung.value = *number;
  if (text.name == "lr") {
    rung.kind = RungKind::lr;
    return rung.value < 1;
  }
  rung.kind = RungKind::clip;
  return text.name == "clip" && rung.value <= kLargestNorm;
}

Result<Rung> parse_rung(std::string_view text) {
  const size_t colon = text.find(':');
  const bool bare = colon == std::string_view::npos;
  const RungText parts = {text.substr(0, colon), bare ? "" : text.substr(colon + 1), bare};
  Rung rung;
  if (take_bare(parts, rung) || take_value(parts, rung)) return rung;
  return usage_error(fmt::format("--guard: '{}' is not a rung", text), "", kAccepted);
}

}  // namespace

std::string Rung::text() const {
  switch (kind) {
    case RungKind::wait:
      return fmt::format("wait:{}", steps);
    case RungKind::replay:
      return "replay";
    case RungKind::skip:
      return fmt::format("skip:{}", skip_batches);
    case RungKind::rollback:
      return fmt::format("rollback:{}+{}", steps, skip_batches);
    case RungKind::lr:
      return "lr:" + format_double(value);
    case RungKind::clip:
      return "clip:" + format_double(value);
    case RungKind::drop_source:
      return "drop-source";
    case RungKind::stop:
      return "stop";
  }
  return "";
}

Result<Ladder> Ladder::parse(std::string_view spec) {
  Ladder ladder;
  for (const NamedLadder& named : kNamedLadders)
    if (spec == named.name) spec = named.ladder;
  ladder.spec_ = std::string(spec);
  if (spec == "off") return ladder;
  for (size_t begin = 0; begin <= spec.size();) {
    const size_t comma = std::min(spec.find(',', begin), spec.size());
    ladder.rungs_.push_back(BALLAST_TRY(parse_rung(spec.substr(begin, comma - begin))));
    begin = comma + 1;
  }
  return ladder;
}

Rung Ladder::next(IncidentKind kind, int64_t step) {
  Position& at = positions_[static_cast<size_t>(kind)];
  if (at.last_step >= 0 && step > at.last_step + kMemorySteps) at.next = 0;
  at.last_step = std::max(at.last_step, step);
  const auto rung = static_cast<size_t>(at.next++);
  return rung < rungs_.size() ? rungs_[rung] : Rung{};
}

int64_t Ladder::longest_way_back() const {
  int64_t longest = 0;
  for (const Rung& rung : rungs_)
    if (rung.kind == RungKind::rollback) longest = std::max(longest, rung.steps);
  return longest;
}

bool Ladder::has(RungKind kind) const {
  return std::ranges::any_of(rungs_, [&](const Rung& rung) { return rung.kind == kind; });
}

Json Ladder::state() const {
  Json json = Json::object();
  for (size_t kind = 0; kind < positions_.size(); ++kind) {
    json[kKindNames[kind]] = {{"next", positions_[kind].next},
                              {"last_step", positions_[kind].last_step}};
  }
  return json;
}

Result<void> Ladder::load(const Json& state) {
  std::array<Position, 2> loaded;
  for (size_t kind = 0; kind < loaded.size(); ++kind) {
    const Json* at = BALLAST_TRY(member(state, kKindNames[kind], "ladder"));
    loaded[kind].next = BALLAST_TRY(integer_member(*at, "next", "ladder"));
    loaded[kind].last_step = BALLAST_TRY(integer_member(*at, "last_step", "ladder"));
    if (loaded[kind].next < 0 || loaded[kind].last_step > int64_t{1} << 62)
      return corrupt_error("a position is out of range", "ladder");
  }
  positions_ = loaded;
  return {};
}

}  // namespace ballast
