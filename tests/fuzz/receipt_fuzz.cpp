// A receipt that parses is written and read back to the same thing, and its ranges lie in its
// files.
#include "libcore/shard/receipt.h"

#include <cstdint>

#include "libcore/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto receipt = ballast::parse_receipt(text, "fuzz");
  if (!receipt.ok()) return 0;
  const auto again = ballast::parse_receipt(ballast::receipt_text(*receipt), "again");
  BALLAST_CHECK(again.ok() && *again == *receipt);
  for (const ballast::ReceiptShard& shard : receipt->shards)
    for (const ballast::RemovedDocument& document : shard.removed)
      BALLAST_CHECK(document.before.end <= shard.before.bin.bytes &&
                    document.after.end <= shard.after.bin.bytes);
  (void)ballast::receipt_sums(*receipt);
  return 0;
}
