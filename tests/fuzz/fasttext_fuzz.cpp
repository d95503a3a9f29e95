// Any bytes as a fastText model: refused, or a model whose answer to a text is a label of its own
// and the same twice.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "libcore/base/check.h"
#include "libcore/text/fasttext/fasttext_model.h"
#include "tests/support/bytes_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::BytesFile file(std::string(reinterpret_cast<const char*>(data), size));
  const auto model = ballast::FastTextModel::read(file, "model");
  if (!model.ok()) return 0;
  const std::string text = "the river Haus \u00e9t\u00e9 __label__en </s> \xff x";
  ballast::FastTextBuffers one, two;
  const ballast::FastTextPrediction first = (*model)->predict(text, one);
  const ballast::FastTextPrediction second = (*model)->predict(text, two);
  BALLAST_CHECK(first.label == second.label && one.scores.size() == two.scores.size());
  const size_t bytes = one.scores.size() * sizeof(float);
  BALLAST_CHECK(std::memcmp(one.scores.data(), two.scores.data(), bytes) == 0);
  BALLAST_CHECK(first.label < static_cast<int>((*model)->labels().size()));
  return 0;
}
