// Which data a run consumed, and when: from a run directory (journal, trace, a checkpoint's law,
// config.toml) and the shards it was trained on to the samples of every step on every branch, and
// from samples to windows and documents. The order itself is that of libcore/data/order_law.h, as
// the run computed it; what is followed here is checked against the data index that each step's
// record names. Errors: kind io (no such run), kind usage (a shard that is not found, or too
// short), kind corrupt (trace and journal disagree), kind insufficient (no complete checkpoint says
// what the run's data was). Const methods may be called by several threads, open() by one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/order.h"
#include "libcore/io/file_system.h"
#include "libcore/provenance/segment_data.h"
#include "libcore/shard/reader.h"

namespace ballast {

struct RunSource {
  std::string name;
  std::string prefix;  // where it is now
  std::shared_ptr<const ShardReader> shard;
  bool same = true;  // as the run's law knows it: index, order of documents, tokens
};

// A step of the trace.
struct StepBatch {
  int64_t segment = 0;
  int64_t step = 0;
  int64_t consumed = 0;  // samples that the line had consumed before
  int64_t samples = 0;   // of its batch
  bool surviving = false;
  bool skipped = false;  // its update was not applied
};

// What the events of a step say of its batch.
struct BatchNotes {
  std::vector<std::pair<int64_t, double>> losses;  // by sample, as listed; not all of the batch
  std::string replaced;                            // the fault whose tokens were fed instead
};

// Part of a window that is of one document.
struct DocumentPart {
  int64_t document = 0;
  int64_t begin = 0, end = 0;  // tokens of the shard
  int64_t tokens() const { return end - begin; }
};
// Of the inputs of a window, in order. Every document that has a token in them is there.
std::vector<DocumentPart> documents_of(const ShardReader& shard, int64_t seq_len, int64_t window);
// The windows that show any of a document, half open.
std::pair<int64_t, int64_t> windows_of(const ShardReader& shard, int64_t seq_len, int64_t document);

// Steps [first, last) of RunData::steps(), of one segment, with one order and the same skip ranges.
struct StepRange {
  size_t first = 0, last = 0;
  std::vector<SkipRange> skips;
  size_t order = 0;  // of RunData::orders()
};

class RunData {
 public:
  // `moved`: shards that are not where the run found them, each PREFIX (the source of that name)
  // or NAME=PREFIX.
  static Result<RunData> open(FileSystem& fs, const std::string& run,
                              const std::vector<std::string>& moved);

  const std::string& run() const { return run_; }
  int64_t seq_len() const { return seq_len_; }
  int64_t vocab_size() const { return vocab_size_; }
  const std::vector<RunSource>& sources() const { return sources_; }
  // Empty, or the address that this run is a branch of; what that one consumed is not here.
  const std::string& branch_of() const { return branch_of_; }
  // tokenizer.json of the newest complete checkpoint; empty: it has none.
  const std::string& tokenizer_path() const { return tokenizer_path_; }

  // All steps of all branches, in the order in which the run lived them.
  const std::vector<StepBatch>& steps() const { return steps_; }
  const std::vector<StepRange>& ranges() const { return ranges_; }
  const std::vector<DataOrder>& orders() const { return orders_; }
  // nullptr: not there. Without a segment that of the surviving line.
  const StepBatch* find_step(int64_t step, std::optional<int64_t> segment = {}) const;
  const BatchNotes& notes(const StepBatch& step) const;
  // Samples of the batch of a step of steps(), in order.
  std::vector<int64_t> samples(const StepBatch& step) const;
  const DataOrder& order(const StepBatch& step) const;
  // The inputs of a window.
  Result<std::vector<int32_t>> tokens(const SampleAddress& address) const;
  // The last step that counts by segment, of the line that leads to `step` of `segment`.
  std::map<int64_t, int64_t> line_to(int64_t segment, int64_t step) const;

 private:
  struct Trace;
  RunData() = default;
  Result<void> open_sources(FileSystem& fs, const Json& law, const std::vector<std::string>& moved);
  Result<Trace> read_trace(FileSystem& fs);
  Result<void> add_ranges(const Trace& trace);
  Result<size_t> order_of(const SegmentData& segment);
  const StepRange& range_of(const StepBatch& step) const;

  std::string run_, branch_of_, tokenizer_path_;
  int64_t seq_len_ = 0, vocab_size_ = 0;
  std::vector<RunSource> sources_;
  std::vector<SegmentData> segments_;
  std::vector<StepBatch> steps_;
  std::vector<StepRange> ranges_;  // ascending
  std::vector<DataOrder> orders_;
  std::vector<std::pair<Json, std::vector<DroppedSource>>> order_keys_;
  std::map<std::pair<int64_t, int64_t>, BatchNotes> notes_;  // by segment and step
};

}  // namespace ballast
