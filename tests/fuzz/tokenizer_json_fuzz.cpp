// Whatever tokenizer.json is accepted must encode and give back any text.
#include <cstdint>
#include <cstdlib>

#include "libcore/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = Tokenizer::parse(json, "fuzz");
  if (!tokenizer.ok()) return 0;
  std::vector<int32_t> ids;
  for (const auto special : {SpecialTokens::as_text, SpecialTokens::recognised}) {
    ids.clear();
    if (!Encoder(*tokenizer).encode("It's 1234 a </s>\n\n \xC3\xA9\xE4\xB8\x80", ids, special).ok())
      return 0;
    for (const int32_t id : ids)
      if (id < 0 || id >= tokenizer->vocab_size()) std::abort();
    if (!tokenizer->decode(ids, false).ok()) std::abort();
  }
  return 0;
}
