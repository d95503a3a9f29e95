#include "libcore/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr uint32_t kNoRank = MergeTable::kNoRank;
constexpr size_t kScanBytes = 48;  // up to here merging by definition is the fastest
// Pieces from here on are mostly runs of a few tokens, where the same is asked again and again.
constexpr size_t kRepetitiveBytes = 4096;
constexpr size_t kFits = 4096;
// Of a token whose merges are found by cutting it at every byte, in time quadratic in its length.
constexpr size_t kMaxCutBytes = 4096;

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

Result<void> BpeModel::set_tokens(std::vector<std::string> tokens, bool ignore_merges,
                                  const std::string& where) {
  tokens_ = std::move(tokens);
  whole_ = TokenTable(ignore_merges ? tokens_.size() : 0);
  byte_ids_.fill(-1);
  for (size_t id = 0; id < tokens_.size(); ++id) {
    const std::string& bytes = tokens_[id];
    if (bytes.size() == 1) byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    if (ignore_merges && !bytes.empty()) whole_.add(tokens_, static_cast<int32_t>(id));
  }
  for (size_t byte = 0; byte < 256; ++byte)
    if (byte_ids_[byte] < 0)
      return corrupt_error(fmt::format("vocabulary has no token for byte 0x{:02X}", byte), where,
                           "a byte-level vocabulary has all 256");
  return {};
}

// Where the origins are known, only the merges stay that a text can reach, and the tokens that
// begin a text are found.
void BpeModel::set_merges(MergeTable merges) {
  auto origins = BpeOrigins::build(tokens_, merges);
  if (!origins) {
    merges_ = std::move(merges);
    return;
  }
  origins_ = std::move(*origins);
  std::vector<MergeTable::Entry> reached;
  for (size_t at = 0; at < tokens_.size(); ++at) {
    const auto id = static_cast<int32_t>(at);
    if (tokens_[at].size() > 1 && origins_.is_made(id)) reached.push_back(origins_.merge_of(id));
  }
  merges_ = MergeTable(reached.size());
  std::vector<int32_t> made(byte_ids_.begin(), byte_ids_.end());
  for (const auto& merge : reached) {
    merges_.set(merge);
    made.push_back(merge.joined);
  }
  beginnings_ = TokenTrie(tokens_, std::move(made));
}

Result<BpeModel> BpeModel::build(std::vector<std::string> tokens, std::span<const BpeMerge> merges,
                                 bool ignore_merges, const std::string& where) {
  BpeModel model;
  BALLAST_TRY(model.set_tokens(std::move(tokens), ignore_merges, where));
  const auto yields = [&](int32_t id) { return !model.tokens_[static_cast<size_t>(id)].empty(); };
  MergeTable table(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const BpeMerge& merge = merges[rank];
    if (yields(merge.left) && yields(merge.right) && yields(merge.joined))
      table.set({merge.left, merge.right, static_cast<uint32_t>(rank), merge.joined});
  }
  model.set_merges(std::move(table));
  return model;
}

Result<BpeModel> BpeModel::from_ranks(std::vector<std::string> tokens, const std::string& where) {
  for (size_t id = 0; id < tokens.size(); ++id)
    if (tokens[id].size() > kMaxCutBytes)
      return corrupt_error(fmt::format("token {} has {} bytes", id, tokens[id].size()), where,
                           fmt::format("at most {}", kMaxCutBytes));
  BpeModel model;
  BALLAST_TRY(model.set_tokens(std::move(tokens), true, where));
  std::vector<MergeTable::Entry> all;
  for (size_t id = 0; id < model.tokens_.size(); ++id) {
    const std::string_view token = model.tokens_[id];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const int32_t left = model.whole_.find(model.tokens_, token.substr(0, cut));
      if (left < 0) continue;
      const int32_t right = model.whole_.find(model.tokens_, token.substr(cut));
      if (right < 0) continue;
      all.push_back({left, right, static_cast<uint32_t>(id), static_cast<int32_t>(id)});
    }
  }
  MergeTable table(all.size());
  for (const auto& merge : all) table.set(merge);
  model.set_merges(std::move(table));
  return model;
}

void BpeModel::encode(std::string_view piece, BpeScratch& scratch,
                      std::vector<int32_t>& out) const {
  if (const int32_t whole = whole_.find(tokens_, piece); whole >= 0) {
    out.push_back(whole);
    return;
  }
  if (!origins_.empty()) {
    walk(piece, scratch, out);
    return;
  }
  if (piece.size() > kScanBytes) {
    merge_by_heap(piece, scratch, out);
    return;
  }
  scratch.ids.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i)
    scratch.ids[i] = byte_ids_[static_cast<uint8_t>(piece[i])];
  merge_short(scratch.ids, scratch, out);
}

// The token, or else the longest shorter one, that stays apart from the one before it; -1 when none
// does.
int32_t BpeModel::fit(int32_t left, int32_t token) const {
  while (token >= 0 && !origins_.stay_apart(merges_, left, token))
    token = beginnings_.shorter(token);
  return token;
}

// From the left: the longest token that stays apart from the one before it, or else a shorter one,
// or else the one before it is taken back for a shorter one. The tokens up to a place are what
// merging makes of the text up to there (bpe_origin.h), so a place is never reached with others,
// and one that was taken back is not tried again: each place is reached at most once.
void BpeModel::walk(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const {
  auto& taken_back = scratch.taken_back;
  taken_back.assign(piece.size() / 64 + 1, 0);
  const bool repetitive = piece.size() >= kRepetitiveBytes;
  if (repetitive) scratch.fits.assign(kFits, {});
  const auto known_fit = [&](int32_t left, int32_t start) {
    if (!repetitive) return fit(left, start);
    const auto mixed = static_cast<uint32_t>(left) * 0x9E3779B1u ^ static_cast<uint32_t>(start);
    BpeScratch::Fit& known = scratch.fits[(mixed ^ mixed >> 15) % kFits];
    if (known.left != left || known.token != start) known = {left, start, fit(left, start)};
    return known.fit;
  };
  const auto is_taken_back = [&](size_t end) {
    return (taken_back[end / 64] >> end % 64 & 1) != 0;
  };
  const size_t base = out.size();
  size_t at = 0;
  int32_t token = piece.empty() ? -1 : beginnings_.longest(piece);
  while (at < piece.size()) {
    while (token >= 0) {
      if (out.size() > base) token = known_fit(out.back(), token);
      if (token < 0 || !is_taken_back(at + beginnings_.length(token))) break;
      token = beginnings_.shorter(token);
    }
    if (token >= 0) {
      out.push_back(token);
      at += beginnings_.length(token);
      token = beginnings_.longest(piece.substr(at));
    } else {
      taken_back[at / 64] |= uint64_t{1} << at % 64;
      token =
          out.back();  // there is one: the piece has tokens, and their places are never taken back
      out.pop_back();
      at -= beginnings_.length(token);
      token = beginnings_.shorter(token);
    }
  }
}

void BpeModel::merge_short(std::span<int32_t> ids, BpeScratch& scratch,
                           std::vector<int32_t>& out) const {
  size_t count = ids.size();
  scratch.ranks.assign(count + 1, kNoRank);
  uint32_t* ranks = scratch.ranks.data();  // ranks[i] belongs to the pair (i, i + 1)
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = merges_.find(ids[i], ids[i + 1]).rank;
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoRank) break;
    ids[best] = merges_.find(ids[best], ids[best + 1]).joined;
    for (size_t i = best + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    --count;
    ranks[best] = best + 1 < count ? merges_.find(ids[best], ids[best + 1]).rank : kNoRank;
    if (best > 0) ranks[best - 1] = merges_.find(ids[best - 1], ids[best]).rank;
  }
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
}

// Symbols are a doubly linked list over positions; the heap holds (rank, position) and entries that
// a merge made stale are recognised by the pair's rank having changed.
void BpeModel::merge_by_heap(std::string_view piece, BpeScratch& scratch,
                             std::vector<int32_t>& out) const {
  auto& ids = scratch.ids;
  ids.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i) ids[i] = byte_ids_[static_cast<uint8_t>(piece[i])];
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
    const uint32_t rank = next < count ? merges_.find(ids[at(i)], ids[at(next)]).rank : kNoRank;
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
    ids[at(i)] = merges_.find(ids[at(i)], ids[at(gone)]).joined;
    scratch.ranks[at(gone)] = kNoRank;
    right[at(i)] = right[at(gone)];
    if (right[at(i)] < count) left[at(right[at(i)])] = i;
    push(i);
    if (left[at(i)] >= 0) push(left[at(i)]);
  }
  for (int32_t i = 0; i < count; i = right[at(i)]) out.push_back(ids[at(i)]);
}

}  // namespace ballast
