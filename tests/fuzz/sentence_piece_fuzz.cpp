// Whatever SentencePiece model is accepted must encode any text to ids of its own and decode them.
#include <cstdint>
#include <cstdlib>

#include "libcore/text/sentence_piece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const auto model = SentencePiece::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!model.ok()) return 0;
  const std::string text = "It's 1234 a </s>\n\n \xC3\xA9\xE4\xB8\x80 \xEF\xAC\x81ne <mark>" +
                           std::string(40, 'a') + '\0';
  std::vector<int32_t> ids;
  if (!model->encode(text, ids).ok()) return 0;
  for (const int32_t id : ids)
    if (id < 0 || id >= model->size()) std::abort();
  if (model->decode(ids).ok() && model->size() > 0)
    for (int32_t id = 0; id < model->size(); ++id) (void)model->bytes(id);
  return 0;
}
