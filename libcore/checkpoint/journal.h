// RUN/journal.jsonl (ballast-journal(5)): what an operator or the guard did to a run, and why. One
// JSON object per line, synced line by line, never rewritten; each line carries the SHA-256 of the
// line before it and of itself, so that an edited or missing line shows. A last line that a crash
// tore is ignored by readers and cut by the next append. Only the holder of the run's lease
// appends. One thread. Errors: kind corrupt with the line, kind io.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/checkpoint/state.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr const char* kJournalName = "journal.jsonl";

struct JournalRecord {
  int64_t seq = 0;  // from 1, without gaps
  int64_t time_us = 0;
  std::string event;  // start, resume, rollback, change, inject, note ...
  Json object;        // the whole line
};

struct JournalContents {
  std::vector<JournalRecord> records;
  std::string last_hash;   // of the last record; 64 zeros when there is none
  int64_t bytes = 0;       // of the whole lines
  int64_t torn_bytes = 0;  // of a last line without LF
};

// A missing journal is an empty one. A line that does not parse or whose hashes do not fit is kind
// corrupt.
Result<JournalContents> read_journal(FileSystem& fs, const std::string& run_directory);
Result<JournalContents> parse_journal(std::string_view text, const std::string& where);

// Appends {"v", "seq", "time", "event", fields..., "prev", "hash"} and syncs. Creates the file.
Result<JournalRecord> append_journal(FileSystem& fs, const std::string& run_directory,
                                     const std::string& event, const Json& fields);

// The line that append_journal() writes, with its LF.
std::string journal_line(int64_t seq, int64_t time_us, const std::string& event, const Json& fields,
                         const std::string& previous_hash);

// A rollback that no later `start` or `resume` record has taken up: the run must continue from
// `step` in `segment`, with `skip` added to the skip ranges of that checkpoint's state.
struct PendingRollback {
  int64_t seq = 0;
  int64_t step = 0;            // of the parent checkpoint
  int64_t segment = 0;         // the new one
  int64_t parent_segment = 0;  // that wrote the parent checkpoint
  int64_t abandoned = 0;       // segment whose later checkpoints go to RUN/abandoned/seg-K
  std::vector<SkipRange> skip;
  std::string reason;
};
Result<std::optional<PendingRollback>> pending_rollback(const JournalContents& journal);
Result<std::optional<PendingRollback>> pending_rollback(FileSystem& fs,
                                                        const std::string& run_directory);

// The ranges that rollbacks to this checkpoint (of `step`, written in `segment`) asked for. Its
// state.json was written before them, so whoever goes on from it adds them, also when an earlier
// start took the rollback up and died before its next checkpoint.
Result<std::vector<SkipRange>> skips_of_parent(const JournalContents& journal, int64_t step,
                                               int64_t segment);

// Steps that rollback records name as parents; retention never removes them.
std::vector<int64_t> rollback_parents(const JournalContents& journal);

// 1 + the largest segment that a record names; 0 when none does.
int64_t next_segment(const JournalContents& journal);

}  // namespace ballast
