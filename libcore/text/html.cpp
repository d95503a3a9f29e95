#include "libcore/text/html.h"

#include <gumbo.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "libcore/base/ascii.h"
#include "libcore/text/html_license.h"

namespace ballast {
namespace {

constexpr int64_t kLimitAttributes = 4096;
constexpr int64_t kLimitRepeated = 5'000'000;
// A block is boilerplate when more than this share of its characters are links.
constexpr double kMaxLinkShare = 0.5;

enum class BlockKind { paragraph, item, row, heading, preformatted };

struct Block {
  BlockKind kind = BlockKind::paragraph;
  std::string text;
  int64_t characters = 0;       // without white space
  int64_t link_characters = 0;  // of those, inside <a href>
  int64_t list = 0;             // blocks of one list or table share a number; 0: none
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

bool is_dropped(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_EMBED:
    case GUMBO_TAG_APPLET:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_AUDIO:
    case GUMBO_TAG_VIDEO:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_INPUT:
    case GUMBO_TAG_MENU:
      return true;
    default:
      return false;
  }
}

bool is_block(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_P:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_HR:
      return true;
    default:
      return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6;
  }
}

bool is_list(GumboTag tag) {
  return tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_DL ||
         tag == GUMBO_TAG_TABLE;
}

std::string_view attribute(const GumboNode& node, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&node.v.element.attributes, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

// Class and id words that page templates use for what is not content. "sidebar" is not among them:
// in DocBook it is a boxed text of the book, and a sidebar of links falls to the link share.
constexpr std::string_view kBoilerplateWords[] = {
    "nav",           "navbar",        "navigation",    "navheader",   "navfooter",
    "docnav",        "menu",          "breadcrumb",    "breadcrumbs", "footer",
    "site-footer",   "page-footer",   "site-header",   "toc",         "pagination",
    "pager",         "cookie-banner", "cookie-notice", "skip-link",   "skip-to-content",
    "share-buttons", "social-links",  "topbar"};
constexpr std::string_view kBoilerplateRoles[] = {"navigation", "banner",  "contentinfo",  "search",
                                                  "menu",       "menubar", "complementary"};

template <size_t N>
bool has_word(std::string_view words, const std::string_view (&list)[N]) {
  while (!words.empty()) {
    size_t begin = std::min(words.find_first_not_of(" \t\n\r\f"), words.size());
    words.remove_prefix(begin);
    size_t end = std::min(words.find_first_of(" \t\n\r\f"), words.size());
    std::string_view word = words.substr(0, end);
    bool known = std::any_of(std::begin(list), std::end(list),
                             [&](std::string_view entry) { return ascii_equal(entry, word); });
    if (known && !word.empty()) return true;
    words.remove_prefix(end);
  }
  return false;
}

bool is_boilerplate(const GumboNode& node, bool in_article) {
  GumboTag tag = node.v.element.tag;
  if (is_dropped(tag)) return true;
  if (tag == GUMBO_TAG_HEADER && !in_article) return true;
  if (tag == GUMBO_TAG_BODY || tag == GUMBO_TAG_HTML || tag == GUMBO_TAG_MAIN ||
      tag == GUMBO_TAG_ARTICLE) {
    return false;
  }
  if (gumbo_get_attribute(&node.v.element.attributes, "hidden") != nullptr) return true;
  return has_word(attribute(node, "class"), kBoilerplateWords) ||
         has_word(attribute(node, "id"), kBoilerplateWords) ||
         has_word(attribute(node, "role"), kBoilerplateRoles);
}

// The mark behind a heading that links to the heading itself.
bool is_permalink(const GumboNode& node) {
  const GumboVector& children = node.v.element.children;
  if (node.v.element.tag != GUMBO_TAG_A || !attribute(node, "href").starts_with('#') ||
      children.length != 1)
    return false;
  const auto* child = static_cast<const GumboNode*>(children.data[0]);
  if (child->type != GUMBO_NODE_TEXT) return false;
  const std::string_view text = child->v.text.text;
  constexpr std::string_view kMarks[] = {"\xC2\xB6", "#", "\xC2\xA7", "\xF0\x9F\x94\x97"};
  return std::find(std::begin(kMarks), std::end(kMarks), text) != std::end(kMarks);
}

// Walks the tree and cuts it into blocks of text. Depth is bounded by kHtmlLimitDepth, so recursion
// is safe.
class BlockCollector {
 public:
  void walk(const GumboNode& node) {
    switch (node.type) {
      case GUMBO_NODE_TEXT:
      case GUMBO_NODE_WHITESPACE:
      case GUMBO_NODE_CDATA:
        add_text(node.v.text.text);
        break;
      case GUMBO_NODE_ELEMENT:
        walk_element(node);
        break;
      default:
        break;
    }
  }
  std::vector<Block> take() {
    end_block();
    return std::move(blocks_);
  }

 private:
  struct State {
    BlockKind kind = BlockKind::paragraph;
    bool link = false;
    bool preformatted = false;
    bool article = false;
    int64_t list = 0;
  };

  void walk_element(const GumboNode& node) {
    GumboTag tag = node.v.element.tag;
    if (is_boilerplate(node, state_.article) || is_permalink(node)) return;
    if (tag == GUMBO_TAG_BR) {
      add_line_break();
      return;
    }
    if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) separate_cell();
    State outer = state_;
    bool block = is_block(tag);
    if (block) end_block();
    enter(node, tag);
    const GumboVector& children = node.v.element.children;
    for (unsigned i = 0; i < children.length; ++i) {
      walk(*static_cast<const GumboNode*>(children.data[i]));
    }
    if (block) end_block();
    state_ = outer;
  }

  void enter(const GumboNode& node, GumboTag tag) {
    if (tag == GUMBO_TAG_ARTICLE || tag == GUMBO_TAG_MAIN) state_.article = true;
    if (tag == GUMBO_TAG_A && !attribute(node, "href").empty()) state_.link = true;
    if (is_list(tag) && state_.list == 0) state_.list = ++lists_;
    if (tag == GUMBO_TAG_LI || tag == GUMBO_TAG_DT || tag == GUMBO_TAG_DD) {
      state_.kind = BlockKind::item;
    } else if (tag == GUMBO_TAG_TR) {
      state_.kind = BlockKind::row;
    } else if (tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6) {
      state_.kind = BlockKind::heading;
    } else if (tag == GUMBO_TAG_PRE) {
      state_.kind = BlockKind::preformatted;
      state_.preformatted = true;
    }
  }

  void add_text(std::string_view text) {
    if (state_.preformatted) {
      block_.text += text;
      for (char c : text) count(c);
      return;
    }
    for (size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      bool nbsp = c == '\xC2' && i + 1 < text.size() && text[i + 1] == '\xA0';
      if (nbsp) ++i;
      if (nbsp || is_blank(c)) {
        space_ = true;
        continue;
      }
      if (space_ && !block_.text.empty() && !is_blank(block_.text.back())) block_.text += ' ';
      space_ = false;
      block_.text += c;
      count(c);
    }
  }

  // Continuation bytes of UTF-8 are not characters.
  void count(char c) {
    if (is_blank(c) || (static_cast<unsigned char>(c) & 0xC0) == 0x80) return;
    ++block_.characters;
    if (state_.link) ++block_.link_characters;
  }

  void add_line_break() {
    if (state_.preformatted || !block_.text.empty()) block_.text += '\n';
    space_ = false;
  }

  void separate_cell() {
    if (!block_.text.empty() && !is_blank(block_.text.back())) block_.text += '\t';
    space_ = false;
  }

  void end_block() {
    space_ = false;
    std::string& text = block_.text;
    if (block_.characters > 0) {
      block_.kind = state_.kind;
      block_.list = state_.list;
      trim(text, state_.preformatted);
      blocks_.push_back(std::move(block_));
    }
    block_ = Block{};
  }

  // Preformatted text keeps the indentation of its first line.
  static void trim(std::string& text, bool preformatted) {
    while (!text.empty() && is_blank(text.back())) text.pop_back();
    size_t begin = 0;
    if (preformatted) {
      size_t first = text.find_first_not_of(" \t\n\r\f");
      begin = text.rfind('\n', first);
      begin = begin == std::string::npos ? 0 : begin + 1;
    } else {
      while (begin < text.size() && is_blank(text[begin])) ++begin;
    }
    text.erase(0, begin);
  }

  std::vector<Block> blocks_;
  Block block_;
  State state_;
  bool space_ = false;  // folded white space waits for the next character
  int64_t lists_ = 0;
};

// Lists and tables are judged whole: a single linked item in a list of prose stays.
std::vector<bool> keep_by_link_share(const std::vector<Block>& blocks) {
  std::vector<int64_t> characters, links;
  for (const Block& block : blocks) {
    if (block.list == 0) continue;
    auto need = static_cast<size_t>(block.list) + 1;
    if (characters.size() < need) {
      characters.resize(need);
      links.resize(need);
    }
    characters[static_cast<size_t>(block.list)] += block.characters;
    links[static_cast<size_t>(block.list)] += block.link_characters;
  }
  std::vector<bool> keep;
  for (const Block& block : blocks) {
    auto list = static_cast<size_t>(block.list);
    int64_t all = block.list == 0 ? block.characters : characters[list];
    int64_t linked = block.list == 0 ? block.link_characters : links[list];
    bool exempt = block.kind == BlockKind::heading || block.kind == BlockKind::preformatted;
    keep.push_back(exempt ||
                   static_cast<double>(linked) <= kMaxLinkShare * static_cast<double>(all));
  }
  return keep;
}

std::string_view separator(const Block& before, const Block& after) {
  bool lines = (after.kind == BlockKind::item || after.kind == BlockKind::row) &&
               (before.kind == after.kind) && before.list == after.list;
  return lines ? "\n" : "\n\n";
}

const GumboNode* child_with_tag(const GumboNode& node, GumboTag tag) {
  const GumboVector& children = node.v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* child = static_cast<const GumboNode*>(children.data[i]);
    if (child->type == GUMBO_NODE_ELEMENT && child->v.element.tag == tag) return child;
  }
  return nullptr;
}

std::string title_of(const GumboNode& root) {
  const GumboNode* head = child_with_tag(root, GUMBO_TAG_HEAD);
  const GumboNode* title = head == nullptr ? nullptr : child_with_tag(*head, GUMBO_TAG_TITLE);
  if (title == nullptr || title->v.element.children.length == 0) return {};
  BlockCollector collector;
  collector.walk(*static_cast<const GumboNode*>(title->v.element.children.data[0]));
  std::vector<Block> blocks = collector.take();
  return blocks.empty() ? std::string() : std::move(blocks[0].text);
}

// Depth is bounded by kHtmlLimitDepth.
void collect_metas(const GumboNode& node, HtmlText& into) {
  if (node.type != GUMBO_NODE_ELEMENT) return;
  if (node.v.element.tag == GUMBO_TAG_META) {
    const std::string_view name = attribute(node, "name");
    if (!name.empty()) into.metas.emplace_back(to_ascii_lower(name), attribute(node, "content"));
  }
  const GumboVector& children = node.v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    collect_metas(*static_cast<const GumboNode*>(children.data[i]), into);
  }
}

void join_blocks(const std::vector<Block>& blocks, HtmlText& into) {
  std::vector<bool> keep = keep_by_link_share(blocks);
  // A first heading that repeats the title is not said twice.
  size_t first = 0;
  while (first < blocks.size() && !keep[first]) ++first;
  bool repeated = first < blocks.size() && blocks[first].text == into.title;
  into.text = repeated ? std::string() : into.title;
  const Block* before = nullptr;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!keep[i]) {
      ++into.blocks_dropped;
      continue;
    }
    if (!into.text.empty()) {
      into.text += before == nullptr ? std::string_view("\n\n") : separator(*before, blocks[i]);
    }
    into.text += blocks[i].text;
    before = &blocks[i];
    ++into.blocks_kept;
  }
}

struct DestroyOutput {
  void operator()(GumboOutput* output) const {
    gumbo_destroy_output(&kGumboDefaultOptions, output);
  }
};

}  // namespace

Result<HtmlText> extract_html(std::string_view html, const std::string& where) {
  if (html.size() > kHtmlLimitBytes) return corrupt_error("page over 64 MiB", where);
  HtmlShape shape = measure_html(html);
  if (shape.depth > kHtmlLimitDepth) return corrupt_error("markup over 2000 levels deep", where);
  if (shape.attributes > kLimitAttributes || shape.repeated > kLimitRepeated) {
    return corrupt_error("markup made to exhaust parsers", where);
  }
  GumboOptions options = kGumboDefaultOptions;
  options.max_errors = 0;
  std::unique_ptr<GumboOutput, DestroyOutput> output(
      gumbo_parse_with_options(&options, html.data(), html.size()));
  HtmlText result;
  if (output == nullptr || output->root == nullptr) return result;
  const GumboNode& root = *output->root;
  result.language = attribute(root, "lang");
  if (result.language.empty()) result.language = attribute(root, "xml:lang");
  result.title = title_of(root);
  collect_metas(root, result);
  collect_license_claims(root, result.licenses);
  BlockCollector collector;
  if (const GumboNode* body = child_with_tag(root, GUMBO_TAG_BODY)) collector.walk(*body);
  join_blocks(collector.take(), result);
  return result;
}

}  // namespace ballast
