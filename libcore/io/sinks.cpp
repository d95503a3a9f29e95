#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "libcore/io/held_sink.h"
#include "libcore/io/output_check.h"
#include "libcore/io/stream.h"

namespace ballast {
namespace {

constexpr size_t kBuffer = size_t{1} << 18;

// Small writes gathered into large ones; the file is left without its name.
class HeldSink final : public ByteSink {
 public:
  explicit HeldSink(AtomicFile& file) : file_(file) {}
  Result<void> write(Bytes data) override {
    if (buffer_.size() + data.size() > kBuffer) BALLAST_TRY(flush());
    if (data.size() >= kBuffer) return file_.write(data);
    buffer_ += as_text(data);
    return {};
  }
  Result<void> finish() override {
    BALLAST_TRY(flush());
    return file_.seal();
  }

 private:
  Result<void> flush() {
    BALLAST_TRY(file_.write(buffer_));
    buffer_.clear();
    return {};
  }
  AtomicFile& file_;
  std::string buffer_;
};

class FileSink final : public ByteSink {
 public:
  explicit FileSink(AtomicFile file) : file_(std::move(file)), held_(file_) {}
  Result<void> write(Bytes data) override { return held_.write(data); }
  Result<void> finish() override {
    BALLAST_TRY(held_.finish());
    return file_.commit();
  }

 private:
  AtomicFile file_;
  HeldSink held_;
};

// Devices, pipes and sockets: there is nothing to rename.
class DeviceSink final : public ByteSink {
 public:
  explicit DeviceSink(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  Result<void> write(Bytes data) override { return file_->append(data); }
  Result<void> finish() override { return file_->close(); }

 private:
  std::unique_ptr<WritableFile> file_;
};

// Shares stdio's buffer with print_out, so that both keep their order.
class StdoutSink final : public ByteSink {
 public:
  Result<void> write(Bytes data) override {
    if (std::fwrite(data.data(), 1, data.size(), stdout) != data.size()) return failed();
    return {};
  }
  Result<void> finish() override {
    if (std::fflush(stdout) != 0) return failed();
    return {};
  }

 private:
  static Error failed() {
    return io_error("cannot write", "standard output", std::generic_category().message(errno));
  }
};

class StringSink final : public ByteSink {
 public:
  explicit StringSink(std::string& into) : into_(into) {}
  Result<void> write(Bytes data) override {
    into_ += as_text(data);
    return {};
  }
  Result<void> finish() override { return {}; }

 private:
  std::string& into_;
};

class GzipSink final : public ByteSink {
 public:
  explicit GzipSink(std::unique_ptr<ByteSink> inner)
      : inner_(std::move(inner)), out_(kBuffer, '\0') {
    constexpr int kGzip = 15 + 16, kMemory = 8;
    if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemory,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~GzipSink() override { deflateEnd(&stream_); }
  GzipSink(const GzipSink&) = delete;
  GzipSink& operator=(const GzipSink&) = delete;

  Result<void> write(Bytes data) override {
    constexpr size_t kPiece = size_t{1} << 30;  // avail_in has 32 bits
    while (!data.empty()) {
      const Bytes piece = data.first(std::min(data.size(), kPiece));
      BALLAST_TRY(run(piece, Z_NO_FLUSH));
      data = data.subspan(piece.size());
    }
    return {};
  }
  Result<void> finish() override {
    BALLAST_TRY(run({}, Z_FINISH));
    return inner_->finish();
  }

 private:
  Result<void> run(Bytes data, int flush) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
    stream_.avail_in = static_cast<uInt>(data.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      ::deflate(&stream_, flush);
      BALLAST_TRY(inner_->write(std::string_view(out_).substr(0, out_.size() - stream_.avail_out)));
    } while (stream_.avail_out == 0);
    return {};
  }
  std::unique_ptr<ByteSink> inner_;
  std::string out_;
  z_stream stream_{};
};

class ZstdSink final : public ByteSink {
 public:
  explicit ZstdSink(std::unique_ptr<ByteSink> inner)
      : inner_(std::move(inner)), out_(kBuffer, '\0'), stream_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    if (!stream_) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
  }
  Result<void> write(Bytes data) override { return run(data, ZSTD_e_continue); }
  Result<void> finish() override {
    BALLAST_TRY(run({}, ZSTD_e_end));
    return inner_->finish();
  }

 private:
  Result<void> run(Bytes data, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    while (true) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const size_t left = ZSTD_compressStream2(stream_.get(), &out, &in, directive);
      if (ZSTD_isError(left)) return io_error("cannot compress", {}, ZSTD_getErrorName(left));
      BALLAST_TRY(inner_->write(std::string_view(out_).substr(0, out.pos)));
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }
  std::unique_ptr<ByteSink> inner_;
  std::string out_;
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> stream_;
};

// None for what becomes a regular file.
Result<std::unique_ptr<ByteSink>> open_special_sink(FileSystem& fs, const std::string& path,
                                                    bool force) {
  if (path == "-") return std::make_unique<StdoutSink>();
  BALLAST_TRY(check_output(fs, path, force));
  const auto info = fs.info(path);
  if (info.ok() && !info->is_regular)
    return std::make_unique<DeviceSink>(BALLAST_TRY(fs.open_append(path)));
  return std::unique_ptr<ByteSink>();
}

std::unique_ptr<ByteSink> compressed(std::unique_ptr<ByteSink> sink, const std::string& path) {
  if (path.ends_with(".gz")) return std::make_unique<GzipSink>(std::move(sink));
  if (path.ends_with(".zst")) return std::make_unique<ZstdSink>(std::move(sink));
  return sink;
}

}  // namespace

Result<std::unique_ptr<ByteSink>> open_sink(FileSystem& fs, const std::string& path, bool force) {
  auto sink = BALLAST_TRY(open_special_sink(fs, path, force));
  if (!sink) sink = std::make_unique<FileSink>(AtomicFile(fs, path, force));
  return compressed(std::move(sink), path);
}

Result<HeldOutput> HeldOutput::open(FileSystem& fs, const std::string& path, bool force) {
  HeldOutput output;
  output.sink_ = BALLAST_TRY(open_special_sink(fs, path, force));
  if (!output.sink_) {
    output.file_ = std::make_unique<AtomicFile>(fs, path, force);
    output.sink_ = std::make_unique<HeldSink>(*output.file_);
  }
  output.sink_ = compressed(std::move(output.sink_), path);
  return output;
}

Result<void> HeldOutput::publish() { return file_ ? file_->commit() : Result<void>(); }

std::unique_ptr<ByteSink> string_sink(std::string& into) {
  return std::make_unique<StringSink>(into);
}

}  // namespace ballast
