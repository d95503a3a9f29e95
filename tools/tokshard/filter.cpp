// tokshard filter: records in, clean documents out, in input order; every refusal with its reason.
// Blocks of records are filtered in parallel while the next block is read; outcomes do not depend
// on the number of threads.
#include "libcore/text/filter.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "libcore/base/thread_pool.h"
#include "libcore/cli/message.h"
#include "libcore/io/stream.h"
#include "libcore/text/filter_summary.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/pii_flags.h"
#include "tools/tokshard/robots_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kBlockRecords = 512;
constexpr int64_t kBlockBytes = int64_t{16} << 20;
constexpr int64_t kGrain = 4;

struct FilterFlags {
  std::vector<std::string> inputs;
  RobotsFlags robots;
  PiiFlags pii;
  std::string license, quality, rejects, stats, on_error = "fail";
  int64_t min_chars = 1;
};

// Records of all inputs, in the order of the command line.
class Inputs {
 public:
  explicit Inputs(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // Fills up to one block; empty at the end.
  Result<void> read_block(std::vector<InputRecord>& block) {
    size_t used = 0;
    int64_t bytes = 0;
    while (used < static_cast<size_t>(kBlockRecords) && bytes < kBlockBytes) {
      if (used == block.size()) block.emplace_back();
      if (!BALLAST_TRY(next(block[used]))) break;
      bytes += block[used++].bytes();
    }
    block.resize(used);
    return {};
  }

 private:
  Result<bool> next(InputRecord& record) {
    while (true) {
      if (!reader_) {
        if (next_path_ == paths_.size()) return false;
        reader_ = BALLAST_TRY(RecordReader::open(posix_file_system(), paths_[next_path_++]));
      }
      if (BALLAST_TRY(reader_->next(record))) return true;
      reader_.reset();
    }
  }
  std::vector<std::string> paths_;
  size_t next_path_ = 0;
  std::unique_ptr<RecordReader> reader_;
};

class FilterJob {
 public:
  FilterJob(const FilterFlags& flags, const FilterOptions& options, int threads,
            DocumentOutputs outputs)
      : options_(options),
        skip_errors_(flags.on_error == "skip"),
        inputs_(flags.inputs),
        pool_(threads),
        outputs_(std::move(outputs)) {}

  Result<FilterSummary> run() {
    std::vector<InputRecord> block, next;
    BALLAST_TRY(inputs_.read_block(block));
    while (!block.empty()) {
      std::vector<FilterOutcome> outcomes(block.size());
      Result<void> read = filter_block(block, outcomes, next);
      for (size_t i = 0; i < outcomes.size(); ++i) BALLAST_TRY(take(outcomes[i]));
      if (!read.ok()) return read.take_error();
      block.swap(next);
    }
    return std::move(summary_);
  }
  DocumentOutputs& outputs() { return outputs_; }

 private:
  // Chunk 0 reads the next block; the others filter this one.
  Result<void> filter_block(const std::vector<InputRecord>& block,
                            std::vector<FilterOutcome>& outcomes, std::vector<InputRecord>& next) {
    Result<void> read;
    auto records = static_cast<int64_t>(block.size());
    int64_t chunks = (records + kGrain - 1) / kGrain;
    pool_.parallel_for(chunks + 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        if (chunk == 0) {
          read = inputs_.read_block(next);
          continue;
        }
        FilterBuffers buffers;
        int64_t last = std::min(chunk * kGrain, records);
        for (int64_t i = (chunk - 1) * kGrain; i < last; ++i) {
          auto at = static_cast<size_t>(i);
          outcomes[at] = filter_record(block[at], options_, buffers);
        }
      }
    });
    return read;
  }

  Result<void> take(FilterOutcome& outcome) {
    if (outcome.verdict == FilterVerdict::malformed) {
      if (!skip_errors_) return outcome.error;
      print_warning(outcome.error.message());
    }
    summary_.add(outcome);
    if (outcome.line.empty()) return {};
    const auto& sink = outcome.verdict == FilterVerdict::kept ? outputs_.kept : outputs_.rejects;
    if (sink) return sink->write(outcome.line);
    return {};
  }

  FilterOptions options_;
  bool skip_errors_;
  Inputs inputs_;
  ThreadPool pool_;
  DocumentOutputs outputs_;
  FilterSummary summary_;
};

Result<void> check_flags(const FilterFlags& flags) {
  BALLAST_TRY(check_robots_flags(flags.robots));
  if (flags.min_chars < 0) return usage_error("must be 0 or more", "--min-chars");
  int64_t from_stdin = flags.robots.path == "-" ? 1 : 0;
  for (const std::string& path : flags.inputs) from_stdin += path == "-" ? 1 : 0;
  if (from_stdin > 1) return usage_error("standard input is named twice", "-");
  return {};
}

std::vector<std::string> all_inputs(const FilterFlags& flags) {
  std::vector<std::string> paths = flags.inputs;
  if (!flags.robots.path.empty()) paths.push_back(flags.robots.path);
  return paths;
}

Result<FilterOptions> filter_options(const FilterFlags& flags) {
  FilterOptions options;
  options.keep_missing = flags.robots.keep_missing();
  options.agents = BALLAST_TRY(parse_agent_list(flags.robots.agents, "--agents"));
  options.obeyed = flags.robots.obeyed();
  options.pii = BALLAST_TRY(pii_policy(flags.pii));
  if (!flags.license.empty())
    options.license = BALLAST_TRY(LicensePolicy::parse(flags.license, "--license"));
  options.min_chars = flags.min_chars;
  if (!flags.quality.empty())
    options.quality = BALLAST_TRY(QualityPlan::parse(flags.quality, "--quality"));
  options.rejects = !flags.rejects.empty();
  return options;
}

Result<int> run_filter(const FilterFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags));
  FilterOptions options = BALLAST_TRY(filter_options(flags));
  DocumentOutputs opened =
      BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, all_inputs(flags)));
  auto robots = BALLAST_TRY(open_robots(posix_file_system(), flags.robots));
  const std::vector<std::string> agents = robots ? robots->agents() : std::vector<std::string>();
  options.robots = robots.get();
  FilterJob job(flags, options, common.threads, std::move(opened));
  FilterSummary summary = BALLAST_TRY(job.run());
  Json record = summary.to_json(agents);
  BALLAST_TRY(finish_document_outputs(common, job.outputs(), record, summary.to_lines(agents)));
  return kExitDone;
}

}  // namespace

VerbRun add_filter(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<FilterFlags>();
  path_option(app.add_option("input", flags->inputs,
                             "JSON Lines, WARC or WET, plain or compressed; '-' is stdin"))
      ->required();
  add_robots_flags(app, flags->robots);
  add_signal_flags(app, flags->robots, true);
  app.add_option("--license", flags->license,
                 "policy: permissive, allow:CC-BY-*,MIT;deny:noncommercial;unknown=keep");
  add_pii_flags(app, flags->pii);
  app.add_option(
      "--quality", flags->quality,
      "rules for text: gopher, gopher-repetition, c4, fineweb, each with :KEY=VALUE,...");
  path_option(app.add_option("--rejects", flags->rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  count_option(app, "--min-chars", flags->min_chars, "shortest text to keep, in characters");
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &common] { return run_filter(*flags, common); };
}

}  // namespace ballast
