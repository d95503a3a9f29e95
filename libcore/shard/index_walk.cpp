#include "libcore/shard/index_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace ballast {
namespace {

constexpr int64_t kChunkEntries = 1 << 16;

// An array of `count` entries of T at `offset` of the index, from the first to the last.
template <class T>
class Column {
 public:
  Column(ReadableFile& file, int64_t offset, int64_t count)
      : file_(file), offset_(offset), left_(count) {}

  bool dry() const { return next_ == chunk_.size(); }
  T take() { return chunk_[next_++]; }  // not when dry
  Result<void> fill(const std::string& where) {
    chunk_.resize(static_cast<size_t>(std::min(kChunkEntries, left_)));
    const auto bytes = std::as_writable_bytes(std::span(chunk_));
    const size_t got = BALLAST_TRY(file_.read_at(offset_, bytes));
    if (got != bytes.size() || chunk_.empty())
      return corrupt_error("shard index is truncated", where);
    offset_ += static_cast<int64_t>(bytes.size());
    left_ -= static_cast<int64_t>(chunk_.size());
    next_ = 0;
    return {};
  }

 private:
  ReadableFile& file_;
  int64_t offset_, left_;
  std::vector<T> chunk_;
  size_t next_ = 0;
};

// Sequences one after the other, and the place where the next one has to begin.
class Sequences {
 public:
  Sequences(ReadableFile& index, const ShardHeader& header)
      : lengths_(index, kShardHeaderBytes, header.sequences),
        offsets_(index, kShardHeaderBytes + 4 * header.sequences, header.sequences),
        width_(token_bytes(header.type)) {}

  int64_t passed() const { return passed_; }
  int64_t tokens() const { return tokens_; }
  Result<void> pass(const std::string& where) {
    if (lengths_.dry()) BALLAST_TRY(lengths_.fill(where));
    if (offsets_.dry()) BALLAST_TRY(offsets_.fill(where));
    const int32_t length = lengths_.take();
    const int64_t offset = offsets_.take();
    if (length < 0 || offset != tokens_ * width_)
      return corrupt_error(
          fmt::format("sequence {} of the shard index is not where its predecessor ends", passed_),
          where,
          fmt::format("offset {}, expected {}; length {}", offset, tokens_ * width_, length));
    tokens_ += length;
    ++passed_;
    return {};
  }

 private:
  Column<int32_t> lengths_;
  Column<int64_t> offsets_;
  int64_t width_, passed_ = 0, tokens_ = 0;
};

}  // namespace

Result<ShardHeader> read_shard_header(ReadableFile& index, const std::string& where) {
  std::byte head[kShardHeaderBytes];
  const size_t got = BALLAST_TRY(index.read_at(0, head));
  return parse_shard_header(Bytes(head, got), index.size(), where);
}

Result<void> walk_document_lengths(
    ReadableFile& index, const ShardHeader& header, const std::string& where,
    const std::function<void(std::span<const int64_t> lengths)>& visit) {
  Sequences sequences(index, header);
  Column<int64_t> firsts(index, kShardHeaderBytes + 12 * header.sequences, header.documents + 1);
  std::vector<int64_t> lengths;
  for (int64_t entry = 0; entry <= header.documents; ++entry) {
    if (firsts.dry()) BALLAST_TRY(firsts.fill(where));
    const int64_t first = firsts.take();
    if (first < sequences.passed() || first > header.sequences || (entry == 0 && first != 0))
      return corrupt_error("document index of the shard is not ascending from 0", where,
                           fmt::format("entry {} is {}", entry, first));
    const int64_t begin = sequences.tokens();
    while (sequences.passed() < first) BALLAST_TRY(sequences.pass(where));
    if (entry > 0) lengths.push_back(sequences.tokens() - begin);
    if (lengths.size() < kChunkEntries) continue;
    visit(lengths);
    lengths.clear();
  }
  if (sequences.passed() != header.sequences)
    return corrupt_error(
        "document index does not end at the last sequence", where,
        fmt::format("ends at {}, sequences {}", sequences.passed(), header.sequences));
  if (!lengths.empty()) visit(lengths);
  return {};
}

}  // namespace ballast
