// Runs a verb over a task's share of the inputs of a folder of parts.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <mutex>

#include "libcore/base/block_pipeline.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/parts/share.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/malformed_lines.h"

namespace ballast {

// Counts what is done, and shows it on a terminal; any thread.
class PartsProgress {
 public:
  void took(int64_t records) {
    const std::lock_guard lock(mutex_);
    records_ += records;
    show();
  }
  void made() {
    const std::lock_guard lock(mutex_);
    ++made_;
    show();
  }
  int64_t count() const { return made_; }
  MalformedLines& malformed() { return malformed_; }
  // At the end of the work.
  void finish() {
    line_.clear();
    malformed_.finish();
  }

 private:
  void show() {
    if (line_.wanted())
      line_.update(fmt::format("{} records taken, {} parts made", records_, made_));
  }
  std::mutex mutex_;
  int64_t records_ = 0, made_ = 0;
  ProgressLine line_;
  MalformedLines malformed_;
};

// `open` makes the stream of an input. An input that fails does not keep the others from being
// done; the first error is returned, in the order of inputs, and says how many failed.
template <class Block>
Result<void> run_parts(const PartsFolder& folder, Share share, ThreadPool& pool,
                       const std::function<std::unique_ptr<BlockStream<Block>>(
                           int64_t input, PartsProgress& progress)>& open) {
  PartsProgress progress;
  int64_t next = 0, mine = 0;
  BlockPipeline<Block> pipeline(pool, [&]() -> std::unique_ptr<BlockStream<Block>> {
    while (next < folder.inputs() && !share.has_input(next, folder.inputs())) ++next;
    if (next == folder.inputs()) return nullptr;
    ++mine;
    return open(next++, progress);
  });
  auto failures = pipeline.run();
  progress.finish();
  print_note(fmt::format("{}: {} made, of {} of {}", folder.directory(),
                         counted(progress.count(), "part"), mine,
                         counted(folder.inputs(), "input")));
  if (failures.empty()) return {};
  Error error = std::move(failures.front().error);
  if (failures.size() > 1) {
    const std::string others =
        fmt::format("and {} more failed", counted(std::ssize(failures) - 1, "input"));
    error.why = error.why.empty() ? others : error.why + "; " + others;
  }
  return error;
}

}  // namespace ballast
