// An output that is written whole before it appears, for outputs that appear together: finish() of
// the sink puts everything on the disk, and only publish() gives it its name. What is no regular
// file, and standard output, have what was written at once. One thread.
#pragma once

#include <memory>
#include <string>

#include "libcore/io/atomic_file.h"
#include "libcore/io/stream.h"

namespace ballast {

class HeldOutput {
 public:
  // As open_sink() does, compressed where the name asks for it.
  static Result<HeldOutput> open(FileSystem& fs, const std::string& path, bool force);

  ByteSink& sink() { return *sink_; }
  Result<void> publish();  // after finish() of the sink

 private:
  std::unique_ptr<AtomicFile> file_;  // none: there is nothing to publish
  std::unique_ptr<ByteSink> sink_;    // writes to it
};

}  // namespace ballast
