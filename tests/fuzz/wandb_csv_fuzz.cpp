// W&B's chart exports, of the only run and of one that is named.
#include "libcore/trace/foreign/wandb_csv.h"

#include "tests/fuzz/foreign_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)ballast::looks_like_wandb_csv(std::string_view(reinterpret_cast<const char*>(data), size));
  ballast::drain(ballast::wandb_csv_log(ballast::bytes(data, size), {}));
  ballast::ImportOptions named;
  named.run_name = "a";
  ballast::drain(ballast::wandb_csv_log(ballast::bytes(data, size), named));
  return 0;
}
