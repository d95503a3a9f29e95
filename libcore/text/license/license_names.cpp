#include "libcore/text/license/license_names.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

struct SpdxId {
  std::string_view id;
  bool exception;
};
constexpr SpdxId kIds[] = {
#include "libcore/text/license/spdx_ids.inc"
};

bool less_folded(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return ascii_lower(x) < ascii_lower(y);
  });
}

// The first that is not before `id`.
const SpdxId* lower_bound_of(std::string_view id) {
  return std::lower_bound(
      std::begin(kIds), std::end(kIds), id,
      [](const SpdxId& known, std::string_view wanted) { return less_folded(known.id, wanted); });
}

std::string_view find_id(std::string_view id, bool exception) {
  const SpdxId* found = lower_bound_of(id);
  const bool same = found != std::end(kIds) && ascii_equal(found->id, id);
  return same && found->exception == exception ? found->id : std::string_view();
}

// Marks beyond ASCII that part words as a space does, up to U+00BF and from U+2000 to U+207F:
// signs, dashes, quotes, odd spaces. What follows is never a letter of ASCII.
bool is_foreign_mark(std::string_view rest) {
  if (rest.size() < 2) return false;
  return rest[0] == '\xC2' || (rest[0] == '\xE2' && (rest[1] == '\x80' || rest[1] == '\x81'));
}

// Lower-case words of letters, and numbers with dots inside; signs part them, and a plus behind a
// number is a word. Letters beyond ASCII make words too, which no list has: nothing that is said
// may get lost.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    while (word.ends_with('.')) word.pop_back();
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = is_ascii_digit(c);
    const bool dot = c == '.' && !word.empty() && is_ascii_digit(word.back());
    const bool mark = is_foreign_mark(text.substr(i));
    const bool foreign = !mark && static_cast<unsigned char>(c) >= 0x80;
    if (!is_ascii_alnum(c) && !dot && !foreign) {
      if (mark) i += c == '\xC2' ? 1 : 2;
      end_word();
      if (c == '+' && !words.empty() && is_ascii_digit(words.back()[0])) words.emplace_back("+");
      continue;
    }
    // "v3" and "gplv3" are two words, the letter aside; "cc0" is one.
    const bool number = !word.empty() && is_ascii_digit(word[0]);
    if (!word.empty() && !dot && digit != number && !(digit && word == "cc")) {
      if (digit && word.size() > 3 && word.ends_with('v')) word.pop_back();
      end_word();
    }
    word += ascii_lower(c);
  }
  end_word();
  return words;
}

// "3" is 3.0; empty: no number of a version.
std::string version_of(const std::string& word) {
  if (!is_ascii_digit(word[0]) || word.size() > 3) return {};
  if (word.find('.') == std::string::npos) return word.size() == 1 ? word + ".0" : std::string();
  return word;
}

bool contains(std::span<const std::string_view> list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Says only that this is a licence.
constexpr std::string_view kFiller[] = {"a",        "an", "the",      "this",      "work",
                                        "software", "is", "licensed", "under",     "released",
                                        "terms",    "of", "public",   "available", "license",
                                        "licence",  "v",  "version",  "licenses"};

// The longest usual names, with "this work is licensed under" in front; a text that says more is
// about more than a licence.
constexpr size_t kMostWords = 16;

class Words {
 public:
  explicit Words(std::string_view text) : words_(words_of(text)) {
    take_plus();
    join("public", "domain", "publicdomain");
    join("creative", "commons", "cc");
    join("affero", "general", "agpl");
    join("affero", "gpl", "agpl");
    join("lesser", "general", "lgpl");
    join("lesser", "gpl", "lgpl");
    join("free", "documentation", "gfdl");
    join("general", "public", "gpl");
    join("non", "commercial", "nc");
    join("no", "derivatives", "nd");
    join("no", "derivs", "nd");
    join("share", "alike", "sa");
  }
  bool has(std::string_view word) const {
    return std::find(words_.begin(), words_.end(), word) != words_.end();
  }
  // This version or a later one, by a plus behind all that is said or in words.
  bool later() const { return later_ || has("later") || has("newer"); }
  // Short, of these words, filler and one version: any other ("not", "except", "reserved", another
  // licence's) may turn round what is said, or be about a part only.
  bool only(std::span<const std::string_view> known) const {
    if (words_.size() > kMostWords) return false;
    const std::string wanted = version();
    return std::all_of(words_.begin(), words_.end(), [&](const std::string& word) {
      if (is_ascii_digit(word[0])) return !wanted.empty() && version_of(word) == wanted;
      return contains(kFiller, word) || contains(known, word);
    });
  }
  std::string version() const {
    for (const std::string& word : words_) {
      if (std::string version = version_of(word); !version.empty()) return version;
    }
    return {};
  }
  // Without filler.
  std::string essence() const {
    std::string text;
    for (const std::string& word : words_) {
      if (contains(kFiller, word)) continue;
      if (!text.empty()) text += ' ';
      text += word;
    }
    return text;
  }

 private:
  // A plus with more behind it joins two licences: it stays a word, which no list has.
  void take_plus() {
    const auto plus = std::find(words_.begin(), words_.end(), "+");
    if (plus == words_.end()) return;
    constexpr std::string_view kBehind[] = {"gnu", "or", "later", "newer"};
    later_ = std::all_of(plus + 1, words_.end(), [&](const std::string& word) {
      return contains(kFiller, word) || contains(kBehind, word);
    });
    if (later_) words_.erase(plus);
  }

  void join(std::string_view first, std::string_view second, std::string_view both) {
    for (size_t i = 1; i < words_.size(); ++i) {
      if (words_[i - 1] != first || words_[i] != second) continue;
      words_[i - 1] = both;
      words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  std::vector<std::string> words_;
  bool later_ = false;
};

// The identifier of this version or a later one, where that was said.
std::string or_later(std::string id, const Words& words) {
  if (!words.later()) return id;
  if (id.ends_with("-only")) return id.substr(0, id.size() - 4) + "or-later";
  return find_id(id, false).empty() ? id : id + "+";
}

// With the jurisdictions that the deeds were often adapted to.
constexpr std::string_view kCommonsWords[] = {"cc",
                                              "by",
                                              "attribution",
                                              "nc",
                                              "noncommercial",
                                              "nd",
                                              "noderivs",
                                              "sa",
                                              "mark",
                                              "sharealike",
                                              "deed",
                                              "noderivatives",
                                              "cc0",
                                              "zero",
                                              "igo",
                                              "generic",
                                              "publicdomain",
                                              "dedication",
                                              "international",
                                              "unported",
                                              "universal",
                                              "at",
                                              "au",
                                              "ca",
                                              "ch",
                                              "de",
                                              "es",
                                              "fr",
                                              "it",
                                              "jp",
                                              "nl",
                                              "uk",
                                              "us"};

std::string creative_commons_name(const Words& words) {
  const bool zero = words.has("cc0") || words.has("zero");
  const bool named = words.has("cc") || words.has("cc0");
  if (!named || !words.only(kCommonsWords)) return {};
  const bool by = words.has("by") || words.has("attribution");
  const bool nc = words.has("nc") || words.has("noncommercial");
  const bool nd = words.has("nd") || words.has("noderivatives") || words.has("noderivs");
  const bool sa = words.has("sa") || words.has("sharealike");
  if (zero || words.has("publicdomain")) {
    if (by || nc || nd || sa) return {};  // two licences
    return !zero && words.has("mark") ? "CC-PDM-1.0" : "CC0-1.0";
  }
  return by ? creative_commons(nc, sa, nd, words.version()) : std::string();
}

constexpr std::string_view kGnuWords[] = {"gnu",    "gpl", "lgpl",  "agpl",  "gfdl",
                                          "affero", "or",  "later", "newer", "only",
                                          "any",    "at",  "your",  "option"};

std::string gnu_name(const Words& words) {
  std::string family;
  for (const auto& [said, name] :
       {std::pair{words.has("agpl") || words.has("affero"), "AGPL"},
        std::pair{words.has("lgpl"), "LGPL"}, std::pair{words.has("gfdl"), "GFDL"},
        std::pair{words.has("gpl"), "GPL"}}) {
    if (!said) continue;
    if (!family.empty()) return {};  // two licences
    family = name;
  }
  const std::string version = words.version();
  if (family.empty() || version.empty() || !words.only(kGnuWords)) return {};
  return std::string(find_id(family + "-" + version + "-only", false));
}

struct Named {
  std::string_view name, id;
};
constexpr Named kNames[] = {{"mit", "MIT"},
                            {"expat", "MIT"},
                            {"apache 2.0", "Apache-2.0"},
                            {"apache 2", "Apache-2.0"},
                            {"asl 2.0", "Apache-2.0"},
                            {"new bsd", "BSD-3-Clause"},
                            {"modified bsd", "BSD-3-Clause"},
                            {"revised bsd", "BSD-3-Clause"},
                            {"bsd 3 clause", "BSD-3-Clause"},
                            {"3 clause bsd", "BSD-3-Clause"},
                            {"simplified bsd", "BSD-2-Clause"},
                            {"bsd 2 clause", "BSD-2-Clause"},
                            {"2 clause bsd", "BSD-2-Clause"},
                            {"freebsd", "BSD-2-Clause"},
                            {"isc", "ISC"},
                            {"mozilla 2.0", "MPL-2.0"},
                            {"mpl 2.0", "MPL-2.0"},
                            {"mpl 2", "MPL-2.0"},
                            {"eclipse 2.0", "EPL-2.0"},
                            {"boost 1.0", "BSL-1.0"},
                            {"unlicense", "Unlicense"},
                            {"publicdomain", "LicenseRef-Public-Domain"},
                            {"odc by", "ODC-By-1.0"},
                            {"odbl", "ODbL-1.0"},
                            {"open database", "ODbL-1.0"},
                            {"pddl", "PDDL-1.0"},
                            {"zlib", "Zlib"},
                            {"open government 3.0", "OGL-UK-3.0"},
                            {"ogl 3.0", "OGL-UK-3.0"},
                            {"artistic 2.0", "Artistic-2.0"},
                            {"licence ouverte 2.0", "etalab-2.0"},
                            {"etalab 2.0", "etalab-2.0"}};

}  // namespace

std::string_view spdx_license(std::string_view id) { return find_id(id, false); }
std::string_view spdx_exception(std::string_view id) { return find_id(id, true); }

bool starts_spdx_license(std::string_view prefix) {
  const SpdxId* found = lower_bound_of(prefix);
  return found != std::end(kIds) && ascii_equal(found->id.substr(0, prefix.size()), prefix);
}

std::string creative_commons(bool nc, bool sa, bool nd, const std::string& version) {
  std::string id = "CC-BY";
  if (nc) id += "-NC";
  if (nd) id += "-ND";
  if (sa && !nd) id += "-SA";
  if (!version.empty()) id += "-" + version;
  return find_id(id, false).empty() ? "LicenseRef-" + id : id;
}

std::string license_of_name(std::string_view name) {
  const Words words(name);
  if (std::string id = creative_commons_name(words); !id.empty()) return or_later(id, words);
  if (std::string id = gnu_name(words); !id.empty()) return or_later(id, words);
  const std::string essence = words.essence();
  for (const Named& known : kNames) {
    if (essence == known.name) return or_later(std::string(known.id), words);
  }
  return {};
}

}  // namespace ballast
