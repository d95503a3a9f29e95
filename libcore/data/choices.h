// Multiple-choice questions from JSON Lines, in the forms that the field's files have:
//   HellaSwag   {"ctx": C, "endings": [E, ...], "label": 2}        scores " E" after C
//   WinoGrande  {"sentence": "a _ b", "option1": X, "option2": Y, "answer": "1"}
//               scores " b" after "a X" and after "a Y" (the part after the gap, as the field does)
//   any other   {"context": C, "choices": [E, ...], "label": 0}    as HellaSwag
// label may be a number or its digits as a string; it counts from 0, WinoGrande's answer from 1.
// Pure; errors are kind corrupt with `where`.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct Choice {
  std::string context;
  std::string continuation;  // begins with the space that parts it from the context
};

struct Question {
  std::vector<Choice> choices;  // 2 to 64
  int64_t label = 0;            // index of the right one
};

Result<Question> parse_question(std::string_view line, const std::string& where);

}  // namespace ballast
