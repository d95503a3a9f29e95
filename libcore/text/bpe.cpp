#include "libcore/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr uint32_t kNoRank = ~uint32_t{0};
constexpr size_t kScanBytes = 48;  // up to here a scan beats the heap

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

uint64_t scatter(uint64_t key) { return (key ^ key >> 29) * 0x9E3779B97F4A7C15u; }

}  // namespace

const std::array<std::string, 256>& byte_level_alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> names;
    char32_t stand_in = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      append_utf8(names[byte], printable ? byte : stand_in++);
    }
    return names;
  }();
  return alphabet;
}

bool append_byte_level(std::string_view token, std::string& bytes) {
  static const std::unordered_map<std::string_view, char> values = [] {
    std::unordered_map<std::string_view, char> map;
    for (size_t byte = 0; byte < 256; ++byte)
      map[byte_level_alphabet()[byte]] = static_cast<char>(byte);
    return map;
  }();
  const size_t start = bytes.size();
  for (size_t i = 0; i < token.size();) {
    const size_t length = static_cast<uint8_t>(token[i]) < 0x80 ? 1 : 2;
    const auto found = values.find(token.substr(i, length));
    if (found == values.end()) {
      bytes.resize(start);
      return false;
    }
    bytes += found->second;
    i += length;
  }
  return true;
}

std::string byte_level_text(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += byte_level_alphabet()[static_cast<uint8_t>(byte)];
  return text;
}

Result<BpeModel> BpeModel::build(std::vector<std::string> tokens, std::span<const BpeMerge> merges,
                                 bool ignore_merges, const std::string& where) {
  BpeModel model;
  model.tokens_ = std::move(tokens);
  model.byte_ids_.fill(-1);
  for (size_t id = 0; id < model.tokens_.size(); ++id) {
    const std::string& bytes = model.tokens_[id];
    if (bytes.size() == 1)
      model.byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    if (ignore_merges && !bytes.empty()) model.whole_.emplace(bytes, static_cast<int32_t>(id));
  }
  for (size_t byte = 0; byte < 256; ++byte)
    if (model.byte_ids_[byte] < 0)
      return corrupt_error(fmt::format("vocabulary has no token for byte 0x{:02X}", byte), where,
                           "a byte-level vocabulary has all 256");
  const size_t capacity = std::bit_ceil(std::max<size_t>(2 * merges.size(), 16));
  model.shift_ = 64 - std::countr_zero(capacity);
  model.slots_.assign(capacity, Slot{0, kNoRank, 0});
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t pair = pair_key(merges[rank].left, merges[rank].right);
    size_t at = scatter(pair) >> model.shift_;
    while (model.slots_[at].rank != kNoRank && model.slots_[at].pair != pair)
      at = (at + 1) & (capacity - 1);
    model.slots_[at] = {pair, static_cast<uint32_t>(rank), merges[rank].joined};
  }
  return model;
}

const BpeModel::Slot& BpeModel::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_key(left, right);
  size_t at = scatter(pair) >> shift_;
  while (slots_[at].rank != kNoRank && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
  return slots_[at];
}

void BpeModel::encode(std::string_view piece, BpeScratch& scratch,
                      std::vector<int32_t>& out) const {
  if (!whole_.empty()) {
    const auto found = whole_.find(piece);
    if (found != whole_.end()) {
      out.push_back(found->second);
      return;
    }
  }
  scratch.ids.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i)
    scratch.ids[i] = byte_ids_[static_cast<uint8_t>(piece[i])];
  if (piece.size() <= kScanBytes)
    merge_short(scratch.ids, scratch, out);
  else
    merge_long(scratch, out);
}

void BpeModel::merge_short(std::span<int32_t> ids, BpeScratch& scratch,
                           std::vector<int32_t>& out) const {
  size_t count = ids.size();
  scratch.ranks.assign(count + 1, kNoRank);
  uint32_t* ranks = scratch.ranks.data();  // ranks[i] belongs to the pair (i, i + 1)
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = find(ids[i], ids[i + 1]).rank;
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoRank) break;
    ids[best] = find(ids[best], ids[best + 1]).joined;
    for (size_t i = best + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    --count;
    ranks[best] = best + 1 < count ? find(ids[best], ids[best + 1]).rank : kNoRank;
    if (best > 0) ranks[best - 1] = find(ids[best - 1], ids[best]).rank;
  }
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
}

// Symbols are a doubly linked list over positions; the heap holds (rank, position) and entries that
// a merge made stale are recognised by the pair's rank having changed.
void BpeModel::merge_long(BpeScratch& scratch, std::vector<int32_t>& out) const {
  auto& ids = scratch.ids;
  const auto count = static_cast<int32_t>(ids.size());
  auto& left = scratch.left;
  auto& right = scratch.right;
  left.resize(ids.size());
  right.resize(ids.size());
  scratch.ranks.assign(ids.size(), kNoRank);
  auto& heap = scratch.heap;
  heap.clear();
  const auto at = [](int32_t i) { return static_cast<size_t>(i); };
  const auto refresh = [&](int32_t i) {
    const int32_t next = right[at(i)];
    const uint32_t rank = next < count ? find(ids[at(i)], ids[at(next)]).rank : kNoRank;
    scratch.ranks[at(i)] = rank;
    return static_cast<uint64_t>(rank) << 32 | static_cast<uint32_t>(i);
  };
  for (int32_t i = 0; i < count; ++i) {
    left[at(i)] = i - 1;
    right[at(i)] = i + 1;
  }
  for (int32_t i = 0; i < count; ++i) {
    const uint64_t entry = refresh(i);
    if (scratch.ranks[at(i)] != kNoRank) heap.push_back(entry);
  }
  const auto later = std::greater<uint64_t>();
  std::make_heap(heap.begin(), heap.end(), later);
  const auto push = [&](int32_t i) {
    const uint64_t entry = refresh(i);
    if (scratch.ranks[at(i)] == kNoRank) return;
    heap.push_back(entry);
    std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    const uint64_t entry = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    const auto i = static_cast<int32_t>(entry & 0xFFFFFFFF);
    if (scratch.ranks[at(i)] != entry >> 32) continue;
    const int32_t gone = right[at(i)];
    ids[at(i)] = find(ids[at(i)], ids[at(gone)]).joined;
    scratch.ranks[at(gone)] = kNoRank;
    right[at(i)] = right[at(gone)];
    if (right[at(i)] < count) left[at(right[at(i)])] = i;
    push(i);
    if (left[at(i)] >= 0) push(left[at(i)]);
  }
  for (int32_t i = 0; i < count; i = right[at(i)]) out.push_back(ids[at(i)]);
}

}  // namespace ballast
