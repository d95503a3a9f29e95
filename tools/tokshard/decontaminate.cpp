// tokshard decontaminate: documents without those that hold items of benchmarks.
#include <fmt/format.h>

#include <limits>
#include <memory>
#include <mutex>
#include <optional>

#include "libcore/dedup/contamination.h"
#include "libcore/io/stream.h"
#include "tools/tokshard/document_job.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kByMethod = std::numeric_limits<int64_t>::min();

struct DecontaminateFlags {
  std::vector<std::string> inputs, benchmarks;
  std::string method = "ngram", rejects, stats, on_error = "fail";
  int64_t words = kByMethod;
  bool queries = false;
};

constexpr int64_t kOverlapWords = 8;
constexpr int64_t kMaxWords = 100;

Result<ContaminationOptions> contamination_options(const DecontaminateFlags& flags) {
  ContaminationOptions options;
  const bool overlap = flags.method == "overlap";
  if (overlap) {
    if (flags.queries) return usage_error("--queries is of --method ngram", "--queries");
    options.method = ContaminationMethod::overlap;
    options.words = kOverlapWords;
  }
  options.queries = flags.queries;
  if (flags.words != kByMethod) options.words = flags.words;
  if (options.words < 1 || options.words > kMaxWords)
    return usage_error("must be in 1..100", "--words");
  return options;
}

// The strings of an item: its query under "query" (datatrove's name), "prompt" or "question", at
// the top or in "metadata"; its text as of every document.
std::string query_of(const Document& item) {
  for (const auto& [name, value] : item.extra) {
    const bool query = name == "query" || name == "prompt" || name == "question";
    if (!query && name != "metadata") continue;
    const Result<Json> parsed = parse_json(value, name);
    if (!parsed.ok()) continue;
    if (query && parsed->is_string()) return parsed->get<std::string>();
    if (query || !parsed->is_object()) continue;
    for (const char* key : {"query", "prompt", "question"}) {
      const auto found = parsed->find(key);
      if (found != parsed->end() && found->is_string()) return found->get<std::string>();
    }
  }
  return {};
}

// "arc.jsonl.zst" is "arc".
std::string benchmark_name(const std::string& path) {
  const std::string name = file_name(path);
  const size_t dot = name.find('.', 1);
  return name.substr(0, dot);
}

Result<void> read_benchmark(const std::string& path, ContaminationIndex& index) {
  auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*source);
  DocumentParser parser;
  while (const std::optional<std::string_view> line = BALLAST_TRY(lines.next())) {
    const int64_t number = lines.line_number();
    std::string_view object = *line;
    if (number == 1 && object.starts_with("\xEF\xBB\xBF")) object.remove_prefix(3);
    if (object.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Document item = BALLAST_TRY(parser.parse(object, fmt::format("{}:{}", path, number)));
    index.add({benchmark_name(path), number}, query_of(item), item.text);
  }
  return {};
}

// Buffers that no thread is using.
class BufferPool {
 public:
  std::unique_ptr<ContaminationBuffers> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<ContaminationBuffers>();
    auto buffers = std::move(free_.back());
    free_.pop_back();
    return buffers;
  }
  void give(std::unique_ptr<ContaminationBuffers> buffers) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(buffers));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<ContaminationBuffers>> free_;
};

DocumentDecision decide(const ContaminationIndex& index, BufferPool& pool, Document& document) {
  auto buffers = pool.take();
  const Contamination found = index.decide(document.text, *buffers);
  pool.give(std::move(buffers));
  DocumentDecision decision;
  if (found.item == nullptr) return decision;
  decision.stage = "decontaminate";
  decision.reason = found.item->benchmark;
  Json& details = document.ballast["contamination"] = Json::object();
  details["benchmark"] = found.item->benchmark;
  details["item"] = found.item->number;
  if (!found.words.empty()) details["words"] = found.words;
  if (found.share > 0) details["share"] = found.share;
  return decision;
}

Result<int> run_decontaminate(const DecontaminateFlags& flags, const CommonOptions& common) {
  const ContaminationOptions options = BALLAST_TRY(contamination_options(flags));
  std::vector<std::string> read = flags.inputs;
  read.insert(read.end(), flags.benchmarks.begin(), flags.benchmarks.end());
  BALLAST_TRY(refuse_repeated_inputs(read));
  DocumentOutputs outputs =
      BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, read));
  ContaminationIndex index(options);
  for (const std::string& path : flags.benchmarks) BALLAST_TRY(read_benchmark(path, index));
  if (index.ngrams() == 0) {
    return insufficient_error(fmt::format("no item has {} words", options.words),
                              flags.benchmarks.front());
  }
  BufferPool buffers;
  DocumentRule rule;
  rule.decide = [&](Document& document) { return decide(index, buffers, document); };
  ThreadPool pool(common.threads);
  DocumentBlocks blocks(flags.inputs, flags.on_error == "skip");
  const DocumentJobCounts counts = BALLAST_TRY(run_document_job(blocks, rule, pool, outputs));
  Json record = {{"v", 1}, {"type", "decontaminate"}, {"method", flags.method}};
  record["words"] = options.words;
  record["items"] = index.items();
  record["short_items"] = index.short_items();
  record["ngrams"] = index.ngrams();
  counts.to_json(record);
  std::vector<std::string> lines = counts.to_lines();
  lines.push_back(fmt::format("{} items, {} of them under {} words", index.items(),
                              index.short_items(), options.words));
  BALLAST_TRY(finish_document_outputs(common, outputs, record, lines));
  return kExitDone;
}

}  // namespace

VerbRun add_decontaminate(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<DecontaminateFlags>();
  path_option(
      app.add_option("input", flags->inputs, "documents, plain or compressed; '-' is stdin"))
      ->required();
  path_option(app.add_option("--benchmarks", flags->benchmarks,
                             "JSON Lines of items with text (the answer) and query"))
      ->required();
  choice_option(app.add_option("--method", flags->method,
                               "words in a row, or the overlap of the Apertus report (ngram)"),
                {"ngram", "overlap"});
  count_option(app, "--words", flags->words, "words in a row (12; overlap: 8)");
  app.add_flag("--queries", flags->queries, "ngram: words of queries alone count too");
  path_option(app.add_option("--rejects", flags->rejects, "contaminated documents"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &common] { return run_decontaminate(*flags, common); };
}

}  // namespace ballast
