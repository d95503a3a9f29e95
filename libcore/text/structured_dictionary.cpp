#include "libcore/text/structured_dictionary.h"

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

bool is_key_start(char c) { return (c >= 'a' && c <= 'z') || c == '*'; }
bool is_key(char c) {
  return is_key_start(c) || is_ascii_digit(c) || c == '_' || c == '-' || c == '.';
}
bool is_token_start(char c) { return is_ascii_letter(c) || c == '*'; }
bool is_token(char c) {
  return is_ascii_alnum(c) || std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string::npos;
}
bool is_base64(char c) { return is_ascii_alnum(c) || c == '+' || c == '/' || c == '='; }

// Reads forward; every function is false, or takes less, where the text breaks the grammar.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool read(std::map<std::string, std::string>& into) {
    skip(" ");
    while (!rest_.empty()) {
      std::string_view key, token;
      if (!take_key(key)) return false;
      if (take('=') ? !take_member(token) : !take_parameters()) return false;
      into[std::string(key)] = token;
      skip(" \t");
      if (rest_.empty()) return true;
      if (!take(',')) return false;
      skip(" \t");
      if (rest_.empty()) return false;
    }
    return true;
  }

 private:
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool take(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip(std::string_view blanks) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
  }
  template <typename Is>
  std::string_view take_while(Is is) {
    size_t size = 0;
    while (size < rest_.size() && is(rest_[size])) ++size;
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  bool take_key(std::string_view& key) {
    if (rest_.empty() || !is_key_start(rest_.front())) return false;
    key = take_while(is_key);
    return true;
  }

  bool take_member(std::string_view& token) {
    if (take('(')) return take_list() && take_parameters();
    return take_item(token) && take_parameters();
  }

  // After its '('.
  bool take_list() {
    while (true) {
      skip(" ");
      if (take(')')) return true;
      std::string_view token;
      if (!take_item(token) || !take_parameters()) return false;
      if (!at(' ') && !at(')')) return false;
    }
  }

  bool take_parameters() {
    while (take(';')) {
      skip(" ");
      std::string_view key, token;
      if (!take_key(key)) return false;
      if (take('=') && !take_item(token)) return false;
    }
    return true;
  }

  bool take_item(std::string_view& token) {
    if (rest_.empty()) return false;
    const char first = rest_.front();
    if (is_token_start(first)) {
      token = take_while(is_token);
      return true;
    }
    if (first == '-' || is_ascii_digit(first)) return take_number(true);
    if (take('"')) return take_string();
    if (take('?')) return take('0') || take('1');
    if (take('@')) return take_number(false);
    if (take(':')) {
      take_while(is_base64);
      return take(':');
    }
    return take('%') && take('"') && take_string();
  }

  bool take_number(bool may_be_decimal) {
    take('-');
    const size_t whole = take_while(is_ascii_digit).size();
    if (whole == 0 || whole > 15) return false;
    if (!may_be_decimal || !take('.')) return true;
    const size_t decimals = take_while(is_ascii_digit).size();
    return whole <= 12 && decimals >= 1 && decimals <= 3;
  }

  // After its first quote.
  bool take_string() {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c < ' ' || c > '~') return false;
      if (c == '\\' && !take('"') && !take('\\')) return false;
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::map<std::string, std::string>> parse_token_dictionary(std::string_view text) {
  std::map<std::string, std::string> found;
  if (!Reader(text).read(found)) return std::nullopt;
  return found;
}

}  // namespace ballast
