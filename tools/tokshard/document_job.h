// The frame of verbs that decide about each document alone: documents are read in blocks, decided
// in parallel, and written in input order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libcore/base/thread_pool.h"
#include "libcore/text/document.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/document_outputs.h"

namespace ballast {

struct DocumentDecision {
  std::string stage, reason;  // empty: kept
  int64_t copies = 1;         // lines of a kept one; each has its document as `write` leaves it
};

struct DocumentJobCounts {
  int64_t documents = 0, kept = 0, rejected = 0, written = 0, malformed = 0;
  std::map<std::string, int64_t> reasons;  // "stage:reason"
  void to_json(Json& record) const;
  std::vector<std::string> to_lines() const;
};

struct DocumentRule {
  // May change the document. Called from several threads.
  std::function<DocumentDecision(Document&)> decide;
  // Before copy 1, 2, ... of a document is written; may be empty.
  std::function<void(Document&, int64_t copy)> mark;
};

// Documents without text and those that a filter rejected are passed over and counted by `blocks`.
Result<DocumentJobCounts> run_document_job(DocumentBlocks& blocks, const DocumentRule& rule,
                                           ThreadPool& pool, DocumentOutputs& outputs);

}  // namespace ballast
