#include "tools/tokshard/document_job.h"

#include <fmt/format.h>

namespace ballast {
namespace {

constexpr int64_t kGrain = 16;

struct Item {
  Document document;
  DocumentDecision decision;
  std::string lines;
  bool kept() const { return decision.stage.empty(); }
};

void render(Item& item, const DocumentRule& rule, bool rejects) {
  Document& document = item.document;
  if (document.id.empty()) document.id = default_document_id(document);
  item.decision = rule.decide(document);
  if (!item.kept()) {
    document.ballast["dropped_by"] = item.decision.stage;
    document.ballast["reason"] = item.decision.reason;
    if (rejects) append_document(item.lines, document);
    return;
  }
  for (int64_t copy = 1; copy <= item.decision.copies; ++copy) {
    if (rule.mark) rule.mark(document, copy);
    append_document(item.lines, document);
  }
}

}  // namespace

void DocumentJobCounts::to_json(Json& record) const {
  record["documents"] = documents;
  record["kept"] = kept;
  record["rejected"] = rejected;
  record["written"] = written;
  record["malformed"] = malformed;
  record["reasons"] = reasons;
}

std::vector<std::string> DocumentJobCounts::to_lines() const {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{} documents: {} kept, {} rejected, {} written", documents, kept,
                              rejected, written));
  for (const auto& [reason, count] : reasons) {
    lines.push_back(fmt::format("rejected {:>8}  {}", count, reason));
  }
  return lines;
}

Result<DocumentJobCounts> run_document_job(DocumentBlocks& blocks, const DocumentRule& rule,
                                           ThreadPool& pool, DocumentOutputs& outputs) {
  DocumentJobCounts counts;
  while (true) {
    std::vector<Document> documents = BALLAST_TRY(blocks.next(pool));
    if (documents.empty()) break;
    std::vector<Item> items(documents.size());
    const bool rejects = outputs.rejects != nullptr;
    pool.parallel_for(static_cast<int64_t>(items.size()), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Item& item = items[static_cast<size_t>(i)];
        item.document = std::move(documents[static_cast<size_t>(i)]);
        render(item, rule, rejects);
      }
    });
    for (const Item& item : items) {
      ++counts.documents;
      ++(item.kept() ? counts.kept : counts.rejected);
      if (item.kept()) {
        counts.written += item.decision.copies;
      } else {
        ++counts.reasons[item.decision.stage + ":" + item.decision.reason];
      }
      const auto& sink = item.kept() ? outputs.kept : outputs.rejects;
      if (sink && !item.lines.empty()) BALLAST_TRY(sink->write(item.lines));
    }
  }
  counts.malformed = blocks.skipped();
  return counts;
}

}  // namespace ballast
