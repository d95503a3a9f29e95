#include "tools/gradstat/page_assets.h"

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
BALLAST_EMBED(ballast_report_script, BALLAST_REPORT_SCRIPT);
BALLAST_EMBED(ballast_report_style, BALLAST_REPORT_STYLE);

namespace ballast {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string_view dygraphs_script() {
  return between(ballast_dygraphs_script_begin, ballast_dygraphs_script_end);
}
std::string_view dygraphs_style() {
  return between(ballast_dygraphs_style_begin, ballast_dygraphs_style_end);
}
std::string_view report_script() {
  return between(ballast_report_script_begin, ballast_report_script_end);
}
std::string_view report_style() {
  return between(ballast_report_style_begin, ballast_report_style_end);
}

}  // namespace ballast
