// Lines of multiple-choice files.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/data/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const auto question =
      parse_question(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!question.ok()) return 0;
  BALLAST_CHECK(question->choices.size() >= 2);
  BALLAST_CHECK(question->label >= 0 &&
                question->label < static_cast<int64_t>(question->choices.size()));
  for (const Choice& choice : question->choices)
    BALLAST_CHECK(choice.continuation.size() >= 2 && choice.continuation[0] == ' ');
  return 0;
}
