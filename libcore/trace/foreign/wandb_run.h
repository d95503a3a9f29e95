// The binary file that W&B's client writes while a run goes on (run-ID.wandb): a 7-byte header,
// then LevelDB's log framing in blocks of 32 KiB that are counted from the beginning of the file,
// with a plain CRC-32 over type and payload, and protocol buffers inside. Read are the history
// (items with `key` or `nested_key`, joined by '.', values as JSON or, from client 0.31 on, typed)
// and the run itself (name, host, start, configuration). After damage reading goes on at the next
// block; a file that ends within a record is still being written. Memory is flat: the longest
// record, which is bounded by 64 MiB, and the rows of at most Rows::kWindow steps.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

bool looks_like_wandb_run(std::string_view head);
Result<std::unique_ptr<ForeignLog>> wandb_run_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options);

// A folder with one run-ID.wandb, as the client makes them: run-DATE-ID or offline-run-DATE-ID.
bool is_wandb_run_folder(FileSystem& fs, const std::string& path);
Result<std::unique_ptr<ForeignLog>> wandb_run_folder_log(FileSystem& fs, const std::string& path,
                                                         const ImportOptions& options);

}  // namespace ballast
