#include "libcore/provenance/consumers.h"

#include <algorithm>

#include "libcore/checkpoint/address.h"

namespace ballast {

Consumers::Consumers(const RunData& run) : run_(run), samples_(run.orders().size(), 0) {
  for (const StepRange& range : run.ranges()) {
    const StepBatch& last = run.steps()[range.last - 1];
    const int64_t end = sample_of(last.consumed + last.samples - 1, range.skips) + 1;
    samples_[range.order] = std::max(samples_[range.order], end);
  }
  for (size_t o = 0; o < run.orders().size(); ++o) {
    std::vector<int64_t>& epochs = epochs_.emplace_back();
    for (size_t s = 0; s < run.sources().size(); ++s) {
      const int64_t windows = run.orders()[o].sources()[s].windows;
      const int64_t drawn = run.orders()[o].drawn(static_cast<int>(s), samples_[o]);
      epochs.push_back((drawn + windows - 1) / windows);
    }
  }
}

// nullptr: no step of the range consumed the sample.
const StepBatch* Consumers::step_of(const StepRange& range, int64_t sample) const {
  const auto consumed = consumed_before(sample, range.skips);
  if (!consumed) return nullptr;
  const auto begin = run_.steps().begin() + static_cast<std::ptrdiff_t>(range.first);
  const auto end = run_.steps().begin() + static_cast<std::ptrdiff_t>(range.last);
  const auto after = std::upper_bound(
      begin, end, *consumed, [](int64_t value, const StepBatch& b) { return value < b.consumed; });
  if (after == begin) return nullptr;
  const StepBatch& step = *(after - 1);
  return *consumed < step.consumed + step.samples ? &step : nullptr;
}

std::vector<Shown> Consumers::of_window(int source, int64_t window) const {
  std::vector<Shown> all;
  for (size_t o = 0; o < run_.orders().size(); ++o) {
    for (int64_t epoch = 0; epoch < epochs_[o][static_cast<size_t>(source)]; ++epoch) {
      const auto samples = run_.orders()[o].find_all({source, epoch, window}, samples_[o]);
      for (const int64_t sample : samples) {
        for (const StepRange& range : run_.ranges()) {
          const StepBatch* step = range.order == o ? step_of(range, sample) : nullptr;
          if (step == nullptr) continue;
          const bool trained = !step->skipped && run_.notes(*step).replaced.empty();
          all.push_back({step, sample, epoch, trained});
        }
      }
    }
  }
  std::ranges::sort(all, {},
                    [](const Shown& shown) { return std::pair(shown.step, shown.sample); });
  return all;
}

std::vector<Shown> Consumers::of_document(int source, int64_t document) const {
  const ShardReader& shard = *run_.sources()[static_cast<size_t>(source)].shard;
  const auto [begin, end] = windows_of(shard, run_.seq_len(), document);
  std::vector<Shown> all;
  for (int64_t window = begin; window < end; ++window) {
    const std::vector<Shown> shown = of_window(source, window);
    all.insert(all.end(), shown.begin(), shown.end());
  }
  std::ranges::sort(all, {},
                    [](const Shown& shown) { return std::pair(shown.step, shown.sample); });
  return all;
}

bool KeptCheckpoint::holds(const Shown& shown) const {
  const auto last = line.find(shown.step->segment);
  return shown.trained && last != line.end() && shown.step->step <= last->second;
}

Result<std::vector<KeptCheckpoint>> kept_checkpoints(FileSystem& fs, const RunData& run) {
  std::vector<KeptCheckpoint> all;
  const auto add = [&](const std::string& name, const Manifest& manifest, bool abandoned) {
    all.push_back({name, manifest.step, manifest.segment, abandoned,
                   run.line_to(manifest.segment, manifest.step)});
  };
  for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs, run.run())))
    if (entry.complete) add("ckpt/" + file_name(entry.path), entry.manifest, false);
  const std::string folder = join_path(run.run(), "abandoned");
  if (!fs.exists(folder)) return all;
  for (const std::string& segment : BALLAST_TRY(fs.list(folder))) {
    for (const std::string& name : BALLAST_TRY(fs.list(join_path(folder, segment)))) {
      const auto manifest = check_complete(fs, join_path(join_path(folder, segment), name));
      if (manifest.ok()) add("abandoned/" + segment + "/" + name, *manifest, true);
    }
  }
  return all;
}

}  // namespace ballast
