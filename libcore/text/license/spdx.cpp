#include "libcore/text/license/spdx.h"

#include <optional>

#include "libcore/base/ascii.h"
#include "libcore/base/check.h"
#include "libcore/text/license/license_names.h"

namespace ballast {
namespace {

constexpr int kMaxDepth = 16;

using Allows = std::function<bool(std::string_view)>;

// An expression that was read: its spelling, and what the predicate says of it.
struct Term {
  std::string text;
  bool allowed = true;
  bool joined = false;  // by OR, which binds weaker than AND
};

std::string bracketed(const Term& term) { return term.joined ? "(" + term.text + ")" : term.text; }

bool is_id_char(char c) { return is_ascii_alnum(c) || c == '-' || c == '.' || c == '+'; }

// GPL-2.0 and GPL-2.0+, which the list replaced by -only and -or-later.
std::string known_license(std::string_view id) {
  if (const std::string_view known = spdx_license(id); !known.empty()) return std::string(known);
  const bool later = id.ends_with('+');
  if (later) id.remove_suffix(1);
  const std::string_view variant = spdx_license(std::string(id) + (later ? "-or-later" : "-only"));
  if (!variant.empty()) return std::string(variant);
  const std::string_view plain = spdx_license(id);
  if (later && !plain.empty()) return std::string(plain) + "+";
  if (id.size() > 11 && ascii_equal(id.substr(0, 11), "LicenseRef-") && !later)
    return "LicenseRef-" + std::string(id.substr(11));
  return {};
}

// OR over AND over WITH, as SPDX 2.3, annex D, has it; words are told apart by white space.
class ExpressionReader {
 public:
  ExpressionReader(std::string_view text, const Allows* allows) : rest_(text), allows_(allows) {
    advance();
  }

  std::optional<Term> read() {
    std::optional<Term> term = read_or(0);
    return word_.empty() ? term : std::nullopt;
  }

 private:
  void advance() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
    size_t length = rest_.empty() ? 0 : 1;
    if (length == 1 && is_id_char(rest_[0])) {
      while (length < rest_.size() && is_id_char(rest_[length])) ++length;
    }
    word_ = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }

  bool take(std::string_view word) {
    if (!ascii_equal(word_, word)) return false;
    advance();
    return true;
  }

  std::optional<Term> read_or(int depth) {
    std::optional<Term> left = read_and(depth);
    while (left && take("OR")) {
      const std::optional<Term> right = read_and(depth);
      if (!right) return {};
      left->text += " OR " + right->text;
      left->allowed = left->allowed || right->allowed;
      left->joined = true;
    }
    return left;
  }

  std::optional<Term> read_and(int depth) {
    std::optional<Term> left = read_with(depth);
    while (left && take("AND")) {
      const std::optional<Term> right = read_with(depth);
      if (!right) return {};
      left->text = bracketed(*left) + " AND " + bracketed(*right);
      left->allowed = left->allowed && right->allowed;
      left->joined = false;
    }
    return left;
  }

  std::optional<Term> read_with(int depth) {
    if (take("(")) {
      if (depth == kMaxDepth) return {};
      std::optional<Term> inner = read_or(depth + 1);
      if (!inner || !take(")")) return {};
      return inner;
    }
    Term term;
    term.text = known_license(word_);
    if (term.text.empty()) return {};
    term.allowed = allows_ == nullptr || (*allows_)(term.text);
    advance();
    if (!take("WITH")) return term;
    const std::string_view exception = spdx_exception(word_);
    if (exception.empty()) return {};
    term.text += " WITH " + std::string(exception);
    advance();
    return term;
  }

  std::string_view rest_, word_;
  const Allows* allows_;
};

}  // namespace

std::string normalized_license(std::string_view said) {
  if (said.size() > kMaxLicenseText) return {};
  while (!said.empty() && static_cast<unsigned char>(said.front()) <= ' ') said.remove_prefix(1);
  while (!said.empty() && static_cast<unsigned char>(said.back()) <= ' ') said.remove_suffix(1);
  if (said.empty()) return {};
  // What is written has to be recognised when it is read again.
  if (std::optional<Term> term = ExpressionReader(said, nullptr).read())
    return term->text.size() > kMaxLicenseText ? std::string() : term->text;
  return is_address(said) ? license_of_address(said) : license_of_name(said);
}

std::string joined_licenses(const std::vector<std::string>& expressions) {
  std::string all;
  for (const std::string& expression : expressions) {
    const std::optional<Term> term = ExpressionReader(expression, nullptr).read();
    BALLAST_CHECK(term.has_value());
    all += (all.empty() ? "" : " AND ") + (expressions.size() > 1 ? bracketed(*term) : term->text);
  }
  return all;
}

bool license_satisfies(std::string_view expression, const Allows& allows) {
  const std::optional<Term> term = ExpressionReader(expression, &allows).read();
  return term && term->allowed;
}

}  // namespace ballast
