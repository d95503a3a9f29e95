#include "libcore/io/http.h"

#include <gtest/gtest.h>

#include <string>

#include "libcore/io/stream.h"

namespace ballast {
namespace {

constexpr int64_t kLimit = 1 << 20;

HttpResponse parsed(std::string_view message) {
  Result<HttpResponse> response = parse_http_response(message, "m");
  EXPECT_TRUE(response.ok());
  return response.ok() ? *response : HttpResponse{};
}

Result<std::string> body_of(const std::string& fields, const std::string& body) {
  std::string message = "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
  HttpResponse response = parsed(message);
  return decode_http_body(response, kLimit, "m");
}

// "hello hello hello" in the codings of the web.
const std::string kText = "hello hello hello";
const std::string kZlib("\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00\x3a\x2e\x06\x7d", 16);
const std::string kRaw = kZlib.substr(2, 10);
const std::string kBrotli("\x0b\x08\x80" + kText + "\x03");

TEST(Http, ReadsStatusFieldsAndBody) {
  std::string message =
      "HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\nX: a\r\n  b\r\n\r\nbody";
  HttpResponse response = parsed(message);
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(field_value(response.fields, "content-type"), "text/html");
  EXPECT_EQ(field_value(response.fields, "x"), "a b");
  EXPECT_EQ(response.body, "body");
}

TEST(Http, TakesBareLineFeedsAndMissingReason) {
  HttpResponse response = parsed("HTTP/2 200\nA: b\n\nx");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "x");
  EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nA: b").body, "");
}

TEST(Http, RefusesWhatIsNoResponse) {
  EXPECT_FALSE(parse_http_response("", "m").ok());
  EXPECT_FALSE(parse_http_response("GET / HTTP/1.1\r\n\r\n", "m").ok());
  EXPECT_FALSE(parse_http_response("HTTP/1.1 abc\r\n\r\n", "m").ok());
  EXPECT_EQ(parse_http_response("HTTP/1.1\r\n\r\n", "m").error().kind, ErrorKind::corrupt);
}

TEST(Http, JoinsChunks) {
  std::string chunks = "5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
  EXPECT_EQ(*body_of("Transfer-Encoding: chunked\r\n", chunks), "hello world");
}

TEST(Http, DamagedChunksAreCorrupt) {
  std::string field = "Transfer-Encoding: chunked\r\n";
  EXPECT_FALSE(body_of(field, "5\r\nhello\r\n6\r\nabc").ok());
  EXPECT_FALSE(body_of(field, "5\r\nhello\r\nzz\r\n").ok());
  EXPECT_FALSE(body_of(field, "5\r\nhelloworld\r\n0\r\n\r\n").ok());
  EXPECT_FALSE(body_of(field, "5\r\nhello\r\n").ok());
}

TEST(Http, BodyThatTheCrawlerDechunkedIsTakenAsItIs) {
  EXPECT_EQ(*body_of("Transfer-Encoding: chunked\r\n", "<html>\n"), "<html>\n");
}

TEST(Http, UndoesContentCodings) {
  EXPECT_EQ(*body_of("Content-Encoding: deflate\r\n", kZlib), kText);
  EXPECT_EQ(*body_of("Content-Encoding: deflate\r\n", kRaw), kText);
  EXPECT_EQ(*body_of("Content-Encoding: br\r\n", kBrotli), kText);
  EXPECT_EQ(*body_of("Content-Encoding: identity\r\n", kText), kText);
  std::string zstd = *zstd_compress(as_bytes(kText));
  EXPECT_EQ(*body_of("Content-Encoding: zstd\r\n", zstd), kText);
  std::string chunked = "10\r\n" + kZlib + "\r\n0\r\n\r\n";
  EXPECT_EQ(*body_of("Transfer-Encoding: chunked\r\nContent-Encoding: deflate\r\n", chunked),
            kText);
  // deflate was applied first, zstd last.
  std::string twice = *zstd_compress(as_bytes(kZlib));
  EXPECT_EQ(*body_of("Content-Encoding: deflate, zstd\r\n", twice), kText);
}

TEST(Http, GzipFieldOnPlainBodyMeansItWasDecoded) {
  EXPECT_EQ(*body_of("Content-Encoding: gzip\r\n", "<p>x"), "<p>x");
}

TEST(Http, DamagedUnknownAndOversizedBodiesAreCorrupt) {
  EXPECT_FALSE(body_of("Content-Encoding: gzip\r\n", "\x1f\x8b\x08garbage").ok());
  EXPECT_FALSE(body_of("Content-Encoding: br\r\n", "not brotli at all").ok());
  EXPECT_FALSE(body_of("Content-Encoding: compress\r\n", "x").ok());
  EXPECT_FALSE(body_of("Content-Encoding: br,br,br,br,br\r\n", kBrotli).ok());
  std::string bomb = *zstd_compress(as_bytes(std::string(kLimit + 1, 'x')));
  EXPECT_FALSE(body_of("Content-Encoding: zstd\r\n", bomb).ok());
  EXPECT_FALSE(body_of("", std::string(kLimit + 1, 'x')).ok());
}

TEST(Http, ParsesMediaTypes) {
  MediaType media = parse_media_type("Text/HTML ; q=1; Charset=\"ISO-8859-1\"");
  EXPECT_EQ(media.type, "text/html");
  EXPECT_EQ(media.charset, "ISO-8859-1");
  EXPECT_EQ(parse_media_type("text/plain").charset, "");
  EXPECT_EQ(parse_media_type("").type, "");
}

}  // namespace
}  // namespace ballast
