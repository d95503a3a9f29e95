#include "libcore/io/decoders.h"

#include <brotli/decode.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "libcore/base/check.h"

namespace ballast {
namespace {

// Compressed bytes waiting to be decoded.
class Input {
 public:
  explicit Input(std::unique_ptr<ByteSource> raw) : raw_(std::move(raw)), buffer_(kBytes) {}

  // False at the end of the source.
  Result<bool> fill() {
    if (begin_ < end_) return true;
    begin_ = 0;
    end_ = BALLAST_TRY(raw_->read(buffer_));
    return end_ > 0;
  }
  Bytes left() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  void take(size_t n) { begin_ += n; }
  const std::string& name() const { return raw_->name(); }

 private:
  static constexpr size_t kBytes = size_t{1} << 17;
  std::unique_ptr<ByteSource> raw_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

class InflateSource final : public ByteSource {
 public:
  InflateSource(std::unique_ptr<ByteSource> raw, Inflate format)
      : input_(std::move(raw)), format_(format) {
    if (inflateInit2(&stream_, static_cast<int>(format)) != Z_OK) throw std::bad_alloc();
  }
  ~InflateSource() override { inflateEnd(&stream_); }
  InflateSource(const InflateSource&) = delete;
  InflateSource& operator=(const InflateSource&) = delete;

  Result<size_t> read(MutableBytes into) override {
    if (into.empty()) return size_t{0};
    while (true) {
      const bool more = BALLAST_TRY(input_.fill());
      if (!inside_) {
        if (!more) return size_t{0};
        if (!BALLAST_TRY(start_member())) continue;
      }
      const size_t n = BALLAST_TRY(step(into));
      if (n > 0) return n;
      if (inside_ && !more) return corrupt_error(fmt::format("truncated {} data", label()), name());
    }
  }
  const std::string& name() const override { return input_.name(); }

 private:
  const char* label() const { return format_ == Inflate::gzip ? "gzip" : "deflate"; }

  // At a border between members; false when only padding was taken.
  Result<bool> start_member() {
    const Bytes left = input_.left();
    if (members_ > 0) {
      if (format_ == Inflate::gzip && left[0] == std::byte{0}) {
        const auto end = std::find_if(left.begin(), left.end(),
                                      [](std::byte byte) { return byte != std::byte{0}; });
        input_.take(static_cast<size_t>(end - left.begin()));
        return false;
      }
      if (format_ != Inflate::gzip || left[0] != std::byte{0x1f})
        return corrupt_error(fmt::format("bytes after the end of {} data", label()), name());
      inflateReset(&stream_);
    }
    ++members_;
    inside_ = true;
    return true;
  }

  Result<size_t> step(MutableBytes into) {
    const Bytes left = input_.left();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(left.data()));
    stream_.avail_in = static_cast<uInt>(left.size());
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    const size_t room = std::min<size_t>(into.size(), std::numeric_limits<uInt>::max());
    stream_.avail_out = static_cast<uInt>(room);
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    input_.take(left.size() - stream_.avail_in);
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code == Z_STREAM_END) {
      inside_ = false;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return corrupt_error(fmt::format("damaged {} data", label()), name(),
                           stream_.msg != nullptr ? stream_.msg : "preset dictionary");
    }
    return room - stream_.avail_out;
  }

  Input input_;
  Inflate format_;
  z_stream stream_{};
  bool inside_ = false;
  int64_t members_ = 0;
};

class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> raw)
      : input_(std::move(raw)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (!stream_) throw std::bad_alloc();
  }

  Result<size_t> read(MutableBytes into) override {
    if (into.empty()) return size_t{0};
    while (true) {
      const bool more = BALLAST_TRY(input_.fill());
      if (!more && !inside_) return size_t{0};
      const Bytes left = input_.left();
      ZSTD_inBuffer in{left.data(), left.size(), 0};
      ZSTD_outBuffer out{into.data(), into.size(), 0};
      // Frames that follow one another and skippable ones are taken by the same call.
      const size_t hint = ZSTD_decompressStream(stream_.get(), &out, &in);
      input_.take(in.pos);
      if (ZSTD_isError(hint))
        return corrupt_error("damaged zstd data", name(), ZSTD_getErrorName(hint));
      inside_ = hint != 0;
      if (out.pos > 0) return out.pos;
      if (!more && inside_) return corrupt_error("truncated zstd data", name());
    }
  }
  const std::string& name() const override { return input_.name(); }

 private:
  Input input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool inside_ = false;
};

class BrotliSource final : public ByteSource {
 public:
  explicit BrotliSource(std::unique_ptr<ByteSource> raw)
      : input_(std::move(raw)),
        state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr),
               BrotliDecoderDestroyInstance) {
    if (!state_) throw std::bad_alloc();
  }

  Result<size_t> read(MutableBytes into) override {
    if (into.empty()) return size_t{0};
    while (true) {
      const bool more = BALLAST_TRY(input_.fill());
      if (!started_ && !more) return size_t{0};
      if (ended_) {
        if (more) return corrupt_error("bytes after the end of brotli data", name());
        return size_t{0};
      }
      started_ = true;
      const Bytes left = input_.left();
      size_t available_in = left.size(), available_out = into.size();
      const auto* next_in = reinterpret_cast<const uint8_t*>(left.data());
      auto* next_out = reinterpret_cast<uint8_t*>(into.data());
      const auto code = BrotliDecoderDecompressStream(state_.get(), &available_in, &next_in,
                                                      &available_out, &next_out, nullptr);
      input_.take(left.size() - available_in);
      if (code == BROTLI_DECODER_RESULT_ERROR)
        return corrupt_error("damaged brotli data", name(),
                             BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state_.get())));
      ended_ = code == BROTLI_DECODER_RESULT_SUCCESS;
      if (available_out < into.size()) return into.size() - available_out;
      if (!more && !ended_) return corrupt_error("truncated brotli data", name());
    }
  }
  const std::string& name() const override { return input_.name(); }

 private:
  Input input_;
  std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state_;
  bool started_ = false;
  bool ended_ = false;
};

// A buffer that outlives the source.
class ViewSource final : public ByteSource {
 public:
  explicit ViewSource(Bytes data) : data_(data) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t n = std::min(into.size(), data_.size());
    std::copy_n(data_.begin(), n, into.begin());
    data_ = data_.subspan(n);
    return n;
  }
  const std::string& name() const override {
    static const std::string kNone;
    return kNone;
  }

 private:
  Bytes data_;
};

}  // namespace

std::unique_ptr<ByteSource> inflate_source(std::unique_ptr<ByteSource> raw, Inflate format) {
  return std::make_unique<InflateSource>(std::move(raw), format);
}
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> raw) {
  return std::make_unique<ZstdSource>(std::move(raw));
}
std::unique_ptr<ByteSource> brotli_source(std::unique_ptr<ByteSource> raw) {
  return std::make_unique<BrotliSource>(std::move(raw));
}

Result<std::string> zstd_compress(Bytes data, int level) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), data.data(), data.size(), level);
  if (ZSTD_isError(n)) return usage_error("cannot compress", {}, ZSTD_getErrorName(n));
  out.resize(n);
  return out;
}

Result<std::string> zstd_decompress(Bytes data, int64_t limit) {
  ZstdSource source(std::make_unique<ViewSource>(data));
  return read_all(source, limit);
}

Result<std::string> gzip_decompress(Bytes data, int64_t limit) {
  InflateSource source(std::make_unique<ViewSource>(data), Inflate::gzip);
  return read_all(source, limit);
}

Result<std::string> deflate_decompress(Bytes data, int64_t limit) {
  // A zlib header is method 8 and a multiple of 31 (RFC 1950); raw deflate can look like one by
  // chance, so a failure there is tried as raw.
  if (data.size() >= 2) {
    const auto first = static_cast<unsigned>(data[0]), second = static_cast<unsigned>(data[1]);
    if ((first & 0x0F) == 8 && (first << 8 | second) % 31 == 0) {
      InflateSource source(std::make_unique<ViewSource>(data), Inflate::zlib);
      auto text = read_all(source, limit);
      if (text.ok()) return text;
      InflateSource raw(std::make_unique<ViewSource>(data), Inflate::raw);
      auto other = read_all(raw, limit);
      return other.ok() ? std::move(other) : std::move(text);
    }
  }
  InflateSource source(std::make_unique<ViewSource>(data), Inflate::raw);
  return read_all(source, limit);
}

Result<std::string> brotli_decompress(Bytes data, int64_t limit) {
  BrotliSource source(std::make_unique<ViewSource>(data));
  return read_all(source, limit);
}

}  // namespace ballast
