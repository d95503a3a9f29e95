#include "libcore/data/batch_schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr const char* kFlag = "--batch-tokens";
constexpr size_t kMostPieces = 1024;

int64_t ceil_divide(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

}  // namespace

Result<BatchSchedule> BatchSchedule::parse(std::string_view text, int64_t unit) {
  BatchSchedule schedule;
  const bool pieces = text.find(':') != std::string_view::npos;
  for (std::string_view rest = text; schedule.pieces_.size() < kMostPieces;) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const size_t colon = item.find(':');
    if (pieces == (colon == std::string_view::npos))
      return usage_error(fmt::format("{}: '{}' is not accepted", kFlag, text), "",
                         "a count, or FROM:COUNT,FROM:COUNT,... with FROM in tokens");
    Piece piece;
    if (pieces) piece.from = BALLAST_TRY(parse_count(item.substr(0, colon)));
    piece.batch = BALLAST_TRY(parse_count(pieces ? item.substr(colon + 1) : item));
    if (piece.batch < unit || piece.batch % unit != 0)
      return usage_error(fmt::format("{} is {}", kFlag, piece.batch), "",
                         fmt::format("must be a multiple of --micro-batch x --seq-len = {}", unit));
    if (piece.from > int64_t{1} << 61 || piece.batch > int64_t{1} << 61)
      return usage_error(fmt::format("{}: '{}' is too large", kFlag, item));
    if (schedule.pieces_.empty()) {
      if (piece.from != 0)
        return usage_error(fmt::format("{}: the first piece begins at {}", kFlag, piece.from), "",
                           "accepted: 0");
    } else {
      const Piece& last = schedule.pieces_.back();
      const int64_t steps =
          ceil_divide(std::max<int64_t>(0, piece.from - last.first_token), last.batch);
      if (steps == 0)
        return usage_error(fmt::format("{}: no step lies before {}", kFlag, item), "",
                           "pieces ascend, and each holds a step");
      piece.first_step = last.first_step + steps;
      piece.first_token = last.first_token + steps * last.batch;
    }
    schedule.pieces_.push_back(piece);
    if (comma == std::string_view::npos) return schedule;
    rest.remove_prefix(comma + 1);
  }
  return usage_error(fmt::format("{}: more than {} pieces", kFlag, kMostPieces));
}

int64_t BatchSchedule::largest() const {
  return std::ranges::max_element(pieces_, {}, &Piece::batch)->batch;
}

std::vector<int64_t> BatchSchedule::sizes() const {
  std::vector<int64_t> list;
  for (const Piece& piece : pieces_) list.push_back(piece.batch);
  return list;
}

int64_t BatchSchedule::batch_at(int64_t tokens) const {
  const auto after = std::ranges::upper_bound(pieces_, tokens, {}, &Piece::first_token);
  return (after - 1)->batch;
}

int64_t BatchSchedule::tokens_before(int64_t step) const {
  const auto after = std::ranges::upper_bound(pieces_, step, {}, &Piece::first_step);
  const Piece& piece = *(after - 1);
  return piece.first_token + (step - piece.first_step) * piece.batch;
}

int64_t BatchSchedule::steps_for(int64_t tokens) const {
  const auto after = std::ranges::upper_bound(pieces_, tokens, {}, &Piece::first_token);
  const Piece& piece = *(after - 1);
  const int64_t steps = piece.first_step + ceil_divide(tokens - piece.first_token, piece.batch);
  // The last step of a piece may reach past the next piece's border.
  return after == pieces_.end() ? steps : std::min(steps, after->first_step);
}

bool BatchSchedule::same_before(const BatchSchedule& other, int64_t tokens) const {
  const auto begun = [&](const BatchSchedule& schedule) {
    std::vector<std::pair<int64_t, int64_t>> list;
    for (const Piece& piece : schedule.pieces_) {
      if (piece.first_token >= tokens) break;
      if (!list.empty() && list.back().second == piece.batch) continue;  // nothing changes there
      list.emplace_back(piece.first_token, piece.batch);
    }
    return list;
  };
  return begun(*this) == begun(other);
}

std::string BatchSchedule::spec() const {
  if (constant()) return std::to_string(pieces_.front().batch);
  std::string text;
  for (const Piece& piece : pieces_)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", piece.from, piece.batch);
  return text;
}

}  // namespace ballast
