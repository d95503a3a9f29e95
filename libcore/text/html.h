// Web pages to plain text: title first, paragraphs with a blank line between them, list items and
// table rows on their own lines, <pre> as it stands, entities decoded, white space folded. Script,
// style, navigation, headers, footers, asides, forms and blocks that are mostly links are dropped.
// Pure. Fails with kind corrupt on markup that is nested too deeply or is too large to parse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/license/license_claim.h"

namespace ballast {

inline constexpr size_t kHtmlLimitBytes = size_t{64} << 20;
inline constexpr int64_t kHtmlLimitDepth =
    2000;  // unclosed elements; the parser is quadratic in it

struct HtmlText {
  std::string title;
  std::string language;  // of <html lang>, as written; empty if absent
  std::string text;      // title and kept blocks; ends without line end
  // `name` (lower case) and `content` of each <meta>, wherever it stands.
  std::vector<std::pair<std::string, std::string>> metas;
  std::vector<LicenseClaim> licenses;  // different ones
  int64_t blocks_kept = 0;
  int64_t blocks_dropped = 0;  // boilerplate by link density
};

// `html` must be UTF-8.
Result<HtmlText> extract_html(std::string_view html, const std::string& where);

// What a page could make of the parser, estimated from above without building a tree: the deepest
// nesting, the most attributes of one tag, and how many formatting elements left open (<b>, <font>)
// the HTML rules would repeat in the elements after them.
struct HtmlShape {
  int64_t depth = 0;
  int64_t attributes = 0;
  int64_t repeated = 0;
};
HtmlShape measure_html(std::string_view html);

}  // namespace ballast
