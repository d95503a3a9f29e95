// Hugging Face's trainer_state.json; what is told to be one can be opened.
#include "libcore/trace/foreign/trainer_state.h"
#include "tests/fuzz/foreign_log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string input(fuzz::text_of(data, size));
  auto log = trainer_state_log(memory_source(input), {});
  BALLAST_CHECK(log.ok() || !looks_like_trainer_state(input));
  fuzz::read_log(std::move(log));
  return 0;
}
