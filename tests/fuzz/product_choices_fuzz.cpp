// Choices of algorithms: what is read is written back to the same.
#include "libcore/tensor/product_choices.h"

#include <cstdint>

#include "libcore/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ballast::ProductChoices;
  const auto choices =
      ProductChoices::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!choices.has_value() || choices->by_shape.empty()) return 0;
  BALLAST_CHECK(ProductChoices::parse(choices->text()) == choices);
  return 0;
}
