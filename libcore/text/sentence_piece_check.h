// What the SentencePiece library takes on trust in a model file.
#pragma once

#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

// Kind corrupt for a file that is no such model or that the library cannot be given.
Result<void> check_sentence_piece_model(std::string_view file, const std::string& where);

}  // namespace ballast
