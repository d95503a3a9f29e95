// The lines of a Megatron-LM console, taken apart: the record of a log interval, a validation line,
// and the lines on checkpoints. Pure functions on text; megatron.h puts them together.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/trace/record.h"

namespace ballast {

// Where " iteration N/ M |" stands in a line.
struct MegatronHead {
  size_t at = 0;          // of "iteration"
  int64_t iteration = 0;  // N
  size_t end = 0;         // behind the "|"
  bool cut = false;       // the line ends within the head, behind the "/"
};
std::optional<MegatronHead> find_megatron_head(std::string_view line, size_t from = 0);

// What a record holds besides the step itself.
struct MegatronInterval {
  int64_t skipped = 0, nans = 0;  // iterations of the interval
  int64_t batch = 0;              // samples of a global batch, 0 unknown
  std::string_view norm;          // as it is written
};

// Takes the fields apart. The layout of the line before is remembered, since nearly every line has
// the same.
class MegatronFields {
 public:
  // `fields`: what stands behind the head, up to and with the last "|". False: a field that is
  // known has no usable value. Names that are not known are given to `unused` when first seen.
  bool read(std::string_view fields, StepRecord& step, MegatronInterval& interval,
            std::vector<std::string>& unused);

 private:
  static constexpr size_t kRemembered = 40;
  struct Place {
    std::string name;
    int target = -1;
  };
  int target_of(std::string_view name, size_t place, std::vector<std::string>& unused);
  std::array<Place, kRemembered> places_;
};
// Whether a line that has no head goes on with fields that are known.
bool continues_megatron_record(std::string_view line);

// " validation loss at iteration 2000 [on SET set] | lm loss value: X | lm loss PPL: Y |".
std::optional<EvalRecord> megatron_validation(std::string_view line, int64_t last_iteration);
// "saving checkpoint at iteration N ...", "successfully loaded checkpoint ... at iteration N".
std::optional<EventRecord> megatron_event(std::string_view line);

}  // namespace ballast
