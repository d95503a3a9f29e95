// W&B run files as they are, and, behind a first byte 'P', payloads that are framed here.
#include "libcore/trace/foreign/wandb_run.h"
#include "tests/fuzz/foreign_log.h"
#include "tests/support/foreign_build.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string_view input = fuzz::text_of(data, size);
  const std::string file = input.starts_with('P')
                               ? build::wandb_file(fuzz::counted_pieces_of(input.substr(1)))
                               : std::string(input);
  (void)looks_like_wandb_run(file);
  fuzz::read_log(wandb_run_log(memory_source(file), {}));
  return 0;
}
