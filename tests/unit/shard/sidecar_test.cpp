#include "libcore/shard/sidecar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libcore/io/memory_file_system.h"
#include "libcore/io/stream.h"
#include "libcore/shard/sidecar_format.h"

namespace ballast {
namespace {

constexpr int64_t kDocuments = 2500;  // three frames

ShardDocument document(int64_t number) {
  ShardDocument made;
  made.id = "doc-" + std::to_string(number);
  if (number % 3 != 0) {
    made.host = number % 3 == 1 ? "a.example" : "b.example";
    made.url = "https://" + made.host + "/" + std::to_string(number);
  }
  made.language = "de";
  made.sha256 = std::string(64, '0');
  made.filters = {"robots", "pii"};
  made.tokens = number;
  return made;
}

std::string sidecar_bytes() {
  static const std::string bytes = [] {
    MemoryFileSystem fs;
    SidecarWriter writer(fs, "s", false);
    for (int64_t i = 0; i < kDocuments; ++i) EXPECT_TRUE(writer.append(document(i)).ok());
    const auto output = writer.seal();
    EXPECT_TRUE(output.ok());
    EXPECT_FALSE(fs.exists("s.docs.jsonl.zst"));
    EXPECT_TRUE(writer.publish().ok());
    const auto written = read_file(fs, "s.docs.jsonl.zst");
    EXPECT_EQ(xxh3_128(as_bytes(*written)), output->hash);
    EXPECT_EQ(static_cast<int64_t>(written->size()), output->bytes);
    return *written;
  }();
  return bytes;
}

void put(FileSystem& fs, std::string_view bytes) {
  const std::string path = "s.docs.jsonl.zst";
  if (fs.exists(path)) {
    ASSERT_TRUE(fs.remove(path).ok());
  }
  auto file = fs.create_exclusive(path);
  ASSERT_TRUE(file.ok() && (*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
}

TEST(Sidecar, FindsEveryDocumentAndHost) {
  MemoryFileSystem fs;
  put(fs, sidecar_bytes());
  auto reader = SidecarReader::open(fs, "s");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  ASSERT_EQ(reader->documents(), kDocuments);
  for (const int64_t number : {int64_t{0}, int64_t{1023}, int64_t{1024}, kDocuments - 1}) {
    const auto found = reader->read(number);
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(found->id, document(number).id);
    EXPECT_EQ(found->host, document(number).host);
    EXPECT_EQ(found->filters, document(number).filters);
    EXPECT_EQ(found->tokens, number);
  }
  EXPECT_EQ(reader->read(kDocuments).error().kind, ErrorKind::usage);
  ASSERT_EQ(reader->hosts().size(), 3U);
  EXPECT_EQ(reader->hosts().at("b.example").front(), 2);
  EXPECT_EQ(reader->hosts().at("").size(), 834U);
}

TEST(Sidecar, IsPlainCompressedJsonLines) {
  auto source = decoding_source(memory_source(sidecar_bytes()));
  ASSERT_TRUE(source.ok());
  const auto text = read_all(**source, 1 << 24);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), kDocuments);
  EXPECT_EQ(text->substr(0, text->find('\n')), shard_document_line(document(0)));
}

TEST(Sidecar, HoldsNoDocuments) {
  MemoryFileSystem fs;
  SidecarWriter writer(fs, "s", false);
  ASSERT_TRUE(writer.seal().ok() && writer.publish().ok());
  const auto reader = SidecarReader::open(fs, "s");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ(reader->documents(), 0);
}

TEST(Sidecar, RefusesDamageAnywhere) {
  const std::string good = sidecar_bytes();
  MemoryFileSystem fs;
  for (size_t cut = 0; cut < good.size(); cut += 101) {
    put(fs, std::string_view(good).substr(0, cut));
    EXPECT_FALSE(SidecarReader::open(fs, "s").ok()) << cut;
  }
  for (size_t at = 0; at < good.size(); at += 211) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    put(fs, bad);
    auto reader = SidecarReader::open(fs, "s");
    if (!reader.ok()) continue;
    // What the index does not show, the frames or lines may; it must not crash or loop.
    (void)reader->for_each([](int64_t, const ShardDocument&) { return Result<void>(); }).ok();
  }
}

TEST(Varint, RoundTripsAndRefusesWhatIsTooLong) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    std::string bytes;
    append_varint(bytes, value);
    std::string_view rest = bytes;
    EXPECT_EQ(take_varint(rest), value);
    EXPECT_TRUE(rest.empty());
  }
  std::string_view endless = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
  EXPECT_EQ(take_varint(endless), std::nullopt);
  std::string_view cut = "\x80";
  EXPECT_EQ(take_varint(cut), std::nullopt);
}

}  // namespace
}  // namespace ballast
