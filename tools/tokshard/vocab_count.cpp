#include "tools/tokshard/vocab_count.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/base/block_pipeline.h"
#include "libcore/base/units.h"
#include "libcore/cli/terminal.h"
#include "tools/tokshard/document_blocks.h"

namespace ballast {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

struct Block {
  std::vector<DocumentBlocks::Line> lines;
  int64_t documents = 0, bytes = 0;
  std::vector<Error> errors;
};

// What outlives a batch.
struct Counting {
  DocumentBlocks reader;
  bool skip_errors;
  PieceCounter& counter;
  std::vector<DocumentParser> parsers;  // of each thread
  ProgressLine progress;
  VocabCounts counts;
  bool ended = false;
  MalformedLines malformed;
};

// The documents up to the next pruning.
class Batch final : public BlockStream<Block> {
 public:
  explicit Batch(Counting& all) : all_(all), left_(all.counter.batch_bytes()) {}

  Result<bool> read(Block& block) override {
    if (left_ <= 0) return false;
    block.lines = BALLAST_TRY(all_.reader.lines(kBlockBytes));
    all_.ended = block.lines.empty();
    for (const auto& line : block.lines) left_ -= static_cast<int64_t>(line.text.size());
    return !all_.ended;
  }

  void work(Block& block, int worker) override {
    DocumentParser& parser = all_.parsers[static_cast<size_t>(worker)];
    std::vector<std::string> texts;
    for (const auto& line : block.lines) {
      Result<Document> document = parser.parse(line.text, line.where);
      if (!document.ok()) {
        block.errors.push_back(document.take_error());
      } else if (!document->text.empty() && !is_rejected(*document)) {
        block.bytes += static_cast<int64_t>(document->text.size());
        texts.push_back(std::move(document->text));
      }
    }
    block.lines.clear();
    block.documents = std::ssize(texts);
    all_.counter.add(texts);
  }

  Result<void> take(Block& block) override {
    for (Error& error : block.errors) {
      if (!all_.skip_errors) return std::move(error);
      all_.malformed.warn(error.message());
      ++all_.counts.skipped;
    }
    all_.counts.documents += block.documents;
    all_.counts.bytes += block.bytes;
    if (all_.progress.wanted())
      all_.progress.update(fmt::format("counting: {} documents, {}", all_.counts.documents,
                                       format_bytes(all_.counts.bytes)));
    return {};
  }

 private:
  Counting& all_;
  int64_t left_;
};

}  // namespace

Result<VocabCounts> count_documents(const std::vector<std::string>& inputs, bool skip_errors,
                                    PieceCounter& counter, ThreadPool& pool) {
  Counting all{DocumentBlocks(inputs, skip_errors), skip_errors, counter, {}, {}, {}, false, {}};
  all.parsers.resize(static_cast<size_t>(pool.size()));
  while (!all.ended) {
    auto batch = std::make_unique<Batch>(all);
    auto failures = BlockPipeline<Block>(pool, [&]() -> std::unique_ptr<BlockStream<Block>> {
                      return std::move(batch);
                    }).run();
    if (!failures.empty()) return std::move(failures.front().error);
    counter.prune(pool);
  }
  all.malformed.finish();
  return all.counts;
}

}  // namespace ballast
