// Event files as they are, and, behind a first byte 'P', payloads that are framed here.
#include "libcore/trace/foreign/tfevents.h"
#include "tests/fuzz/foreign_log.h"
#include "tests/support/foreign_build.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string_view input = fuzz::text_of(data, size);
  std::string file(input);
  if (input.starts_with('P')) {
    file.clear();
    for (const std::string& payload : fuzz::counted_pieces_of(input.substr(1)))
      file += build::tfrecord(payload);
  }
  (void)looks_like_tfevents(file);
  fuzz::read_log(tfevents_log(memory_source(file), {}));
  return 0;
}
