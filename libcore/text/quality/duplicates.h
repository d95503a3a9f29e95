// Pieces of a text that stood in it before: how many, and their characters. Pure.
#pragma once

#include <string_view>

#include "libcore/text/count_chars.h"
#include "libcore/text/quality/intern.h"

namespace ballast {

struct Duplicates {
  double pieces = 0, repeated = 0, chars = 0;

  void add(std::string_view piece, StringIds& seen) {
    ++pieces;
    if (seen.insert(piece)) return;
    ++repeated;
    chars += static_cast<double>(count_chars(piece));
  }
  double share() const { return repeated / pieces; }
};

}  // namespace ballast
