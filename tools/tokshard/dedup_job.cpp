#include "tools/tokshard/dedup_job.h"

namespace ballast {
namespace {

constexpr int64_t kGrain = 16;

}  // namespace

Result<DedupSummary> run_dedup_job(DocumentBlocks& blocks, DedupRule& rule, ThreadPool& pool,
                                   DocumentOutputs& outputs,
                                   const std::function<Result<void>()>& after_block) {
  DedupSummary summary;
  std::vector<DedupItem> items;
  int64_t number = 0;
  const auto each = [&](const std::function<void(DedupItem&)>& body) {
    pool.parallel_for(static_cast<int64_t>(items.size()), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(items[static_cast<size_t>(i)]);
    });
  };
  while (true) {
    std::vector<Document> documents = BALLAST_TRY(blocks.next(pool));
    if (documents.empty()) return summary;
    items.clear();
    items.resize(documents.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].document = std::move(documents[i]);
      items[i].number = number++;
    }
    each([&](DedupItem& item) {
      begin_item(item);
      if (item.kept()) rule.prepare(item);
    });
    for (DedupItem& item : items) {
      if (item.kept()) rule.decide(item);
    }
    each([&](DedupItem& item) {
      if (item.kept() || outputs.rejects) render_item(item);
    });
    for (const DedupItem& item : items) {
      summary.add(item);
      const auto& sink = item.kept() ? outputs.kept : outputs.rejects;
      if (sink) BALLAST_TRY(sink->write(item.line));
    }
    BALLAST_TRY(after_block());
  }
}

}  // namespace ballast
