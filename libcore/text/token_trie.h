// The tokens that begin a text: the longest one, and of each token the longest other one that
// begins it. A double array (Aoe, "An efficient digital search algorithm by using a double-array
// structure", 1989; children at base XOR byte), one memory access per byte. Filled once, then read
// by any thread. 12 bytes a node, at most one node for each byte of the vocabulary and a quarter of
// empty ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

class TokenTrie {
 public:
  TokenTrie() = default;
  // Of `tokens` those that `ids` name, none of them empty; of two with the same bytes the first in
  // `ids` is found.
  TokenTrie(std::span<const std::string> tokens, std::vector<int32_t> ids);

  // The longest token that begins `text`; -1 when none does.
  int32_t longest(std::string_view text) const {
    uint32_t node = 0;
    int32_t found = -1;
    for (const char byte : text) {
      const uint32_t next = nodes_[node].base ^ static_cast<uint8_t>(byte);
      if (nodes_[next].parent != node) break;
      node = next;
      if (nodes_[node].id >= 0) found = nodes_[node].id;
    }
    return found;
  }
  // The longest token that begins this one and is not this one; -1 when none does.
  int32_t shorter(int32_t id) const { return steps_[static_cast<size_t>(id)].shorter; }
  size_t length(int32_t id) const { return steps_[static_cast<size_t>(id)].length; }

 private:
  static constexpr uint32_t kFree = ~uint32_t{0};
  static constexpr uint32_t kRoot = kFree - 1;  // parent of the root, of which it is no child

  struct Node {
    uint32_t base = 0;  // a multiple of 256 and a pattern: all children lie in one block of 256
    uint32_t parent = kFree;
    int32_t id = -1;
  };
  struct Step {
    int32_t shorter = -1;
    uint32_t length = 0;
  };

  struct Open {
    uint32_t block, free;  // first node, and how many are free
  };

  uint32_t place(std::span<const uint8_t> children);
  bool fits(uint32_t base, std::span<const uint8_t> children) const;
  void find_steps(std::span<const std::string> tokens, std::span<const int32_t> ids);

  std::vector<Node> nodes_;
  std::vector<Step> steps_;  // by id
  std::vector<Open> open_;   // while it is filled: the blocks that take more
};

}  // namespace ballast
