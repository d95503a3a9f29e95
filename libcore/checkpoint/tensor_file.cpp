#include "libcore/checkpoint/tensor_file.h"

#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "libcore/io/safetensors.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int64_t kChunkBytes = int64_t{1} << 20;
constexpr size_t kChunks = 4;                         // in flight
constexpr int64_t kReadAheadFrom = int64_t{8} << 20;  // smaller files are not worth a thread
constexpr int64_t kPlainLimit = int64_t{1} << 30;

// The bytes of a file in order, in chunks of kChunkBytes, read ahead by a thread.
class ChunkReader {
 public:
  ChunkReader(ReadableFile& file, int64_t bytes) : file_(file), bytes_(bytes) {
    for (Chunk& chunk : chunks_) chunk.data.resize(static_cast<size_t>(kChunkBytes));
    if (bytes >= kReadAheadFrom) thread_ = std::thread([this] { read_ahead(); });
  }
  ~ChunkReader() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // The next chunk, valid until the next call; empty at the end.
  Result<Bytes> next() {
    if (taken_ >= bytes_) return Bytes();
    if (!thread_.joinable()) return take(chunks_[0], read_chunk(chunks_[0], taken_));
    std::unique_lock lock(mutex_);
    if (holding_) {
      chunks_[index_].full = false;
      index_ = (index_ + 1) % kChunks;
      changed_.notify_all();
    }
    holding_ = true;
    Chunk& chunk = chunks_[index_];
    changed_.wait(lock, [&] { return chunk.full; });
    return take(chunk, std::move(chunk.result));
  }

 private:
  struct Chunk {
    std::vector<std::byte> data;
    size_t size = 0;
    Result<void> result;
    bool full = false;
  };

  Result<Bytes> take(Chunk& chunk, Result<void> result) {
    if (!result.ok()) return result.take_error();
    taken_ += static_cast<int64_t>(chunk.size);
    return Bytes(chunk.data).first(chunk.size);
  }

  Result<void> read_chunk(Chunk& chunk, int64_t offset) {
    chunk.size = static_cast<size_t>(std::min(kChunkBytes, bytes_ - offset));
    size_t done = 0;
    while (done < chunk.size) {
      const size_t got =
          BALLAST_TRY(file_.read_at(offset + static_cast<int64_t>(done),
                                    MutableBytes(chunk.data).subspan(done, chunk.size - done)));
      if (got == 0) return corrupt_error("file became shorter while it was read");
      done += got;
    }
    return {};
  }

  void read_ahead() {
    size_t index = 0;
    for (int64_t offset = 0; offset < bytes_; offset += kChunkBytes) {
      Chunk& chunk = chunks_[index];
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || !chunk.full; });
      if (stop_) return;
      lock.unlock();
      Result<void> result = read_chunk(chunk, offset);
      lock.lock();
      const bool failed = !result.ok();
      chunk.result = std::move(result);
      chunk.full = true;
      changed_.notify_all();
      if (failed) return;
      index = (index + 1) % kChunks;
    }
  }

  ReadableFile& file_;
  int64_t bytes_;
  int64_t taken_ = 0;
  std::array<Chunk, kChunks> chunks_;
  size_t index_ = 0;
  bool holding_ = false;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

Result<std::unique_ptr<ReadableFile>> open_sized(FileSystem& fs, const std::string& path,
                                                 int64_t bytes) {
  if (!fs.exists(path)) return corrupt_error("file is missing", path);
  auto file = BALLAST_TRY(fs.open_read(path));
  if (file->size() != bytes) {
    return corrupt_error("file has another size", path,
                         fmt::format("{} bytes, {} in the manifest", file->size(), bytes));
  }
  return file;
}

// The header must list what the manifest lists; returns where the data begin.
Result<int64_t> check_header(FileSystem& fs, const std::string& path, const FileRecord& record) {
  const SafetensorsReader reader = BALLAST_TRY(SafetensorsReader::open(fs, path));
  const auto& entries = reader.entries();
  for (size_t i = 0; i < std::max(entries.size(), record.tensors.size()); ++i) {
    if (i >= entries.size() || i >= record.tensors.size()) {
      return corrupt_error(
          "file holds another number of tensors", path,
          fmt::format("{}, {} in the manifest", entries.size(), record.tensors.size()));
    }
    const SafetensorsEntry& entry = entries[i];
    const TensorRecord& tensor = record.tensors[i];
    if (entry.name != tensor.name || entry.dtype != tensor.dtype || entry.shape != tensor.shape ||
        entry.begin != tensor.begin || entry.end != tensor.end) {
      return corrupt_error("header disagrees with the manifest",
                           path + ": " + printable(tensor.name));
    }
  }
  return reader.data_offset();
}

// Cuts the file's bytes at tensor borders, hashes, and feeds the sink.
class TensorStream {
 public:
  TensorStream(const FileRecord& record, int64_t data_offset, const TensorSink& sink)
      : record_(record), data_offset_(data_offset), sink_(sink) {}

  void take(Bytes chunk) {
    file_hash_.update(chunk);
    if (position_ < data_offset_) {
      const int64_t header = std::min(static_cast<int64_t>(chunk.size()), data_offset_ - position_);
      position_ += header;
      chunk = chunk.subspan(static_cast<size_t>(header));
      close_finished();
    }
    while (!chunk.empty() && current_ < record_.tensors.size()) {
      const TensorRecord& tensor = record_.tensors[current_];
      const int64_t at = position_ - data_offset_;
      const Bytes piece = chunk.first(
          static_cast<size_t>(std::min(static_cast<int64_t>(chunk.size()), tensor.end - at)));
      hash_.update(piece);
      feed(tensor, at - tensor.begin, piece);
      position_ += static_cast<int64_t>(piece.size());
      chunk = chunk.subspan(piece.size());
      close_finished();
    }
  }

  const std::optional<size_t>& first_damaged() const { return damaged_; }
  Hash128 file_hash() const { return file_hash_.digest(); }

 private:
  // Chunks begin anywhere; what is left of eight bytes waits for the next one.
  void feed(const TensorRecord& tensor, int64_t offset, Bytes piece) {
    if (!sink_) return;
    const bool last = offset + static_cast<int64_t>(piece.size()) == tensor.end - tensor.begin;
    if (!carry_.empty()) {
      const size_t wanted = std::min(8 - carry_.size(), piece.size());
      carry_.insert(carry_.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(wanted));
      piece = piece.subspan(wanted);
      offset += static_cast<int64_t>(wanted);
      if (carry_.size() < 8 && !last) return;
      sink_(tensor, offset - static_cast<int64_t>(carry_.size()), carry_);
      carry_.clear();
    }
    const size_t whole = last ? piece.size() : piece.size() / 8 * 8;
    if (whole > 0) sink_(tensor, offset, piece.first(whole));
    carry_.assign(piece.begin() + static_cast<ptrdiff_t>(whole), piece.end());
  }

  void close_finished() {
    while (current_ < record_.tensors.size() &&
           position_ - data_offset_ == record_.tensors[current_].end) {
      if (!damaged_ && hash_.digest() != record_.tensors[current_].hash) damaged_ = current_;
      hash_ = Xxh3Hasher();
      ++current_;
    }
  }

  const FileRecord& record_;
  int64_t data_offset_;
  const TensorSink& sink_;
  int64_t position_ = 0;
  size_t current_ = 0;
  std::optional<size_t> damaged_;
  std::vector<std::byte> carry_;
  Xxh3Hasher file_hash_, hash_;
};

}  // namespace

Result<void> read_tensor_file(FileSystem& fs, const std::string& directory,
                              const FileRecord& record, const TensorSink& sink) {
  const std::string path = join_path(directory, record.name);
  auto file = BALLAST_TRY(open_sized(fs, path, record.bytes));
  const int64_t data_offset = BALLAST_TRY(check_header(fs, path, record));
  TensorStream stream(record, data_offset, sink);
  ChunkReader reader(*file, record.bytes);
  while (true) {
    auto chunk = reader.next();
    if (!chunk.ok()) {
      Error error = chunk.take_error();
      if (error.where.empty()) error.where = path;
      return error;
    }
    if (chunk->empty()) break;
    stream.take(*chunk);
  }
  if (stream.first_damaged()) {
    return corrupt_error("tensor is damaged",
                         path + ": " + printable(record.tensors[*stream.first_damaged()].name),
                         "its hash is not the manifest's");
  }
  if (stream.file_hash() != record.hash)
    return corrupt_error("file is damaged", path, "its hash is not the manifest's");
  return {};
}

Result<std::string> read_plain_file(FileSystem& fs, const std::string& directory,
                                    const FileRecord& record) {
  const std::string path = join_path(directory, record.name);
  BALLAST_TRY(open_sized(fs, path, record.bytes));
  std::string text = BALLAST_TRY(read_file(fs, path, kPlainLimit));
  if (xxh3_128(as_bytes(text)) != record.hash)
    return corrupt_error("file is damaged", path, "its hash is not the manifest's");
  return text;
}

Result<void> check_file(FileSystem& fs, const std::string& directory, const FileRecord& record) {
  if (record.name.ends_with(".safetensors")) return read_tensor_file(fs, directory, record, {});
  BALLAST_TRY(read_plain_file(fs, directory, record));
  return {};
}

}  // namespace ballast
