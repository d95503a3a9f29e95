// Finds the longest string of a set that a text begins with, and from it the shorter ones. One hash
// table of (node, byte) -> node, 8 bytes an entry. Filled once, then read by any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

class PrefixTrie {
 public:
  static constexpr size_t kMaxBytes = (size_t{1} << 24) - 1;  // of all strings together

  PrefixTrie() = default;
  // strings[id] for every id; "" is not in the set.
  explicit PrefixTrie(const std::vector<std::string>& strings);

  // The id of the longest string that `text` begins with; -1 when there is none.
  int32_t longest(std::string_view text) const {
    int32_t found = -1;
    uint32_t node = 0;
    for (const char byte : text) {
      node = child(node, static_cast<uint8_t>(byte));
      if (node == 0) break;
      if (ids_[node] >= 0) found = ids_[node];
    }
    return found;
  }
  // The longest string that the string `id` begins with, apart from itself; -1 when there is none.
  int32_t shorter(int32_t id) const { return shorter_[static_cast<size_t>(id)]; }

 private:
  struct Edge {
    uint32_t from = 0;  // node << 8 | byte
    uint32_t to = 0;    // 0: empty; no edge leads to the root
  };

  size_t place_of(uint32_t from) const {
    size_t at = (from * 0x9E3779B97F4A7C15u) >> shift_;
    while (edges_[at].to != 0 && edges_[at].from != from) at = (at + 1) & (edges_.size() - 1);
    return at;
  }
  uint32_t child(uint32_t node, uint8_t byte) const {
    return edges_[place_of(node << 8 | byte)].to;
  }

  std::vector<Edge> edges_;
  int shift_ = 63;
  std::vector<int32_t> ids_;      // of each node, -1 for none
  std::vector<int32_t> shorter_;  // of each id
};

}  // namespace ballast
