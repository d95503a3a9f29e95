#include "libcore/shard/writer.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

namespace ballast {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

// Collects an output in pieces of about a megabyte, hashing and counting what goes through.
class Tee {
 public:
  Tee(AtomicFile& file, OutputFile& output) : file_(file), output_(output) {}
  template <class T>
  Result<void> put(T value) {
    char bytes[sizeof(T)];
    store_le(bytes, value);
    buffer_.append(bytes, sizeof(T));
    return buffer_.size() < kBufferBytes ? Result<void>() : flush();
  }
  Result<void> put_text(std::string_view text) {
    buffer_ += text;
    return {};
  }
  Result<void> flush() {
    hash_.update(as_bytes(buffer_));
    output_.bytes += static_cast<int64_t>(buffer_.size());
    output_.hash = hash_.digest();
    BALLAST_TRY(file_.write(buffer_));
    buffer_.clear();
    return {};
  }

 private:
  AtomicFile& file_;
  OutputFile& output_;
  Xxh3Hasher hash_;
  std::string buffer_;
};

}  // namespace

ShardWriter::ShardWriter(FileSystem& fs, const std::string& prefix, int64_t vocab_size, bool force)
    : prefix_(prefix),
      vocab_size_(vocab_size),
      type_(token_type_for(vocab_size)),
      bin_(fs, shard_bin_path(prefix), force),
      idx_(fs, shard_idx_path(prefix), force) {}

Result<void> ShardWriter::append_document(std::span<const int32_t> tokens) {
  if (tokens.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    return usage_error("document has too many tokens", prefix_,
                       fmt::format("{}, at most 2147483647", tokens.size()));
  const auto width = static_cast<size_t>(token_bytes(type_));
  const size_t start = buffer_.size();
  buffer_.resize(start + tokens.size() * width);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size_) {
      buffer_.resize(start);
      return usage_error(fmt::format("token id {} is outside the vocabulary", tokens[i]), prefix_,
                         fmt::format("vocabulary of {}", vocab_size_));
    }
    char* at = &buffer_[start + i * width];
    if (type_ == TokenType::u16)
      store_le(at, static_cast<uint16_t>(tokens[i]));
    else
      store_le(at, tokens[i]);
  }
  lengths_.push_back(static_cast<int32_t>(tokens.size()));
  ++documents_;
  tokens_ += static_cast<int64_t>(tokens.size());
  return buffer_.size() < kBufferBytes ? Result<void>() : flush();
}

Result<void> ShardWriter::flush() {
  hash_.update(as_bytes(buffer_));
  BALLAST_TRY(bin_.write(buffer_));
  buffer_.clear();
  return {};
}

Result<void> ShardWriter::write_index(OutputFile& output) {
  Tee tee(idx_, output);
  BALLAST_TRY(tee.put_text(shard_header_bytes({type_, documents(), documents()})));
  for (const int32_t length : lengths_) BALLAST_TRY(tee.put(length));
  int64_t offset = 0;
  for (const int32_t length : lengths_) {
    BALLAST_TRY(tee.put(offset));
    offset += length * token_bytes(type_);
  }
  for (int64_t document = 0; document <= documents(); ++document) BALLAST_TRY(tee.put(document));
  return tee.flush();
}

Result<std::vector<OutputFile>> ShardWriter::seal() {
  BALLAST_TRY(flush());
  OutputFile bin{shard_bin_path(prefix_), tokens_ * token_bytes(type_), hash_.digest()};
  OutputFile idx{shard_idx_path(prefix_), 0, {}};
  BALLAST_TRY(write_index(idx));
  // Many sealed shards may wait for the last one of a set. Clearing, as `= {}` does, keeps memory.
  (void)std::exchange(lengths_, {});
  (void)std::exchange(buffer_, {});
  BALLAST_TRY(bin_.seal());
  BALLAST_TRY(idx_.seal());
  return std::vector<OutputFile>{bin, idx};
}

Result<void> ShardWriter::publish() {
  BALLAST_TRY(bin_.commit());
  return idx_.commit();
}

Result<std::vector<OutputFile>> ShardWriter::finish() {
  auto outputs = BALLAST_TRY(seal());
  BALLAST_TRY(publish());
  return outputs;
}

}  // namespace ballast
