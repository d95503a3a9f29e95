// Addresses, retention policies and leases: parsed without fault, and within their ranges.
#include "libcore/checkpoint/address.h"

#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/checkpoint/lease.h"
#include "libcore/checkpoint/retention.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = ballast::parse_address(text);
  if (address.ok()) {
    BALLAST_CHECK(!address->base.empty());
    BALLAST_CHECK(address->first >= 0 && address->first <= address->last);
    BALLAST_CHECK(address->pin.empty() || ballast::is_pin_name(address->pin));
  }
  const auto policy = ballast::parse_retention(text, "--keep");
  if (policy.ok()) BALLAST_CHECK(policy->last >= 0 && policy->every >= 0);
  const auto lease = ballast::parse_lease(text, "lease");
  if (lease.ok()) BALLAST_CHECK(ballast::parse_lease(ballast::lease_text(*lease), "again").ok());
  const int64_t step = ballast::step_of_directory(text);
  if (step >= 0) BALLAST_CHECK(ballast::step_directory_name(step) == text);
  return 0;
}
