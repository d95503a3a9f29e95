// Any bytes as a page of any charset: the text is valid UTF-8 and no longer than the page can make
// it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/io/utf8.h"
#include "libcore/text/charset.h"
#include "libcore/text/html.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ballast::DecodedText decoded = ballast::decode_text(bytes, "", true);
  BALLAST_CHECK(ballast::is_valid_utf8(decoded.text));
  const ballast::Result<ballast::HtmlText> page = ballast::extract_html(decoded.text, "fuzz");
  if (page.ok()) BALLAST_CHECK(ballast::is_valid_utf8(page->text));
  return 0;
}
