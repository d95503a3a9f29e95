#include "libcore/text/pii_apertus.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "libcore/base/ascii.h"
#include "libcore/text/ip_address.h"

namespace ballast {
namespace {

constexpr std::array<bool, 256> make_atom_table() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c) table[c] = is_ascii_alnum(static_cast<char>(c));
  for (char c : std::string_view("!#$%&'*+/=?^_`{|}~-"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kAtom = make_atom_table();

bool is_atom(char c) { return kAtom[static_cast<unsigned char>(c)]; }
bool is_host(char c) { return is_ascii_alnum(c) || c == '-'; }

// What Python's \w means: letters, anything numeric, and '_'.
bool is_word(UChar32 c) {
  return c == '_' || u_isalpha(c) || u_getNumericValue(c) != U_NO_NUMERIC_VALUE;
}

bool word_before(std::string_view text, size_t position) {
  if (position == 0) return false;
  auto last = static_cast<unsigned char>(text[position - 1]);
  if (last < 0x80) return is_ascii_alnum(text[position - 1]) || last == '_';
  const char* data = text.data();
  auto i = static_cast<int32_t>(std::min<size_t>(position, 4));
  const char* window = data + position - i;
  UChar32 c = 0;
  U8_PREV(window, 0, i, c);
  return c >= 0 && is_word(c);
}

bool starts_word(std::string_view text, size_t position) {
  char c = text[position];
  return word_before(text, position) != (is_ascii_alnum(c) || c == '_');
}

size_t digits_at(std::string_view text, size_t position) {
  size_t end = position;
  while (end < text.size() && is_ascii_digit(text[end])) ++end;
  return end - position;
}

// 0..255 with leading zeros allowed, 1 to 3 digits.
bool is_octet(std::string_view digits) {
  if (digits.empty() || digits.size() > 3) return false;
  return digits.size() < 3 || digits <= "255";
}

// Three octets with a dot behind each; the position after them, or 0.
size_t skip_three_octets(std::string_view text, size_t position) {
  for (int i = 0; i < 3; ++i) {
    size_t n = digits_at(text, position);
    if (!is_octet(text.substr(position, n))) return 0;
    position += n;
    if (position >= text.size() || text[position] != '.') return 0;
    ++position;
  }
  return position;
}

// End of "[a.b.c.d]", or of the general form "[a.b.c.name:]" that the pattern also takes; 0: none.
size_t match_address_literal(std::string_view text, size_t position) {
  size_t last = skip_three_octets(text, position + 1);
  if (last == 0) return 0;
  size_t end = last;
  while (end < text.size() && is_host(text[end])) ++end;
  std::string_view part = text.substr(last, end - last);
  if (text.substr(end).starts_with(']')) {
    bool number = digits_at(text, last) == part.size() && is_octet(part);
    return number ? end + 1 : 0;
  }
  bool name = !part.empty() && part.back() != '-';
  return name && text.substr(end).starts_with(":]") ? end + 2 : 0;
}

// End of at least two dot-separated labels, each as long as it can be; 0: none.
size_t match_host(std::string_view text, size_t position) {
  size_t labels = 0;
  while (position < text.size() && is_ascii_alnum(text[position])) {
    size_t end = position;
    while (end < text.size() && is_host(text[end])) ++end;
    size_t trimmed = end;
    while (text[trimmed - 1] == '-') --trimmed;
    ++labels;
    bool more = trimmed == end && end + 1 < text.size() && text[end] == '.' &&
                is_ascii_alnum(text[end + 1]);
    if (!more) return labels >= 2 ? trimmed : 0;
    position = end + 1;
  }
  return 0;
}

// The leftmost place from `floor` on where a dot-atom that ends before `at` can start at a word
// boundary; `at` when there is none.
size_t find_local_part(std::string_view text, size_t floor, size_t at) {
  size_t begin = at;
  while (begin > floor) {
    char c = text[begin - 1];
    if (is_atom(c)) {
      --begin;
    } else if (c == '.' && begin < at && begin - 1 > floor && is_atom(text[begin - 2])) {
      --begin;
    } else {
      break;
    }
  }
  for (; begin < at; ++begin) {
    if (is_atom(text[begin]) && starts_word(text, begin)) return begin;
  }
  return at;
}

// Length of the address that starts at `position`, 0 if none does. The last octet takes as many
// digits as stay within 255.
size_t match_ipv4(std::string_view text, size_t position) {
  size_t last = skip_three_octets(text, position);
  if (last == 0) return 0;
  size_t n = std::min<size_t>(digits_at(text, last), 3);
  while (n > 0 && !is_octet(text.substr(last, n))) --n;
  return n == 0 ? 0 : last + n - position;
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Two capitals, two digits, four times a space and four digits, a space, one or two capitals or
// digits. `position` is that of the first capital.
size_t match_iban(std::string_view text, size_t position) {
  constexpr size_t kFixed = 25;  // up to and with the last space
  if (text.size() - position <= kFixed) return 0;
  std::string_view part = text.substr(position);
  if (!is_upper(part[0]) || !is_upper(part[1])) return 0;
  if (digits_at(part.substr(0, 4), 2) != 2) return 0;
  for (size_t group = 4; group < 24; group += 5) {
    if (part[group] != ' ' || digits_at(part.substr(0, group + 5), group + 1) != 4) return 0;
  }
  if (part[24] != ' ') return 0;
  auto tail = [&](size_t i) {
    return i < part.size() && (is_upper(part[i]) || is_ascii_digit(part[i]));
  };
  if (!tail(25)) return 0;
  return tail(26) ? 27 : 26;
}

const char* find_byte(std::string_view text, size_t from, char c) {
  if (from >= text.size()) return nullptr;
  return static_cast<const char*>(std::memchr(text.data() + from, c, text.size() - from));
}

void replace_all(std::string& text, std::string_view what, std::string_view marker) {
  std::string out;
  size_t copied = 0;
  for (size_t hit = text.find(what); hit != std::string::npos; hit = text.find(what, copied)) {
    out.append(text, copied, hit - copied).append(marker);
    copied = hit + what.size();
  }
  if (copied == 0) return;
  out.append(text, copied);
  text = std::move(out);
}

using Found = std::vector<std::string_view>;

// The same result as replace_all() for each hit in turn, in one pass: all places where a hit stands
// are found through a character that every hit of the kind has (an occurrence must have it in the
// same column), earlier hits take their places first, and what overlaps a taken place is left.
// Markers take no part in it.
void replace_many(std::string& text, const std::vector<std::string>& hits, char anchor,
                  std::string_view marker) {
  std::unordered_map<std::string_view, size_t> order;
  std::set<std::pair<size_t, size_t>> shapes;  // column of the anchor, length
  for (const std::string& hit : hits) {
    order.emplace(hit, order.size());
    shapes.emplace(hit.find(anchor), hit.size());
  }
  std::vector<std::pair<size_t, size_t>> places;  // index of the hit, where it begins
  for (size_t at = text.find(anchor); at != std::string::npos; at = text.find(anchor, at + 1)) {
    for (const auto& [column, length] : shapes) {
      if (at < column || at - column + length > text.size()) continue;
      auto hit = order.find(std::string_view(text).substr(at - column, length));
      if (hit != order.end()) places.emplace_back(hit->second, at - column);
    }
  }
  std::sort(places.begin(), places.end());
  std::map<size_t, size_t> taken;  // begin, end
  for (const auto& [hit, begin] : places) {
    size_t end = begin + hits[hit].size();
    auto next = taken.lower_bound(begin);
    bool overlaps = (next != taken.end() && next->first < end) ||
                    (next != taken.begin() && std::prev(next)->second > begin);
    if (!overlaps) taken.emplace_hint(next, begin, end);
  }
  std::string out;
  size_t copied = 0;
  for (const auto& [begin, end] : taken) {
    out.append(text, copied, begin - copied).append(marker);
    copied = end;
  }
  out.append(text, copied);
  text = std::move(out);
}

// From so many distinct hits on one pass is faster than one pass each.
constexpr size_t kManyHits = 16;

// No hit has angle brackets, so a marker between them is never found again, neither itself nor with
// what stands beside it.
bool is_inert(std::string_view marker) { return marker.starts_with('<') && marker.ends_with('>'); }

// One kind on its way through the text; strings that an earlier kind found are not counted again.
class Search {
 public:
  Search(std::string& text, const PiiPolicy& policy) : text_(text), policy_(policy) {}

  // How many distinct strings there are, replaced in the order in which they were found.
  int64_t run(PiiKind kind, Found (*find)(std::string_view), char anchor) {
    const PiiAction action = policy_.actions[kind];
    if (action == PiiAction::off) return 0;
    std::vector<std::string> fresh;  // owned: replacing moves the text under the views
    for (std::string_view hit : find(text_)) {
      if (kind == PiiKind::ip && policy_.public_addresses_only &&
          !is_public(parse_ipv4(hit).value_or(0))) {
        continue;
      }
      if (seen_.emplace(hit).second) fresh.emplace_back(hit);
    }
    if (action != PiiAction::keep) replace(fresh, anchor, policy_.markers[kind]);
    return static_cast<int64_t>(fresh.size());
  }

 private:
  void replace(const std::vector<std::string>& hits, char anchor, std::string_view marker) {
    if (hits.empty()) return;
    if (hits.size() >= kManyHits || !is_inert(marker))
      return replace_many(text_, hits, anchor, marker);
    for (const std::string& hit : hits) replace_all(text_, hit, marker);
  }

  std::string& text_;
  const PiiPolicy& policy_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

std::vector<std::string_view> find_emails(std::string_view text) {
  Found found;
  size_t floor = 0;  // end of the last match
  size_t from = 1;
  while (const char* hit = find_byte(text, from, '@')) {
    auto at = static_cast<size_t>(hit - text.data());
    from = at + 1;
    if (at <= floor || !is_atom(text[at - 1]) || from >= text.size()) continue;
    size_t end = text[from] == '[' ? match_address_literal(text, from) : match_host(text, from);
    if (end == 0) continue;
    size_t begin = find_local_part(text, floor, at);
    if (begin == at) continue;
    found.push_back(text.substr(begin, end - begin));
    floor = from = end;
  }
  return found;
}

std::vector<std::string_view> find_ipv4(std::string_view text) {
  Found found;
  size_t floor = 0;
  size_t from = 1;
  while (const char* hit = find_byte(text, from, '.')) {
    auto dot = static_cast<size_t>(hit - text.data());
    from = dot + 1;
    if (dot <= floor || !is_ascii_digit(text[dot - 1])) continue;
    if (from >= text.size() || !is_ascii_digit(text[from])) continue;
    size_t begin = dot;
    while (begin > floor && dot - begin < 3 && is_ascii_digit(text[begin - 1])) --begin;
    for (; begin < dot; ++begin) {
      size_t length = match_ipv4(text, begin);
      if (length == 0) continue;
      found.push_back(text.substr(begin, length));
      floor = begin + length;
      from = floor;
      break;
    }
  }
  return found;
}

std::vector<std::string_view> find_ibans(std::string_view text) {
  Found found;
  size_t floor = 0;
  size_t from = 4;  // the first space stands behind two capitals and two digits
  while (const char* hit = find_byte(text, from, ' ')) {
    auto space = static_cast<size_t>(hit - text.data());
    from = space + 1;
    if (space < floor + 4 || !is_ascii_digit(text[space - 1])) continue;
    size_t length = match_iban(text, space - 4);
    if (length == 0) continue;
    found.push_back(text.substr(space - 4, length));
    floor = space - 4 + length;
    from = floor;
  }
  return found;
}

PiiCounts redact_as_apertus(std::string& text, const PiiPolicy& policy) {
  PiiCounts counts;
  Search search(text, policy);
  counts.email = search.run(PiiKind::email, find_emails, '@');
  counts.ip = search.run(PiiKind::ip, find_ipv4, '.');
  counts.iban = search.run(PiiKind::iban, find_ibans, ' ');
  return counts;
}

}  // namespace ballast
