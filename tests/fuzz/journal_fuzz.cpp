// Any bytes, and any bytes made into a well-chained line: the chain then holds and the questions
// that a resume asks are answered.
#include "libcore/checkpoint/journal.h"

#include <cstdint>
#include <string>

#include "libcore/base/check.h"
#include "libcore/checkpoint/forks.h"
#include "libcore/io/json.h"

namespace {

void ask(const ballast::JournalContents& journal) {
  (void)ballast::pending_rollback(journal);
  (void)ballast::rollback_parents(journal);
  BALLAST_CHECK(ballast::next_segment(journal) >= 0);
  BALLAST_CHECK(ballast::restarts_without_progress(journal) >= 0);
  const auto forks = ballast::forks_ahead(journal, 0, 0);
  if (!forks.ok()) return;
  for (const ballast::Fork& fork : *forks) BALLAST_CHECK(ballast::fork_of(to_json(fork)).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = ballast::parse_journal(text, "fuzz");
  if (parsed.ok()) ask(*parsed);
  const auto fields = ballast::parse_json(text, "fields");
  if (!fields.ok() || !fields->is_object()) return 0;
  for (const char* key : {"v", "seq", "time", "event", "prev", "hash"}) {
    if (fields->contains(key)) return 0;
  }
  for (const char* event : {"rollback", "restore", "replay"}) {
    const std::string line = ballast::journal_line(1, 0, event, *fields, std::string(64, '0'));
    const auto chained = ballast::parse_journal(line, "chained");
    BALLAST_CHECK(chained.ok());
    ask(*chained);
  }
  return 0;
}
