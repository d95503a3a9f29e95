// What every method of `tokshard dedup` does with documents: blocks of them are read, prepared and
// rendered in parallel and decided one after the other in input order.
#pragma once

#include <functional>

#include "libcore/base/thread_pool.h"
#include "libcore/dedup/dedup_item.h"
#include "libcore/dedup/dedup_summary.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/document_outputs.h"

namespace ballast {

// Documents that stay go to outputs.kept, others to outputs.rejects. `after_block` may end the job.
Result<DedupSummary> run_dedup_job(DocumentBlocks& blocks, DedupRule& rule, ThreadPool& pool,
                                   DocumentOutputs& outputs,
                                   const std::function<Result<void>()>& after_block);

}  // namespace ballast
