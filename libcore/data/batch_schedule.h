// How many tokens each step consumes: a constant, or pieces such as `0:0.5M,10B:1M` ("from 10B
// tokens on, steps of 1M"). A piece begins with the first step that begins at or past its border,
// so steps, tokens and samples are functions of each other in closed form, and a resume needs
// nothing but the text. Pure; thread-safe once made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

class BatchSchedule {
 public:
  // `unit` divides every batch (sequence length x micro-batch). Kind usage, naming --batch-tokens.
  static Result<BatchSchedule> parse(std::string_view text, int64_t unit);

  bool constant() const { return pieces_.size() == 1; }
  int64_t largest() const;
  std::vector<int64_t> sizes() const;  // of the pieces
  int64_t first() const { return pieces_.front().batch; }
  // Of the step that begins when `tokens` are consumed; `tokens` lies on a border of steps.
  int64_t batch_at(int64_t tokens) const;
  // Consumed before step `step` (from 0), that is after `step` steps.
  int64_t tokens_before(int64_t step) const;
  // The fewest steps that consume at least `tokens`.
  int64_t steps_for(int64_t tokens) const;
  // Tokens rounded up to a border of steps.
  int64_t round_up(int64_t tokens) const { return tokens_before(steps_for(tokens)); }
  // Are all steps that begin before `tokens` the same?
  bool same_before(const BatchSchedule& other, int64_t tokens) const;
  // "16384", or "0:524288,10000000000:1048576"; parse() of it gives an equal schedule.
  std::string spec() const;

 private:
  struct Piece {
    int64_t from = 0;  // as given
    int64_t batch = 0;
    int64_t first_token = 0, first_step = 0;  // where it begins
  };
  std::vector<Piece> pieces_;  // ascending; each holds a step
};

}  // namespace ballast
