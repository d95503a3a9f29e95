// Histories of W&B as JSON, lines and documents.
#include "libcore/trace/foreign/wandb_history.h"
#include "tests/fuzz/foreign_log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string input(fuzz::text_of(data, size));
  (void)looks_like_wandb_history(input);
  fuzz::read_log(wandb_history_log(memory_source(input), {}));
  ImportOptions options;
  options.map = {{"loss", "l"}, {"lr", "a/l"}};
  fuzz::read_log(wandb_history_log(memory_source(input), options));
  return 0;
}
