// A file that appears whole or not at all: a temporary in the same directory (PATH.tmp-PID-RANDOM),
// created at the first byte, synced, renamed, directory synced. Destruction without commit()
// removes the temporary and leaves what was at PATH. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "libcore/io/file_system.h"

namespace ballast {

class AtomicFile {
 public:
  // `force` allows replacing an existing PATH; without it commit() and the first write fail with
  // kind usage.
  AtomicFile(FileSystem& fs, std::string path, bool force);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Result<void> write(Bytes data);
  Result<void> write(std::string_view text) { return write(as_bytes(text)); }
  // Everything is on the disk and the descriptor is given back, but nothing is visible: for outputs
  // of many files that appear together. Nothing may be written after it.
  Result<void> seal();
  Result<void> commit();  // also publishes an empty file when nothing was written

  const std::string& path() const { return path_; }

 private:
  Result<void> open();
  FileSystem* fs_;
  std::string path_;
  std::string temporary_;
  bool force_;
  std::unique_ptr<WritableFile> file_;
};

// Kind usage when writing `output` would overwrite or grow one of `inputs` (same device and inode);
// "-" is standard output, which the shell may have opened on an input.
Result<void> refuse_output_over_input(FileSystem& fs, const std::string& output,
                                      std::span<const std::string> inputs);

}  // namespace ballast
