#include "libcore/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

std::string file_text(std::string_view json, std::string_view data) {
  std::string text(8, '\0');
  store_le<uint64_t>(text.data(), json.size());
  return text.append(json).append(data);
}

void put(FileSystem& fs, const std::string& path, std::string_view text) {
  if (fs.exists(path)) {
    ASSERT_TRUE(fs.remove(path).ok());
  }
  auto file = fs.create_exclusive(path);
  ASSERT_TRUE(file.ok()) << file.error().message();
  ASSERT_TRUE((*file)->append(as_bytes(text)).ok());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE((*file)->close().ok());
}

// The message with which a file of this content is refused; empty when it was taken.
std::string refusal(std::string_view content) {
  MemoryFileSystem fs;
  put(fs, "x.safetensors", content);
  auto reader = SafetensorsReader::open(fs, "x.safetensors");
  if (reader.ok()) return "";
  EXPECT_EQ(reader.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(reader.error().message().find('\n'), std::string::npos);
  EXPECT_THAT(reader.error().message(), HasSubstr("x.safetensors"));
  return reader.error().message();
}
std::string refusal(std::string_view json, int64_t data_bytes) {
  return refusal(file_text(json, std::string(static_cast<size_t>(data_bytes), 'd')));
}

constexpr const char* kOne = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";

TEST(SafetensorsReader, TakesTheSmallestFiles) {
  EXPECT_EQ(refusal("{}", 0), "");
  EXPECT_EQ(refusal("{}   ", 0), "");
  EXPECT_EQ(refusal(kOne, 4), "");
  EXPECT_EQ(
      refusal(R"({"__metadata__":{},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4), "");
  EXPECT_EQ(refusal(R"({"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]}})", 0), "");
}

// The numbers are those of ballast-safetensors(5).
TEST(SafetensorsReader, Case1RefusesHeaderLengthsOverTheLimitOrTheFile) {
  EXPECT_THAT(refusal("{}"), HasSubstr("too short"));
  std::string text = file_text("{}", "");
  store_le<uint64_t>(text.data(), 100'000'001);
  EXPECT_THAT(refusal(text), HasSubstr("too long"));
  store_le<uint64_t>(text.data(), ~uint64_t{0} - 3);
  EXPECT_THAT(refusal(text), HasSubstr("too long"));
  store_le<uint64_t>(text.data(), 3);
  EXPECT_THAT(refusal(text), HasSubstr("truncated in its header"));
}

TEST(SafetensorsReader, Case2RefusesInvalidUtf8) {
  for (const char* bad : {"\xC0\xAF", "\xED\xA0\x80", "\xFF", "\xE2\x82"}) {
    std::string json =
        std::string(R"({")") + bad + R"(":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
    EXPECT_THAT(refusal(json, 1), HasSubstr("not UTF-8"));
  }
  EXPECT_THAT(refusal(R"({"\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1),
              HasSubstr("not valid JSON"));
}

TEST(SafetensorsReader, Case3RefusesAnythingBeforeTheBrace) {
  EXPECT_THAT(refusal(" {}", 0), HasSubstr("begin with '{'"));
  EXPECT_THAT(refusal("\xEF\xBB\xBF{}", 0), HasSubstr("begin with '{'"));
  EXPECT_THAT(refusal("", 0), HasSubstr("begin with '{'"));
  EXPECT_THAT(refusal("[]", 0), HasSubstr("begin with '{'"));
}

TEST(SafetensorsReader, Case4RefusesJunkBehindTheBrace) {
  EXPECT_THAT(refusal("{}x", 0), HasSubstr("junk after the safetensors header"));
  EXPECT_THAT(refusal("{}{}", 0), HasSubstr("junk after the safetensors header"));
  EXPECT_THAT(refusal(std::string_view("{}\0PK", 5), 0), HasSubstr("NUL"));
  EXPECT_THAT(refusal("{}\v", 0), HasSubstr("junk after the safetensors header"));
  EXPECT_EQ(refusal("{} \t\r\n", 0), "");
  EXPECT_THAT(refusal("{", 0), HasSubstr("not valid JSON"));
}

TEST(SafetensorsReader, Case5RefusesDuplicateKeysInAnySpelling) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                      R"("\u0061":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
                      2),
              HasSubstr("duplicate tensor name 'a'"));
  EXPECT_THAT(refusal(R"({"__metadata__":{},"__metadata__":{}})", 0),
              HasSubstr("duplicate tensor name '__metadata__'"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":"1","\u006b":"2"}})", 0),
              HasSubstr("duplicate metadata key 'k'"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1),
              HasSubstr("duplicate key 'dtype'"));
}

TEST(SafetensorsReader, Case6RefusesOverlap) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                      4),
              HasSubstr("data of 'b' overlap"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                      4),
              HasSubstr("overlap"));
}

TEST(SafetensorsReader, Case7RefusesHolesAndTrailingBytes) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2),
              HasSubstr("hole before the data of 'a'"));
  EXPECT_THAT(refusal(kOne, 5), HasSubstr("bytes after the last tensor"));
  EXPECT_THAT(refusal("{}", 1), HasSubstr("bytes after the last tensor"));
}

TEST(SafetensorsReader, Case8RefusesNumbersThatAreNotPlainCounts) {
  for (const char* bad : {"-1", "-0", "4.0", "1e3", "9007199254740993", "18446744073709551616"}) {
    std::string shape =
        std::string(R"({"a":{"dtype":"U8","shape":[)") + bad + R"(],"data_offsets":[0,4]}})";
    EXPECT_THAT(refusal(shape, 4), HasSubstr("bad number in the entry of 'a'")) << bad;
    std::string offsets =
        std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,)") + bad + "]}}";
    EXPECT_THAT(refusal(offsets, 4), HasSubstr("bad number in the entry of 'a'")) << bad;
  }
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4),
              HasSubstr("end before they begin"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}})", 4),
              HasSubstr("not valid JSON"));
}

TEST(SafetensorsReader, Case9RefusesSizesThatOverflow) {
  EXPECT_THAT(
      refusal(R"({"a":{"dtype":"F32","shape":[2,9007199254740992,1024],"data_offsets":[0,0]}})", 0),
      HasSubstr("shape of 'a' overflows"));
  EXPECT_THAT(
      refusal(R"({"a":{"dtype":"U8","shape":[2,18446744073709551614],"data_offsets":[0,4]}})", 4),
      HasSubstr("bad number"));
}

TEST(SafetensorsReader, Case10RefusesRangesThatDisagreeWithTheShape) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
              HasSubstr("disagree with its shape"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1),
              HasSubstr("does not fill whole bytes"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}})", 4),
              HasSubstr("not two numbers"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", 4),
              HasSubstr("not two numbers"));
}

TEST(SafetensorsReader, Case11RefusesUnknownDtypesAndKeys) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4),
              HasSubstr("unknown dtype 'f32' of 'a'"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}})", 4),
              HasSubstr("unknown key 'x'"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[4]}})", 4),
              HasSubstr("missing key 'data_offsets'"));
  EXPECT_THAT(refusal(R"({"a":null})", 0), HasSubstr("unexpected null in the entry of 'a'"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":["U8"],"shape":[4],"data_offsets":[0,4]}})", 4),
              HasSubstr("unexpected an array"));
}

TEST(SafetensorsReader, Case12RefusesMetadataThatIsNotStrings) {
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":1}})", 0), HasSubstr("metadata 'k' is not a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":{}}})", 0),
              HasSubstr("metadata 'k' is not a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":"k"})", 0), HasSubstr("not an object of strings"));
}

TEST(SafetensorsReader, Case13RefusesDeepNestingAndControlCharactersInNames) {
  EXPECT_THAT(refusal(R"({"a":)" + std::string(1'000'000, '['), 0),
              HasSubstr("unexpected an array"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","shape":[[)", 0), HasSubstr("unexpected an array"));
  std::string rank = R"({"a":{"dtype":"U8","shape":[1)";
  for (int i = 0; i < 32; ++i) rank += ",1";
  EXPECT_THAT(refusal(rank + R"(],"data_offsets":[0,1]}})", 1), HasSubstr("too many dimensions"));
  for (const char* bad : {"\\u0000", "\\u001b[2J", "\\u007f", "\\u009b", "\\n"}) {
    std::string json =
        std::string(R"({"x)") + bad + R"(":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
    std::string message = refusal(json, 1);
    EXPECT_THAT(message, HasSubstr("control characters in tensor name"));
    for (char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  }
  EXPECT_THAT(refusal(R"({"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1),
              HasSubstr("empty tensor name"));
}

TEST(SafetensorsReader, Case14RefusesATruncatedFile) {
  EXPECT_THAT(refusal(kOne, 3), HasSubstr("safetensors file is truncated"));
  const std::string whole = file_text(kOne, "dddd");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(refusal(std::string_view(whole).substr(0, length)), "") << length;
  }
}

TEST(SafetensorsReader, Case15NoticesAFileThatChanged) {
  MemoryFileSystem fs;
  put(fs, "x", file_text(kOne, "data"));
  auto reader = SafetensorsReader::open(fs, "x");
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(reader->check_unchanged().ok());
  put(fs, "x", file_text(kOne, "DATA") + "more");
  auto changed = reader->check_unchanged();
  ASSERT_FALSE(changed.ok());
  EXPECT_THAT(changed.error().message(), HasSubstr("changed while it was read"));
}

TEST(SafetensorsReader, ListsTensorsInFileOrderAndReadsParts) {
  MemoryFileSystem fs;
  put(fs, "x",
      file_text(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]},)"
                R"("z":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},)"
                R"("a":{"dtype":"I8","shape":[2,1],"data_offsets":[0,2]}})",
                "AABCD"));
  auto reader = SafetensorsReader::open(fs, "x");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  ASSERT_EQ(reader->entries().size(), 3u);
  EXPECT_EQ(reader->entries()[0].name, "a");
  EXPECT_EQ(reader->entries()[1].name, "z");
  EXPECT_EQ(reader->entries()[2].name, "b");
  EXPECT_EQ(reader->find("nothing"), nullptr);
  std::array<std::byte, 2> part;
  ASSERT_TRUE(reader->read(*reader->find("b"), 1, part).ok());
  EXPECT_EQ(as_text(part), "CD");
}

TEST(SafetensorsWriter, WritesWhatTheReaderReadsAndHashesIt) {
  MemoryFileSystem fs;
  std::vector<SafetensorsEntry> entries(4);
  entries[0] = {"layer.\"q\"", "BF16", {2, 3}};
  entries[1] = {"empty", "F32", {0}};
  entries[2] = {"scalar \xC3\xA9", "F64", {}};
  entries[3] = {"tail", "F32", {4, 0}};
  auto writer = SafetensorsWriter::create(fs, "w", entries, {{"made", "by test"}});
  ASSERT_TRUE(writer.ok()) << writer.error().message();
  std::string data(20, '\0');
  std::iota(data.begin(), data.end(), char{1});
  for (size_t at = 0; at < data.size(); at += 7) {  // pieces that straddle the tensors
    ASSERT_TRUE(writer->append(as_bytes(std::string_view(data).substr(at, 7))).ok());
  }
  auto summary = writer->finish();
  ASSERT_TRUE(summary.ok());

  auto text = read_file(fs, "w");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(summary->bytes, static_cast<int64_t>(text->size()));
  EXPECT_EQ(summary->hash, xxh3_128(as_bytes(*text)));
  EXPECT_EQ(load_le<uint64_t>(text->data()) % 8, 0u);
  ASSERT_EQ(summary->tensor_hashes.size(), 4u);
  EXPECT_EQ(summary->tensor_hashes[0], xxh3_128(as_bytes(std::string_view(data).substr(0, 12))));
  EXPECT_EQ(summary->tensor_hashes[1], xxh3_128({}));
  EXPECT_EQ(summary->tensor_hashes[2], xxh3_128(as_bytes(std::string_view(data).substr(12))));

  auto reader = SafetensorsReader::open(fs, "w");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ(reader->metadata().at("format"), "pt");
  EXPECT_EQ(reader->metadata().at("made"), "by test");
  for (const SafetensorsEntry& entry : entries) {
    const SafetensorsEntry* found = reader->find(entry.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->dtype, entry.dtype);
    EXPECT_EQ(found->shape, entry.shape);
  }
  EXPECT_EQ(text->substr(static_cast<size_t>(reader->data_offset())), data);
}

TEST(SafetensorsWriter, RefusesWhatTheReaderWouldRefuse) {
  MemoryFileSystem fs;
  auto message = [&](std::vector<SafetensorsEntry> entries) {
    auto writer = SafetensorsWriter::create(fs, "w", std::move(entries), {});
    EXPECT_FALSE(fs.exists("w"));
    return writer.ok() ? std::string() : writer.error().message();
  };
  EXPECT_THAT(message({{"a", "U8", {1}}, {"a", "U8", {1}}}), HasSubstr("duplicate tensor name"));
  EXPECT_THAT(message({{"a\x1b", "U8", {1}}}), HasSubstr("control characters"));
  EXPECT_THAT(message({{"a\xff", "U8", {1}}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(message({{"a", "FLOAT", {1}}}), HasSubstr("unknown dtype"));
  EXPECT_THAT(message({{"a", "U8", {-1}}}), HasSubstr("negative extent"));
  EXPECT_THAT(message({{"a", "F4", {1}}}), HasSubstr("whole bytes"));
  EXPECT_THAT(message({{"a", "F64", {int64_t{1} << 40, int64_t{1} << 40}}}),
              HasSubstr("overflows"));
}

TEST(SafetensorsWriter, ReportsAFullDisk) {
  MemoryFileSystem fs;
  fs.set_free_bytes(100);
  auto writer = SafetensorsWriter::create(fs, "w", {{"a", "U8", {1000}}}, {});
  if (writer.ok()) {
    auto wrote = writer->append(as_bytes(std::string(1000, 'x')));
    ASSERT_FALSE(wrote.ok());
    EXPECT_EQ(wrote.error().kind, ErrorKind::io);
  } else {
    EXPECT_EQ(writer.error().kind, ErrorKind::io);
  }
}

}  // namespace
}  // namespace ballast
