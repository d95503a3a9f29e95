#include "libcore/text/piece_table.h"

#include <algorithm>
#include <utility>

#include "libcore/base/hash.h"

namespace ballast {
namespace {

constexpr size_t kFirstEntries = 64;

// With probability count / least.
bool is_kept(std::string_view piece, int64_t count, int64_t least, uint64_t seed) {
  if (count >= least) return true;
  const auto draw = static_cast<unsigned __int128>(xxh3_64(piece, seed));
  return static_cast<int64_t>(draw * static_cast<uint64_t>(least) >> 64) < count;
}

}  // namespace

size_t PieceTable::find(std::string_view piece, uint64_t hash) const {
  for (size_t at = hash & mask();; at = (at + 1) & mask()) {
    const Entry& entry = entries_[at];
    if (entry.count == 0 || (entry.hash == hash && piece_of(entry) == piece)) return at;
  }
}

void PieceTable::add(std::string_view piece, uint64_t hash, int64_t count) {
  if (4 * (size_ + 1) > 3 * entries_.size()) grow();
  Entry& entry = entries_[find(piece, hash)];
  if (entry.count == 0) {
    // By a quarter: a table of the size that memory allows must not double.
    if (bytes_.size() + piece.size() > bytes_.capacity())
      bytes_.reserve(bytes_.size() + bytes_.size() / 4 + kMaxPieceBytes);
    entry.hash = hash;
    entry.place = bytes_.size() << 16 | piece.size();
    bytes_.insert(bytes_.end(), piece.begin(), piece.end());
    ++size_;
  }
  entry.count += count;
}

int64_t PieceTable::count_of(std::string_view piece, uint64_t hash) const {
  return entries_.empty() ? 0 : entries_[find(piece, hash)].count;
}

// Of a piece that is not there yet.
void PieceTable::put(const Entry& entry) {
  size_t at = entry.hash & mask();
  while (entries_[at].count != 0) at = (at + 1) & mask();
  entries_[at] = entry;
}

void PieceTable::grow() {
  const std::vector<Entry> old =
      std::exchange(entries_, std::vector<Entry>(std::max(kFirstEntries, 2 * entries_.size())));
  for (const Entry& entry : old)
    if (entry.count != 0) put(entry);
}

void PieceTable::thin(int64_t least, uint64_t seed) {
  std::vector<Entry> kept;
  std::vector<char> bytes;
  for (Entry& entry : entries_) {
    if (entry.count > 0 && is_kept(piece_of(entry), entry.count, least, seed)) {
      const std::string_view piece = piece_of(entry);
      kept.push_back({entry.hash, bytes.size() << 16 | piece.size(), std::max(entry.count, least)});
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
    entry = {};
  }
  for (const Entry& entry : kept) put(entry);
  size_ = kept.size();
  bytes_.assign(bytes.begin(), bytes.end());  // the room stays: it will be needed again
}

void PieceTable::clear() {
  std::fill(entries_.begin(), entries_.end(), Entry{});
  bytes_.clear();
  size_ = 0;
}

}  // namespace ballast
