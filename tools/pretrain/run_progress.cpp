#include "tools/pretrain/run_progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"

namespace ballast {

void RunProgress::show(const StepWork& work) {
  const bool tenth = work.step % std::max<int64_t>(1, config_.total_steps / 10) == 0;
  if (!leads_ || (!line_.wanted() && !tenth)) return;
  const double seconds = clock_.average_step_seconds();
  const auto rate = static_cast<int64_t>(static_cast<double>(work.batch_tokens) / seconds);
  const double left = static_cast<double>(config_.total_steps - work.step) * seconds;
  const std::string text = fmt::format(
      "step {}/{}  loss {:.4f}  norm {:.3f}{}  lr {:.2e}  {} tok/s  ETA {}", work.step,
      config_.total_steps, work.losses.loss, work.grad_norm, work.clip.clipped ? " (clipped)" : "",
      work.lr, format_count(rate), format_seconds(left));
  if (line_.wanted()) {
    line_.update(text);
  } else {
    print_note(text);
  }
}

}  // namespace ballast
