#include "tools/gradstat/dygraphs.h"

// The assembler reads the files, so that 130 kB of script never pass through the compiler.
#define BALLAST_EMBED(name, path)       \
  asm(".section .rodata\n"              \
      ".global " #name "_begin\n" #name \
      "_begin:\n"                       \
      ".incbin \"" path                 \
      "\"\n"                            \
      ".global " #name "_end\n" #name   \
      "_end:\n"                         \
      ".byte 0\n"                       \
      ".previous\n");                   \
  extern "C" const char name##_begin[]; \
  extern "C" const char name##_end[]

BALLAST_EMBED(ballast_dygraphs_script, BALLAST_DYGRAPHS_SCRIPT);
BALLAST_EMBED(ballast_dygraphs_style, BALLAST_DYGRAPHS_STYLE);

namespace ballast {

std::string_view dygraphs_script() {
  return {ballast_dygraphs_script_begin,
          static_cast<size_t>(ballast_dygraphs_script_end - ballast_dygraphs_script_begin)};
}
std::string_view dygraphs_style() {
  return {ballast_dygraphs_style_begin,
          static_cast<size_t>(ballast_dygraphs_style_end - ballast_dygraphs_style_begin)};
}

}  // namespace ballast
