// tokshard vocab: learns a byte-level BPE vocabulary and writes tokenizer.json.
#include <fmt/format.h>

#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/json.h"
#include "libcore/io/output_check.h"
#include "libcore/text/bpe_trainer.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/verbs.h"
#include "tools/tokshard/vocab_count.h"

namespace ballast {
namespace {

struct VocabFlags {
  std::vector<std::string> inputs;
  int64_t size = 0;
  std::string pattern = "llama3", on_error = "fail";
  int64_t max_pieces = int64_t{1} << 23;
};

SplitPattern pattern_of(const std::string& word) {
  if (word == "gpt2") return SplitPattern::gpt2;
  if (word == "cl100k") return SplitPattern::cl100k;
  if (word == "qwen2") return SplitPattern::qwen2;
  if (word == "o200k") return SplitPattern::o200k;
  if (word == "tekken") return SplitPattern::tekken;
  return SplitPattern::llama3;
}

Result<void> check_flags(const VocabFlags& flags, const CommonOptions& common) {
  const int64_t smallest = static_cast<int64_t>(leading_tokens().size()) + 256;
  if (flags.size < smallest || flags.size > (int64_t{1} << 24))
    return usage_error(fmt::format("vocabulary size {} is out of range", flags.size), "--size",
                       fmt::format("{} to {}", smallest, int64_t{1} << 24));
  if (flags.max_pieces < 1000)
    return usage_error("too few pieces to learn from", "--max-pieces", "at least 1000");
  if (common.output.empty()) return usage_error("where to write the tokenizer is missing", "-o");
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  if (common.output == "-") return {};
  BALLAST_TRY(refuse_output_over_input(posix_file_system(), common.output, flags.inputs));
  return check_output(posix_file_system(), common.output, common.force);
}

Result<int> run_vocab(const VocabFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags, common));
  if (common.dry_run) {
    BALLAST_TRY(look_for_inputs(flags.inputs));
    print_note(fmt::format("would learn {} tokens from {} and write {}", flags.size,
                           counted(std::ssize(flags.inputs), "input"), common.output));
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  PieceCounter counter(pattern_of(flags.pattern), flags.max_pieces);
  const VocabCounts counts =
      BALLAST_TRY(count_documents(flags.inputs, flags.on_error == "skip", counter, pool));
  ProgressLine progress;
  progress.update("merging");
  const TrainedBpe trained = BALLAST_TRY(train_bpe(counter, flags.size, pool));
  progress.clear();
  auto sink = BALLAST_TRY(open_sink(posix_file_system(), common.output, common.force));
  const std::string text = tokenizer_json_text(trained);
  BALLAST_TRY(sink->write(std::string_view(text)));
  BALLAST_TRY(sink->finish());
  if (counter.dropped_pieces() > 0)
    print_warning(
        fmt::format("{} rare pieces were dropped to stay within --max-pieces {}, others stand for "
                    "them; no count "
                    "is off by more than {}",
                    counter.dropped_pieces(), flags.max_pieces, counter.count_error()));
  print_note(fmt::format("{} tokens, {} merges from {} documents, {} ({} distinct pieces)",
                         trained.tokens.size(), trained.merges.size(), counts.documents,
                         format_bytes(counts.bytes), counter.distinct_pieces()));
  if (common.json && common.output != "-")
    print_out(to_json_line({{"v", 1},
                            {"vocab_size", trained.tokens.size()},
                            {"merges", trained.merges.size()},
                            {"documents", counts.documents},
                            {"bytes", counts.bytes},
                            {"pieces", counter.distinct_pieces()},
                            {"dropped_pieces", counter.dropped_pieces()},
                            {"count_error", counter.count_error()},
                            {"overlong_pieces", counter.overlong_pieces()},
                            {"skipped", counts.skipped},
                            {"tokenizer_sha256", sha256_hex(text)}}) +
              "\n");
  return kExitDone;
}

}  // namespace

VerbRun add_vocab(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<VocabFlags>();
  path_option(app.add_option("input", flags->inputs,
                             "documents as filter writes them, plain or compressed; '-' is stdin"))
      ->required();
  count_option(app, "--size", flags->size, "tokens in all, special tokens and bytes included")
      ->required();
  choice_option(app.add_option("--pattern", flags->pattern, "how text is split before merging"),
                {"llama3", "gpt2", "cl100k", "qwen2", "o200k", "tekken"})
      ->capture_default_str();
  count_option(app, "--max-pieces", flags->max_pieces,
               "distinct pieces kept in memory, about 200 bytes each");
  choice_option(app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them"),
                {"fail", "skip"})
      ->capture_default_str();
  return [flags, &common] { return run_vocab(*flags, common); };
}

}  // namespace ballast
