// Whatever tekken.json is accepted must encode any text and give it back. The 256 entries that
// every vocabulary begins with are put in by the target, so that inputs stay small.
#include <cstdint>
#include <cstdlib>

#include "libcore/io/json.h"
#include "libcore/text/tokenizer.h"

namespace {

std::string with_bytes(std::string_view file) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr std::string_view kList = "\"vocab\":[";
  std::string text(file);
  const size_t at = text.find(kList);
  if (at == text.npos) return text;
  std::string entries;
  for (size_t byte = 0; byte < 256; ++byte) {
    entries += "{\"rank\":" + std::to_string(byte) + ",\"token_bytes\":\"";
    entries += kDigits[byte >> 2];
    entries += kDigits[(byte & 3) << 4];
    entries += "==\",\"token_str\":null}";
    if (byte < 255) entries += ',';
  }
  return text.insert(at + kList.size(), entries);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string file = with_bytes({reinterpret_cast<const char*>(data), size});
  const auto tokenizer = Tokenizer::parse(file, "fuzz");
  if (!tokenizer.ok()) return 0;
  const std::string text = "It's 1234 a </s>\n\n \xC3\xA9\xE4\xB8\x80" + std::string(60, 'a') + "b";
  std::vector<int32_t> ids;
  for (const auto special : {SpecialTokens::as_text, SpecialTokens::recognised}) {
    ids.clear();
    if (!Encoder(*tokenizer).encode(text, ids, special).ok()) return 0;
    const auto back = tokenizer->decode(ids, false);
    if (!back.ok()) std::abort();
    // A pattern of the file may leave out text between its matches, never add any.
    if (back->size() > text.size()) std::abort();
  }
  return 0;
}
