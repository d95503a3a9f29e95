#include "tools/tokshard/filter_job.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/json_counts.h"
#include "libcore/io/stream.h"
#include "libcore/parts/part_reader.h"
#include "tools/tokshard/part_outputs.h"
#include "tools/tokshard/parts_job.h"

namespace ballast {
namespace {

// Small, so that all threads have work at the end of an input too.
constexpr size_t kBlockRecords = 64;
constexpr int64_t kBlockBytes = int64_t{1} << 20;

struct FilterBlock {
  PartBlock in;
  std::vector<FilterOutcome> outcomes;
};

class FilterStream : public BlockStream<FilterBlock> {
 public:
  FilterStream(const FilterWork& work, std::vector<FilterBuffers>& buffers)
      : work_(work), buffers_(buffers) {}

  void work(FilterBlock& block, int worker) final {
    FilterBuffers& buffers = buffers_[static_cast<size_t>(worker)];
    block.outcomes.reserve(block.in.records.size());
    for (const InputRecord& record : block.in.records)
      block.outcomes.push_back(filter_record(record, work_.options, buffers));
    block.in.records.clear();
  }

 protected:
  Result<void> write(FilterBlock& block, ByteSink* kept, ByteSink* rejects, FilterSummary& summary,
                     MalformedLines& malformed) const {
    for (FilterOutcome& outcome : block.outcomes) {
      BALLAST_TRY(count_outcome(work_, outcome, summary, malformed));
      ByteSink* const sink = outcome.verdict == FilterVerdict::kept ? kept : rejects;
      if (sink && !outcome.line.empty()) BALLAST_TRY(sink->write(outcome.line));
    }
    return {};
  }

 private:
  const FilterWork& work_;
  std::vector<FilterBuffers>& buffers_;
};

// All inputs one after the other.
class WholeStream final : public FilterStream {
 public:
  WholeStream(const FilterWork& work, std::vector<FilterBuffers>& buffers,
              const std::vector<std::string>& paths, DocumentOutputs& outputs,
              FilterSummary& summary, MalformedLines& malformed)
      : FilterStream(work, buffers),
        paths_(paths),
        outputs_(outputs),
        summary_(summary),
        malformed_(malformed) {}

  Result<bool> read(FilterBlock& block) override {
    int64_t bytes = 0;
    std::vector<InputRecord>& records = block.in.records;
    while (records.size() < kBlockRecords && bytes < kBlockBytes) {
      records.emplace_back();
      const bool more = BALLAST_TRY(next(records.back()));
      if (!more) {
        records.pop_back();
        break;
      }
      bytes += records.back().bytes();
    }
    return !records.empty();
  }
  Result<void> take(FilterBlock& block) override {
    BALLAST_TRY(write(block, outputs_.kept.get(), outputs_.rejects.get(), summary_, malformed_));
    if (progress_.wanted())
      progress_.update(
          fmt::format("filtering: {} records, {} kept", summary_.records(), summary_.kept()));
    return {};
  }

 private:
  Result<bool> next(InputRecord& record) {
    while (true) {
      if (!reader_) {
        if (next_path_ == paths_.size()) return false;
        const std::string& path = paths_[next_path_++];
        print_verbose("reading " + path);
        reader_ = BALLAST_TRY(RecordReader::open(posix_file_system(), path));
      }
      if (BALLAST_TRY(reader_->next(record))) return true;
      reader_.reset();
    }
  }

  const std::vector<std::string>& paths_;
  DocumentOutputs& outputs_;
  FilterSummary& summary_;
  MalformedLines& malformed_;
  ProgressLine progress_;
  size_t next_path_ = 0;
  std::unique_ptr<RecordReader> reader_;
};

// One input of a folder of parts.
class PartStream final : public FilterStream {
 public:
  PartStream(const FilterWork& work, std::vector<FilterBuffers>& buffers, const PartsFolder& folder,
             int64_t input, Share share, PartsProgress& progress)
      : FilterStream(work, buffers),
        reader_(folder, input, share, kBlockRecords, kBlockBytes),
        progress_(progress),
        outputs_(folder, input, progress, part_suffixes(work, kKeptSuffix)) {}

  Result<bool> read(FilterBlock& block) override { return reader_.read(block.in); }

  Result<void> take(FilterBlock& block) override {
    if (block.in.first) {
      BALLAST_TRY(outputs_.begin(block.in.part));
      summary_.emplace();
    }
    progress_.took(static_cast<int64_t>(block.outcomes.size()));
    BALLAST_TRY(write(block, outputs_.sink(0), outputs_.sink(1), *summary_, progress_.malformed()));
    if (!block.in.end) return {};
    return outputs_.end(std::move(*block.in.end), counts_json(*summary_));
  }

 private:
  PartReader reader_;
  PartsProgress& progress_;
  PartOutputs outputs_;
  std::optional<FilterSummary> summary_;
};

}  // namespace

std::vector<std::string> part_suffixes(const FilterWork& work, const char* documents) {
  std::vector<std::string> suffixes = {documents};
  if (work.options.rejects) suffixes.emplace_back(kRejectsSuffix);
  return suffixes;
}

Result<void> count_outcome(const FilterWork& work, FilterOutcome& outcome, FilterSummary& summary,
                           MalformedLines& malformed) {
  if (outcome.verdict == FilterVerdict::malformed) {
    if (!work.skip_errors) return std::move(outcome.error);
    malformed.warn(outcome.error.message());
  }
  summary.add(outcome);
  return {};
}

Result<FilterSummary> filter_inputs(const FilterWork& work, const std::vector<std::string>& inputs,
                                    DocumentOutputs& outputs, ThreadPool& pool) {
  FilterSummary summary;
  std::vector<FilterBuffers> buffers(static_cast<size_t>(pool.size()));
  MalformedLines malformed;
  auto whole = std::make_unique<WholeStream>(work, buffers, inputs, outputs, summary, malformed);
  BlockPipeline<FilterBlock> pipeline(
      pool, [&]() -> std::unique_ptr<BlockStream<FilterBlock>> { return std::move(whole); });
  auto failures = pipeline.run();
  if (!failures.empty()) return std::move(failures.front().error);
  malformed.finish();
  return summary;
}

Result<void> filter_parts(const FilterWork& work, const PartsFolder& folder, Share share,
                          ThreadPool& pool) {
  std::vector<FilterBuffers> buffers(static_cast<size_t>(pool.size()));
  return run_parts<FilterBlock>(folder, share, pool, [&](int64_t input, PartsProgress& progress) {
    return std::make_unique<PartStream>(work, buffers, folder, input, share, progress);
  });
}

}  // namespace ballast
