// Any bytes as an HTTP response: a decoded body respects its limit.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/io/http.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kLimit = 1 << 20;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const auto response = ballast::parse_http_response(message, "fuzz");
  if (!response.ok()) return 0;
  BALLAST_CHECK(response->status >= 0 && response->status <= 999);
  ballast::parse_media_type(ballast::field_value(response->fields, "Content-Type"));
  const auto body = ballast::decode_http_body(*response, kLimit, "fuzz");
  if (body.ok()) BALLAST_CHECK(static_cast<int64_t>(body->size()) <= kLimit);
  return 0;
}
