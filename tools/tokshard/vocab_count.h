// The first half of `vocab`: reads documents and counts their pieces with all threads. One reads
// ahead while the others parse and count; now and then all wait for the rarest pieces to be
// dropped, after an amount of text that depends on the input alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"
#include "libcore/text/piece_counter.h"

namespace ballast {

struct VocabCounts {
  int64_t documents = 0, bytes = 0;
  int64_t skipped = 0;  // malformed lines
};

// With `skip_errors` malformed lines are warned about and counted, else the first ends the reading.
Result<VocabCounts> count_documents(const std::vector<std::string>& inputs, bool skip_errors,
                                    PieceCounter& counter, ThreadPool& pool);

}  // namespace ballast
