#include "libcore/text/html_license.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "libcore/base/ascii.h"
#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/text/license/spdx.h"

namespace ballast {
namespace {

constexpr size_t kMaxJsonLd = size_t{1} << 20;

bool has_word(std::string_view words, std::string_view wanted) {
  while (!words.empty()) {
    const size_t begin = std::min(words.find_first_not_of(" \t\n\r\f"), words.size());
    words.remove_prefix(begin);
    const size_t end = std::min(words.find_first_of(" \t\n\r\f"), words.size());
    if (end > 0 && ascii_equal(words.substr(0, end), wanted)) return true;
    words.remove_prefix(end);
  }
  return false;
}

class Collector {
 public:
  explicit Collector(std::vector<LicenseClaim>& claims) : claims_(claims) {}

  void walk(const GumboNode& node) {
    if (node.type != GUMBO_NODE_ELEMENT) return;
    take(node);
    const GumboVector& children = node.v.element.children;
    for (unsigned i = 0; i < children.length; ++i)
      walk(*static_cast<const GumboNode*>(children.data[i]));
  }

 private:
  static std::string_view attribute(const GumboNode& node, const char* name) {
    const GumboAttribute* found = gumbo_get_attribute(&node.v.element.attributes, name);
    return found == nullptr ? std::string_view() : std::string_view(found->value);
  }

  // Each licence of a source once, however it is spelt, and of what is not recognised the first: no
  // number of spellings may hide a licence that is named behind them. One above the limit is kept,
  // which tells that there are too many.
  void add(LicenseSource source, std::string_view value) {
    if (value.empty() || value.size() > kMaxLicenseText || !is_valid_utf8(value)) return;
    std::vector<std::string>& known = known_[static_cast<size_t>(source)];
    std::string license = normalized_license(value);
    if (known.size() > kMaxLicenseClaims + 1 ||
        std::find(known.begin(), known.end(), license) != known.end())
      return;
    known.push_back(std::move(license));
    claims_.push_back({source, std::string(value)});
  }

  void take(const GumboNode& node) {
    const GumboTag tag = node.v.element.tag;
    const std::string_view href = attribute(node, "href");
    if (tag == GUMBO_TAG_A || tag == GUMBO_TAG_LINK || tag == GUMBO_TAG_AREA) {
      if (has_word(attribute(node, "rel"), "license")) return add(LicenseSource::rel, href);
    }
    if (has_word(attribute(node, "itemprop"), "license") ||
        has_word(attribute(node, "property"), "schema:license") ||
        has_word(attribute(node, "property"), "cc:license") ||
        has_word(attribute(node, "property"), "dct:license")) {
      return add(LicenseSource::schema, value_of(node));
    }
    if (tag == GUMBO_TAG_META) return take_meta(node);
    if (tag == GUMBO_TAG_SCRIPT && ascii_equal(attribute(node, "type"), "application/ld+json"))
      return take_script(node);
    const bool commons = href.find("creativecommons.org/") != std::string_view::npos;
    if (tag == GUMBO_TAG_A && commons && !normalized_license(href).empty())
      add(LicenseSource::link, href);
  }

  // The address or text of a property.
  static std::string_view value_of(const GumboNode& node) {
    for (const char* name : {"href", "resource", "content"}) {
      const std::string_view value = attribute(node, name);
      if (!value.empty()) return value;
    }
    return text_of(node);
  }

  static std::string_view text_of(const GumboNode& node) {
    const GumboVector& children = node.v.element.children;
    if (children.length != 1) return {};
    const auto* child = static_cast<const GumboNode*>(children.data[0]);
    const bool text = child->type == GUMBO_NODE_TEXT || child->type == GUMBO_NODE_CDATA;
    return text ? std::string_view(child->v.text.text) : std::string_view();
  }

  void take_meta(const GumboNode& node) {
    constexpr std::string_view kNames[] = {
        "license",           "licence",         "dc.rights",      "dc.license",
        "dc.rights.license", "dcterms.license", "dcterms.rights", "rights"};
    const std::string_view name = attribute(node, "name");
    if (std::any_of(std::begin(kNames), std::end(kNames),
                    [&](std::string_view known) { return ascii_equal(known, name); }))
      add(LicenseSource::meta, attribute(node, "content"));
  }

  void take_script(const GumboNode& node) {
    const std::string_view text = text_of(node);
    if (text.empty() || text.size() > kMaxJsonLd) return;
    const Result<Json> parsed = parse_json(text, "");
    if (parsed.ok()) take_json(*parsed);
  }

  // The items of a page: the value itself, a list of them, a "@graph". What is inside an item (an
  // image, a part) has a licence of its own.
  void take_json(const Json& value) {
    if (value.is_array()) {
      for (const Json& item : value) take_item(item);
      return;
    }
    if (value.is_object() && value.contains("@graph") && value["@graph"].is_array()) {
      for (const Json& item : value["@graph"]) take_item(item);
    }
    take_item(value);
  }

  void take_item(const Json& item) {
    if (!item.is_object() || !item.contains("license") || is_part(item)) return;
    const Json& license = item["license"];
    if (license.is_array()) {
      for (const Json& each : license) take_value(each);
    } else {
      take_value(license);
    }
  }

  static bool is_part(const Json& item) {
    const auto type = item.find("@type");
    if (type == item.end() || !type->is_string()) return false;
    constexpr std::string_view kParts[] = {"ImageObject", "VideoObject", "AudioObject",
                                           "MediaObject", "SoftwareApplication"};
    const auto& name = type->get_ref<const std::string&>();
    return std::find(std::begin(kParts), std::end(kParts), name) != std::end(kParts);
  }

  void take_value(const Json& license) {
    if (license.is_string())
      return add(LicenseSource::schema, license.get_ref<const std::string&>());
    if (!license.is_object()) return;
    for (const char* key : {"@id", "url", "name"}) {
      const auto found = license.find(key);
      if (found != license.end() && found->is_string())
        return add(LicenseSource::schema, found->get_ref<const std::string&>());
    }
  }

  std::vector<LicenseClaim>& claims_;
  std::array<std::vector<std::string>, 4> known_;  // licences by source; "" for all unrecognised
};

}  // namespace

void collect_license_claims(const GumboNode& root, std::vector<LicenseClaim>& claims) {
  Collector(claims).walk(root);
}

}  // namespace ballast
