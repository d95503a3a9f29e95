// A line feed parts a linear model's file from a text. Any file is refused, or a model that says
// the same of a text twice: a finite number, from 0 to 1 unless it is raw, the same for a text in
// other white space, and that of no term at all is its bias.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/scores/linear_model.h"

namespace {

// Bit for bit the same, whatever the buffers held.
double ask(const ballast::LinearModel& model, std::string_view text) {
  ballast::LinearBuffers buffers;
  const double once = model.score(text, buffers);
  (void)model.score("other words in between", buffers);
  BALLAST_CHECK(model.score(text, buffers) == once && std::isfinite(once));
  for (const uint32_t count : buffers.counts) BALLAST_CHECK(count == 0);
  BALLAST_CHECK(!model.has_sigmoid() || (once >= 0 && once <= 1));
  return once;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  const auto model = ballast::LinearModel::parse(input.substr(0, end), "model");
  if (!model.ok()) return 0;
  std::string text(input.substr(std::min(end + 1, input.size())));
  const double score = ask(**model, text);
  std::replace(text.begin(), text.end(), ' ', '\t');
  BALLAST_CHECK(ask(**model, text) == score);
  ballast::LinearBuffers buffers;
  (void)(*model)->score(text, buffers);
  if (buffers.found.empty()) BALLAST_CHECK(ask(**model, "") == score);
  BALLAST_CHECK(std::all_of(buffers.found.begin(), buffers.found.end(),
                            [&](uint32_t term) { return term < (*model)->terms(); }));
  return 0;
}
