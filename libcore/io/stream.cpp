#include "libcore/io/stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "libcore/io/decoders.h"

namespace ballast {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(std::unique_ptr<ReadableFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t n = BALLAST_TRY(file_->read_at(position_, into));
    position_ += static_cast<int64_t>(n);
    return n;
  }
  const std::string& name() const override { return path_; }

 private:
  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  int64_t position_ = 0;
};

class StdinSource final : public ByteSource {
 public:
  Result<size_t> read(MutableBytes into) override {
    while (true) {
      const ssize_t n = ::read(STDIN_FILENO, into.data(), into.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR)
        return io_error("cannot read", "standard input", std::generic_category().message(errno));
    }
  }
  const std::string& name() const override { return name_; }

 private:
  std::string name_ = "-";
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string data, std::string name)
      : data_(std::move(data)), name_(std::move(name)) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t n = std::min(into.size(), data_.size() - position_);
    std::memcpy(into.data(), data_.data() + position_, n);
    position_ += n;
    return n;
  }
  const std::string& name() const override { return name_; }

 private:
  std::string data_;
  std::string name_;
  size_t position_ = 0;
};

class PrefixedSource final : public ByteSource {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<ByteSource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  Result<size_t> read(MutableBytes into) override {
    if (position_ == prefix_.size()) return rest_->read(into);
    const size_t n = std::min(into.size(), prefix_.size() - position_);
    std::memcpy(into.data(), prefix_.data() + position_, n);
    position_ += n;
    return n;
  }
  const std::string& name() const override { return rest_->name(); }

 private:
  std::string prefix_;
  std::unique_ptr<ByteSource> rest_;
  size_t position_ = 0;
};

// gzip (RFC 1952 2.3.1) and zstd (RFC 8878 3.1: frames and skippable frames) by their first bytes.
Compression compression_of(Bytes start) {
  if (start.size() >= 3 && load_le<uint16_t>(start.data()) == 0x8B1F && start[2] == std::byte{8})
    return Compression::gzip;
  if (start.size() < 4) return Compression::none;
  const auto magic = load_le<uint32_t>(start.data());
  const bool zstd = magic == 0xFD2FB528u || (magic & 0xFFFFFFF0u) == 0x184D2A50u;
  return zstd ? Compression::zstd : Compression::none;
}

}  // namespace

Result<std::unique_ptr<ByteSource>> open_raw_source(FileSystem& fs, const std::string& path) {
  if (path == "-") return std::make_unique<StdinSource>();
  auto file = BALLAST_TRY(fs.open_read(path));
  return std::make_unique<FileSource>(std::move(file), path);
}

Result<std::unique_ptr<ByteSource>> open_source(FileSystem& fs, const std::string& path) {
  auto raw = BALLAST_TRY(open_raw_source(fs, path));
  return decoding_source(std::move(raw));
}

std::unique_ptr<ByteSource> memory_source(std::string data, std::string name) {
  return std::make_unique<MemorySource>(std::move(data), std::move(name));
}

std::unique_ptr<ByteSource> prefixed_source(std::string prefix, std::unique_ptr<ByteSource> rest) {
  return std::make_unique<PrefixedSource>(std::move(prefix), std::move(rest));
}

Result<std::unique_ptr<ByteSource>> decoding_source(std::unique_ptr<ByteSource> raw) {
  std::array<std::byte, 4> start;
  size_t known = 0;
  while (known < start.size()) {
    const size_t n = BALLAST_TRY(raw->read(MutableBytes(start).subspan(known)));
    if (n == 0) break;
    known += n;
  }
  const Bytes prefix = Bytes(start).first(known);
  const Compression compression = compression_of(prefix);
  auto source = prefixed_source(std::string(as_text(prefix)), std::move(raw));
  if (compression == Compression::gzip) return inflate_source(std::move(source), Inflate::gzip);
  if (compression == Compression::zstd) return zstd_source(std::move(source));
  return source;
}

Result<std::string> read_all(ByteSource& source, int64_t limit) {
  constexpr size_t kChunk = size_t{1} << 16;
  std::string text;
  size_t filled = 0;
  while (true) {
    if (text.size() - filled < kChunk) text.resize(std::max(filled + kChunk, filled * 2));
    const size_t n = BALLAST_TRY(
        source.read({reinterpret_cast<std::byte*>(text.data() + filled), text.size() - filled}));
    if (n == 0) break;
    filled += n;
    if (static_cast<int64_t>(filled) > limit)
      return corrupt_error("data are too large", source.name(),
                           fmt::format("at most {} bytes", limit));
  }
  text.resize(filled);
  return text;
}

LineReader::LineReader(ByteSource& source, int64_t max_line)
    : source_(source), max_line_(max_line) {}
LineReader::~LineReader() = default;

Result<std::optional<std::string_view>> LineReader::next() {
  constexpr size_t kChunk = size_t{1} << 17;
  size_t searched = 0;  // of the current line, without finding an LF
  while (true) {
    const char* start = buffer_.data() + begin_;
    const size_t have = end_ - begin_;
    const void* found =
        have == searched ? nullptr : std::memchr(start + searched, '\n', have - searched);
    const size_t length =
        found == nullptr ? have : static_cast<size_t>(static_cast<const char*>(found) - start);
    if (static_cast<int64_t>(length) > max_line_)
      return corrupt_error("line is too long",
                           fmt::format("{}:{}", source_.name(), line_number_ + 1),
                           fmt::format("at most {} bytes", max_line_));
    if (found != nullptr || (ended_ && have > 0)) {
      complete_ = found != nullptr;
      offset_ = dropped_ + static_cast<int64_t>(begin_);
      begin_ += length + (complete_ ? 1 : 0);
      ++line_number_;
      return std::string_view(start, length);
    }
    if (ended_) return std::nullopt;
    searched = have;
    if (begin_ > 0) std::memmove(buffer_.data(), start, have);
    dropped_ += static_cast<int64_t>(begin_);
    begin_ = 0;
    end_ = have;
    if (buffer_.size() - end_ < kChunk) buffer_.resize(std::max(end_ + kChunk, end_ * 2));
    const size_t n = BALLAST_TRY(
        source_.read({reinterpret_cast<std::byte*>(buffer_.data() + end_), buffer_.size() - end_}));
    end_ += n;
    ended_ = n == 0;
  }
}

}  // namespace ballast
