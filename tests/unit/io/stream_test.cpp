#include "libcore/io/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

constexpr int64_t kLimit = int64_t{1} << 24;

// Text that compresses, but not to nothing.
std::string sample(size_t bytes) {
  std::string text;
  uint64_t state = 1;
  while (text.size() < bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += "word" + std::to_string(state >> 52) + (text.size() % 7 == 0 ? "\n" : " ");
  }
  text.resize(bytes);
  return text;
}

std::string compressed(const std::string& text, const std::string& ending) {
  TemporaryDirectory directory;
  auto sink = open_sink(posix_file_system(), directory / ("x" + ending), false);
  EXPECT_TRUE(sink.ok() && (*sink)->write(text).ok() && (*sink)->finish().ok());
  return *read_file(posix_file_system(), directory / ("x" + ending));
}

std::string raw_deflate(const std::string& text, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> decoded(std::string data) {
  auto source = BALLAST_TRY(decoding_source(memory_source(std::move(data), "m")));
  return read_all(*source, kLimit);
}

struct Format {
  const char* ending;
  const char* label;
};
class Compressed : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, Compressed,
                         ::testing::Values(Format{".gz", "gzip"}, Format{".zst", "zstd"}),
                         [](const auto& format) { return format.param.label; });

TEST_P(Compressed, RoundTripsEverySize) {
  for (const size_t n : {0, 1, 2, 3, 4, 5, 1000, 262143, 262144, 262145, 1000000})
    EXPECT_EQ(*decoded(compressed(sample(n), GetParam().ending)), sample(n)) << n;
}

TEST_P(Compressed, JoinsSeveralMembers) {
  const std::string one = compressed(sample(300000), GetParam().ending);
  const std::string empty = compressed("", GetParam().ending);
  EXPECT_EQ(*decoded(one + empty + one + empty), sample(300000) + sample(300000));
}

TEST_P(Compressed, EveryTruncationIsCorrupt) {
  const std::string whole = compressed(sample(2000), GetParam().ending);
  for (size_t n = 4; n < whole.size(); ++n) {
    const auto result = decoded(whole.substr(0, n));
    ASSERT_FALSE(result.ok()) << n;
    EXPECT_EQ(result.error().kind, ErrorKind::corrupt);
    EXPECT_EQ(result.error().message(), std::string("truncated ") + GetParam().label + " data: m");
  }
  // A border between members is a legal end; one byte more is not.
  EXPECT_FALSE(decoded(whole + whole.substr(0, 5)).ok());
}

TEST_P(Compressed, DamageIsFound) {
  const std::string whole = compressed(sample(2000), GetParam().ending);
  int unnoticed = 0;
  for (size_t i = 4; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    const auto result = decoded(damaged);
    if (result.ok()) {
      // Bytes that carry no content: gzip's time stamp, flags of the system, extra flags.
      EXPECT_EQ(*result, sample(2000)) << i;
      ++unnoticed;
    } else {
      EXPECT_EQ(result.error().kind, ErrorKind::corrupt);
    }
  }
  EXPECT_LE(unnoticed, 6);
}

TEST_P(Compressed, GarbageBehindTheEndIsCorrupt) {
  EXPECT_FALSE(decoded(compressed("abc", GetParam().ending) + "garbage").ok());
}

TEST(Stream, GzipToleratesZeroPadding) {
  const std::string one = compressed("abc", ".gz");
  EXPECT_EQ(*decoded(one + std::string(1000, '\0') + one + std::string(300000, '\0')), "abcabc");
}

TEST(Stream, ZstdSkipsSkippableFrames) {
  const std::string skip = std::string("\x50\x2A\x4D\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(*decoded(skip + compressed("abc", ".zst") + skip), "abc");
}

TEST(Stream, OtherBytesPassThrough) {
  for (const std::string text : {"", "a", "\x1F\x8B", "\x28\xB5\x2F", "{\"text\":1}"})
    EXPECT_EQ(*decoded(text), text);
}

TEST(Stream, BuffersAreBounded) {
  const std::string zeros(1000000, '\0');
  const std::string gzip = compressed(zeros, ".gz"), zstd = compressed(zeros, ".zst");
  EXPECT_EQ(gzip_decompress(as_bytes(gzip), 1000000)->size(), zeros.size());
  EXPECT_EQ(zstd_decompress(as_bytes(zstd), 1000000)->size(), zeros.size());
  EXPECT_EQ(gzip_decompress(as_bytes(gzip), 999999).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(zstd_decompress(as_bytes(zstd), 999999).error().kind, ErrorKind::corrupt);
  const std::string packed = *zstd_compress(as_bytes(zeros), 3);
  EXPECT_EQ(*zstd_decompress(as_bytes(packed), kLimit), zeros);
}

TEST(Stream, DeflateMayBeWrappedOrRaw) {
  const std::string text = sample(5000);
  EXPECT_EQ(*deflate_decompress(as_bytes(raw_deflate(text, 15)), kLimit), text);
  const std::string raw = raw_deflate(text, -15);
  EXPECT_EQ(*deflate_decompress(as_bytes(raw), kLimit), text);
  EXPECT_FALSE(deflate_decompress(as_bytes(raw.substr(0, raw.size() / 2)), kLimit).ok());
  EXPECT_FALSE(deflate_decompress(as_bytes("\xFF\xFF\xFF\xFF"), kLimit).ok());
}

// One stored meta-block by hand (RFC 7932, 9.2): window bits, length 5, ISUNCOMPRESSED, then the
// end.
TEST(Stream, BrotliDecodesAndRefuses) {
  const std::string stored = std::string("\x0b\x02\x80hello\x03", 9);  // one uncompressed block
  EXPECT_EQ(*brotli_decompress(as_bytes(stored), kLimit), "hello");
  EXPECT_FALSE(brotli_decompress(as_bytes(stored.substr(0, 6)), kLimit).ok());
  EXPECT_FALSE(brotli_decompress(as_bytes(stored), 4).ok());
  EXPECT_FALSE(brotli_decompress(as_bytes(stored + "x"), kLimit).ok());
}

TEST(Stream, ReadsPipesForwards) {
  TemporaryDirectory directory;
  const std::string path = directory / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int fd = ::open(path.c_str(), O_RDWR);  // holds both ends, so that nobody waits
  const std::string text = compressed(sample(1000), ".gz");
  ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  auto source = open_source(posix_file_system(), path);
  ASSERT_TRUE(source.ok());
  ::close(fd);
  EXPECT_EQ(*read_all(**source, kLimit), sample(1000));
}

TEST(Stream, MissingInputNamesThePath) {
  const auto source = open_source(posix_file_system(), "/nonexistent/x");
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().message(), "cannot open: /nonexistent/x (No such file or directory)");
  EXPECT_EQ(source.error().kind, ErrorKind::io);
  EXPECT_EQ(open_source(posix_file_system(), "/").error().kind, ErrorKind::io);
}

TEST(Stream, SinkPublishesOnlyWhenFinished) {
  TemporaryDirectory directory;
  {
    auto sink = open_sink(posix_file_system(), directory / "x", false);
    ASSERT_TRUE((*sink)->write(sample(1000000)).ok());
  }
  EXPECT_TRUE(posix_file_system().list(directory.path())->empty());
}

TEST(Stream, SinkWritesDevicesInPlace) {
  auto sink = open_sink(posix_file_system(), "/dev/null", false);
  ASSERT_TRUE(sink.ok());
  EXPECT_TRUE((*sink)->write("x").ok());
  EXPECT_TRUE((*sink)->finish().ok());
  auto full = open_sink(posix_file_system(), "/dev/full", false);
  EXPECT_EQ((*full)->write("x").error().kind, ErrorKind::io);
}

std::vector<std::string> lines_of(const std::string& text, bool* complete = nullptr) {
  const auto source = memory_source(text);
  LineReader reader(*source);
  std::vector<std::string> lines;
  while (auto line = *reader.next()) lines.emplace_back(*line);
  EXPECT_EQ(reader.line_number(), static_cast<int64_t>(lines.size()));
  if (complete != nullptr) *complete = reader.last_line_complete();
  return lines;
}

TEST(LineReader, SplitsAtLineFeeds) {
  using Lines = std::vector<std::string>;
  bool complete = false;
  EXPECT_EQ(lines_of(""), Lines{});
  EXPECT_EQ(lines_of("a\n\nb\r\n", &complete), (Lines{"a", "", "b\r"}));
  EXPECT_TRUE(complete);
  EXPECT_EQ(lines_of("a\nb", &complete), (Lines{"a", "b"}));
  EXPECT_FALSE(complete);
  EXPECT_EQ(lines_of("\n"), Lines{""});
}

TEST(LineReader, HandlesLinesLongerThanItsBuffer) {
  std::string text;
  std::vector<std::string> expected;
  for (const size_t n : {1, 131071, 131072, 131073, 500000, 0, 7}) {
    expected.push_back(std::string(n, static_cast<char>('a' + n % 26)));
    text += expected.back() + "\n";
  }
  EXPECT_EQ(lines_of(text), expected);
}

TEST(LineReader, BoundsTheLine) {
  const auto source = memory_source("abc\nabcdef\n", "m");
  LineReader reader(*source, 5);
  EXPECT_EQ(**reader.next(), "abc");
  const auto second = reader.next();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message(), "line is too long: m:2 (at most 5 bytes)");
}

}  // namespace
}  // namespace ballast
