#include "libcore/text/token_trie.h"

#include <algorithm>
#include <utility>

namespace ballast {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kOpenBlocks = 8;  // more of them fill the array better and take longer

}  // namespace

bool TokenTrie::fits(uint32_t base, std::span<const uint8_t> children) const {
  return std::ranges::all_of(children,
                             [&](uint8_t byte) { return nodes_[base ^ byte].parent == kFree; });
}

// A base whose children are free, in one of the open blocks or else in a new one.
uint32_t TokenTrie::place(std::span<const uint8_t> children) {
  for (size_t i = 0; i < open_.size(); ++i) {
    const auto [block, free] = open_[i];
    if (free < children.size()) continue;
    for (uint32_t at = block; at < block + kBlock; ++at) {
      const uint32_t base = at ^ children[0];
      if (nodes_[at].parent != kFree || !fits(base, children)) continue;
      open_[i].free -= static_cast<uint32_t>(children.size());
      if (open_[i].free == 0) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
      return base;
    }
  }
  const auto block = static_cast<uint32_t>(nodes_.size());
  nodes_.resize(nodes_.size() + kBlock);
  if (open_.size() == kOpenBlocks) open_.erase(open_.begin());
  open_.push_back({block, static_cast<uint32_t>(kBlock - children.size())});
  return block;
}

TokenTrie::TokenTrie(std::span<const std::string> tokens, std::vector<int32_t> ids)
    : nodes_(kBlock), open_{{0, kBlock - 1}} {
  const auto bytes = [&](int32_t id) -> const std::string& {
    return tokens[static_cast<size_t>(id)];
  };
  std::ranges::stable_sort(ids, {}, bytes);
  const auto last = std::unique(ids.begin(), ids.end(),
                                [&](int32_t a, int32_t b) { return bytes(a) == bytes(b); });
  ids.erase(last, ids.end());

  struct Range {
    uint32_t node;
    size_t begin, end, depth;  // ids[begin..end) begin with the `depth` bytes that lead to the node
  };
  nodes_[0].parent = kRoot;
  std::vector<Range> todo = {{0, 0, ids.size(), 0}};
  std::vector<uint8_t> children;
  std::vector<size_t> begins;
  while (!todo.empty()) {
    Range range = todo.back();
    todo.pop_back();
    if (range.begin < range.end && bytes(ids[range.begin]).size() == range.depth)
      nodes_[range.node].id = ids[range.begin++];
    if (range.begin == range.end) continue;
    children.clear();
    begins.clear();
    for (size_t i = range.begin; i < range.end; ++i) {
      const auto byte = static_cast<uint8_t>(bytes(ids[i])[range.depth]);
      if (!children.empty() && children.back() == byte) continue;
      children.push_back(byte);
      begins.push_back(i);
    }
    begins.push_back(range.end);
    const uint32_t base = place(children);
    nodes_[range.node].base = base;
    for (size_t i = 0; i < children.size(); ++i) {
      nodes_[base ^ children[i]].parent = range.node;
      todo.push_back({base ^ children[i], begins[i], begins[i + 1], range.depth + 1});
    }
  }
  (void)std::exchange(open_, {});  // `= {}` keeps memory
  find_steps(tokens, ids);
}

void TokenTrie::find_steps(std::span<const std::string> tokens, std::span<const int32_t> ids) {
  steps_.resize(tokens.size());
  for (const int32_t id : ids) {
    const std::string_view token = tokens[static_cast<size_t>(id)];
    steps_[static_cast<size_t>(id)] = {longest(token.substr(0, token.size() - 1)),
                                       static_cast<uint32_t>(token.size())};
  }
}

}  // namespace ballast
