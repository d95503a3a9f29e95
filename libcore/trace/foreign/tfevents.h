// TensorBoard event files: TFRecord framing (length, masked CRC-32C of the length, payload, masked
// CRC-32C of the payload) around Event messages of protocol buffers. Scalars are read in both
// forms, `simple_value` and a tensor of one element (float, double, int32, int64; half types are
// not written by trainers). A damaged record is passed over and the next one whose checksums hold
// is looked for; a half record at the end is a file that is still being written. Megatron's twins
// by samples ("lm loss vs samples") are left out. A file's SessionLog START after step 0 comes out
// as a `resume` event: the writer declared what was logged from that step on as void. Memory is
// flat: the rows of at most Rows::kWindow steps (tags written one after the other over more steps
// than that come apart) and the longest record, which is bounded by 64 MiB.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

bool looks_like_tfevents(std::string_view head);
Result<std::unique_ptr<ForeignLog>> tfevents_log(std::unique_ptr<ByteSource> source,
                                                 const ImportOptions& options);

// A folder with at least one file whose name has ".tfevents." in it.
bool is_tfevents_folder(FileSystem& fs, const std::string& path);
// All its event files as one run, by the time of their first record (by their name where they have
// none): a file is a start of the trainer. Damage is counted by the offset in its file, which the
// reason names.
Result<std::unique_ptr<ForeignLog>> tfevents_folder_log(FileSystem& fs, const std::string& path,
                                                        const ImportOptions& options);

}  // namespace ballast
