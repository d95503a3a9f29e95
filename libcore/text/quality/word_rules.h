// The strings that spaCy's English rules cut in a way of their own, and units behind digits.
// Built at first use, then shared by all threads.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace ballast {

class WordRules {
 public:
  static const WordRules& get();

  // The words into which `chunk` is cut, null for ordinary strings.
  const std::vector<std::string_view>* exception(std::string_view chunk) const {
    if (chunk.empty() || chunk.size() > longest_ || !maybe_[mark(chunk)]) return nullptr;
    const auto found = exceptions_.find(chunk);
    return found == exceptions_.end() ? nullptr : &found->second;
  }
  bool is_unit(std::string_view text) const { return units_.contains(text); }
  const std::unordered_map<std::string_view, std::vector<std::string_view>>& exceptions() const {
    return exceptions_;
  }

 private:
  WordRules();

  // Few ordinary strings share length, both ends and middle with an exception.
  static size_t mark(std::string_view chunk) {
    const auto byte = [&](size_t i) {
      return static_cast<uint32_t>(static_cast<uint8_t>(chunk[i]));
    };
    const uint32_t both = byte(0) << 8 | byte(chunk.size() - 1);
    const auto size = static_cast<uint32_t>(chunk.size());
    return ((both << 13 | byte(chunk.size() / 2) << 5 | (size & 31)) * 0x9E3779B1u) >> 18;
  }

  std::vector<std::string> storage_;  // without the blanks between words
  std::unordered_map<std::string_view, std::vector<std::string_view>> exceptions_;
  std::unordered_set<std::string_view> units_;
  std::array<bool, 1 << 14> maybe_{};
  size_t longest_ = 0;  // exception, in bytes
};

}  // namespace ballast
