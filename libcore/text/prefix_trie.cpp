#include "libcore/text/prefix_trie.h"

#include <algorithm>
#include <bit>

#include "libcore/base/check.h"

namespace ballast {

PrefixTrie::PrefixTrie(const std::vector<std::string>& strings) {
  size_t bytes = 0;
  for (const std::string& string : strings) bytes += string.size();
  BALLAST_CHECK(bytes <= kMaxBytes);
  const size_t capacity = std::bit_ceil(std::max<size_t>(bytes + bytes / 2, 16));
  edges_.resize(capacity);
  shift_ = 64 - std::countr_zero(capacity);
  ids_ = {-1};
  for (size_t id = 0; id < strings.size(); ++id) {
    uint32_t node = 0;
    for (const char byte : strings[id]) {
      const uint32_t from = node << 8 | static_cast<uint8_t>(byte);
      Edge& edge = edges_[place_of(from)];
      if (edge.to == 0) {
        edge = {from, static_cast<uint32_t>(ids_.size())};
        ids_.push_back(-1);
      }
      node = edge.to;
    }
    if (node != 0) ids_[node] = static_cast<int32_t>(id);
  }
  shorter_.assign(strings.size(), -1);
  for (size_t id = 0; id < strings.size(); ++id)
    if (!strings[id].empty())
      shorter_[id] = longest(std::string_view(strings[id]).substr(0, strings[id].size() - 1));
}

}  // namespace ballast
