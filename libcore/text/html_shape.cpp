#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "libcore/base/ascii.h"
#include "libcore/text/html.h"

namespace ballast {
namespace {

// Void elements, and those whose end tag the next of their kind implies: they do not pile up.
constexpr std::string_view kFlat[] = {
    "area", "base",  "br",     "col",   "embed", "hr",    "img",      "input", "keygen", "link",
    "meta", "param", "source", "track", "wbr",   "p",     "li",       "dt",    "dd",     "option",
    "tr",   "td",    "th",     "thead", "tbody", "tfoot", "optgroup", "html",  "head",   "body"};

// Elements that the parser opens again in whatever follows while they lack their end tag.
constexpr std::string_view kFormatting[] = {"a",    "b", "big",   "code",   "em",     "font", "i",
                                            "nobr", "s", "small", "strike", "strong", "tt",   "u"};

template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

// From behind the name to behind the '>'; counts the starts of attributes.
size_t skip_tag(std::string_view html, size_t i, int64_t* attributes) {
  char quote = 0;
  bool gap = false;
  for (; i < html.size(); ++i) {
    char c = html[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '>') return i + 1;
    if (is_blank(c) || c == '/') {
      gap = true;
      continue;
    }
    if (gap && c != '=') ++*attributes;
    gap = false;
    if ((c == '"' || c == '\'') && html[i - 1] == '=') quote = c;
  }
  return i;
}

// Behind the end tag of a raw-text element, or the end.
size_t skip_raw_text(std::string_view html, size_t i, std::string_view name) {
  while (true) {
    i = html.find("</", i);
    if (i == std::string_view::npos) return html.size();
    if (ascii_equal(html.substr(i + 2, name.size()), name)) return i;
    i += 2;
  }
}

}  // namespace

HtmlShape measure_html(std::string_view html) {
  HtmlShape shape;
  std::unordered_map<std::string, int64_t> open;
  int64_t depth = 0, formatting = 0, foreign = 0;
  size_t i = 0;
  while ((i = html.find('<', i)) != std::string_view::npos) {
    if (html.substr(i).starts_with("<!--")) {
      size_t end = html.find("-->", i + 4);
      i = end == std::string_view::npos ? i + 4 : end + 3;
      continue;
    }
    bool closing = html.substr(i + 1).starts_with('/');
    size_t begin = i + 1 + (closing ? 1 : 0);
    if (begin >= html.size() || !is_ascii_letter(html[begin])) {
      ++i;
      continue;
    }
    size_t end = begin;
    while (end < html.size() && !is_blank(html[end]) && html[end] != '>' && html[end] != '/') ++end;
    std::string name = to_ascii_lower(html.substr(begin, end - begin));
    int64_t attributes = 0;
    i = skip_tag(html, end, &attributes);
    shape.attributes = std::max(shape.attributes, attributes);
    if (!closing && (name == "script" || name == "style")) {
      i = skip_raw_text(html, i, name);
      continue;
    }
    bool formats = is_one_of(name, kFormatting);
    if (!closing && !formats) shape.repeated += formatting;
    // Inside SVG and MathML every element nests.
    if (foreign == 0 && is_one_of(name, kFlat)) continue;
    int64_t step = closing ? -1 : 1;
    if (name == "svg" || name == "math") foreign = std::max<int64_t>(0, foreign + step);
    int64_t& count = open[std::move(name)];
    if (closing && count == 0) continue;
    count += step;
    depth += step;
    if (formats) formatting += step;
    shape.depth = std::max(shape.depth, depth);
  }
  return shape;
}

}  // namespace ballast
