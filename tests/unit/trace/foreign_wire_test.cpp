// What the readers of binary logs stand on: checksums, protocol buffers, loose JSON, rows.
#include <gtest/gtest.h>

#include <cmath>

#include "libcore/trace/foreign/crc32c.h"
#include "libcore/trace/foreign/json_pull.h"
#include "libcore/trace/foreign/protobuf_wire.h"
#include "libcore/trace/foreign/rows.h"
#include "tests/support/foreign_build.h"

namespace ballast {
namespace {

uint32_t crc32c_of(const std::string& bytes) { return crc32c(as_bytes(bytes)); }

// RFC 3720, B.4, and the check value of the Castagnoli polynomial.
TEST(Crc32c, GivesThePublishedVectors) {
  EXPECT_EQ(crc32c_of("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c_of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c_of(std::string(32, '\xff')), 0x62A8AB43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  EXPECT_EQ(crc32c_of(ascending), 0x46DD794Eu);
  const std::string descending(ascending.rbegin(), ascending.rend());
  EXPECT_EQ(crc32c_of(descending), 0x113FDB5Cu);
  EXPECT_EQ(crc32c_of(""), 0u);
}

TEST(Crc32c, EveryLengthAndAlignmentAgreesWithBitByBit) {
  std::string bytes;
  for (int i = 0; i < 80; ++i) bytes.push_back(static_cast<char>(i * 37 + 11));
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; begin + size <= bytes.size(); ++size) {
      uint32_t slow = ~0u;
      for (size_t i = 0; i < size; ++i) {
        slow ^= static_cast<unsigned char>(bytes[begin + i]);
        for (int bit = 0; bit < 8; ++bit) slow = slow >> 1 ^ ((slow & 1) != 0 ? 0x82F63B78u : 0u);
      }
      ASSERT_EQ(crc32c(as_bytes(std::string_view(bytes).substr(begin, size))), ~slow) << size;
    }
  }
}

// What PyTorch's writer puts behind the length of a record of 72 bytes.
TEST(Crc32c, MaskIsTheOneOfEventFiles) {
  EXPECT_EQ(masked_crc32c(crc32c_of(build::raw<uint64_t>(72))), 0x9D4892FEu);
}

TEST(ProtobufWire, ReadsEveryType) {
  using namespace build;
  const std::string message = whole(1, 300) + float64(2, 0.5) + text(3, "abc") + float32(4, -1.5f) +
                              whole(536870911, -1) + whole(5, 3);
  WireReader reader(message);
  WireField field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_TRUE(field.is(1, WireType::varint));
  EXPECT_EQ(field.integer(), 300);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number64(), 0.5);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.bytes, "abc");
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number32(), -1.5f);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 536870911u);
  EXPECT_EQ(field.integer(), -1);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.zigzag(), -2);
  EXPECT_FALSE(reader.next(field));
  EXPECT_FALSE(reader.damaged());
}

TEST(ProtobufWire, RefusesWhatDoesNotFit) {
  using namespace build;
  const std::string cases[] = {
      std::string("\x08"),                            // no value
      std::string("\x08\x80\x80"),                    // a varint without end
      std::string("\x08") + std::string(10, '\xff'),  // ... over 64 bits
      std::string("\x08") + std::string(9, '\xff') + "\x02",
      std::string("\x09\x01\x02"),                      // seven bytes short
      std::string("\x0d\x01"),                          // three bytes short
      std::string("\x0a\x05") + "ab",                   // longer than what is there
      std::string("\x0a") + varint(uint64_t{1} << 63),  // ... by far
      std::string("\x00\x01", 2),                       // field 0
      std::string("\x0b\x08\x01\x0c"),                  // a group
      std::string("\x0e\x01"),                          // type 6
      key(1u << 29, 0) + "\x01",                        // a field number over 29 bits
  };
  for (const std::string& message : cases) {
    WireReader reader(message);
    WireField field;
    EXPECT_FALSE(reader.next(field)) << testing::PrintToString(message);
    EXPECT_TRUE(reader.damaged()) << testing::PrintToString(message);
  }
}

// The tokens of a text as one word each.
std::string tokens_of(std::string_view text) {
  JsonPull json(text);
  std::string out;
  for (;;) {
    const JsonToken token = json.next().take_value();
    const auto add = [&](const std::string& word) { out += (out.empty() ? "" : " ") + word; };
    if (token == JsonToken::begin_object) add("{");
    if (token == JsonToken::end_object) add("}");
    if (token == JsonToken::begin_array) add("[");
    if (token == JsonToken::end_array) add("]");
    if (token == JsonToken::key) add(json.text() + ":");
    if (token == JsonToken::string) add("'" + json.text() + "'");
    if (token == JsonToken::number) add(json_number(json.number()).dump());
    if (token == JsonToken::boolean) add(json.number() != 0 ? "yes" : "no");
    if (token == JsonToken::null) add("null");
    if (token == JsonToken::damaged) add(json.truncated() ? "torn" : "damaged");
    if (token == JsonToken::damaged || token == JsonToken::end) return out;
  }
}

TEST(JsonPull, ReadsWhatPythonWrites) {
  EXPECT_EQ(tokens_of(R"({"a": [1, -2.5e3, NaN, Infinity, -Infinity], "b": {}, "c": true})"),
            R"({ a: [ 1.0 -2500.0 "NaN" "Infinity" "-Infinity" ] b: { } c: yes })");
  EXPECT_EQ(tokens_of(" [ null , false , [ ] ] "), "[ null no [ ] ]");
  EXPECT_EQ(tokens_of("{}\n{\"a\":0}\n"), "{ } { a: 0.0 }");
  EXPECT_EQ(tokens_of(""), "");
  EXPECT_EQ(tokens_of(R"("\u00e9\ud83d\ude00\n\/\"")"), "'\u00e9\U0001F600\n/\"'");
  EXPECT_EQ(tokens_of(R"("\ud83dx\ude00\ud83d\ud83d\ude00\ud83d\t")"),
            "'\uFFFDx\uFFFD\uFFFD\U0001F600\uFFFD\t'");
  EXPECT_EQ(tokens_of("1e400 -1e400 1e-400"), R"("Infinity" "-Infinity" 0.0)");
}

TEST(JsonPull, RefusesWhatIsNoJson) {
  for (const char* text :
       {"[1 2]", "[1,]", "{\"a\" 1}", "{1:2}", "{,}", "[01]", "[1.]", "[.5]", "[+1]", "[1e]",
        "[nan]", "[\"\t\"]", "[\"\\x\"]", "[\"\\u12g4\"]", "]", "[}", "{\"a\":}", "[--1]"})
    EXPECT_TRUE(tokens_of(std::string(text) + "   0").ends_with("damaged")) << text;
  for (const char* text :
       {"[1", "[1,", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"b", "[\"\\u12", "[tru"})
    EXPECT_TRUE(tokens_of(text).ends_with("torn")) << text;
  EXPECT_FALSE(tokens_of(std::string(64, '[') + std::string(64, ']')).ends_with("damaged"));
  EXPECT_TRUE(tokens_of(std::string(65, '[') + std::string(65, ']')).ends_with("damaged"));
}

TEST(JsonPull, NamesNumbersByTheirKeys) {
  const std::string text =
      R"({"a": 1, "b": {"c": 2, "d": {"e": "NaN"}, "f": [3]}, "g": "h", "i": null})";
  JsonPull json(text);
  std::string name, all;
  const JsonToken first = json.next().take_value();
  ASSERT_TRUE(json.numbers(first, name,
                           [&](std::string_view key, double value) {
                             all += std::string(key) + "=" + json_number(value).dump() + " ";
                           })
                  .take_value());
  EXPECT_EQ(all, "a=1.0 b.c=2.0 b.d.e=\"NaN\" ");
}

TEST(JsonPull, LongValuesAreNullAndReadingGoesOn) {
  const std::string text = "[" + std::string("[\"") + std::string(1000, 'x') + "\", [1, 2]], 7]";
  JsonPull json(text);
  ASSERT_EQ(json.next().take_value(), JsonToken::begin_array);
  Json value;
  ASSERT_TRUE(json.value(json.next().take_value(), value, 100).take_value());
  EXPECT_TRUE(value.is_null());
  ASSERT_EQ(json.next().take_value(), JsonToken::number);
  EXPECT_EQ(json.number(), 7);
}

// Keys that differ in their ill-formed bytes alone are one key, as they would be when written.
TEST(JsonPull, IllFormedTextIsReplaced) {
  JsonPull json("{\"a\xff\": 1, \"a\xfe\": \"\xc3\", \"\xc3\xa9\": \"\\ud800\"}");
  Json value;
  ASSERT_TRUE(json.value(json.next().take_value(), value).take_value());
  EXPECT_EQ(value, Json({{"a\uFFFD", "\uFFFD"}, {"\u00E9", "\uFFFD"}}));
}

// Rows without a log around them.
struct RowsTest : testing::Test {
  ForeignNotes notes;
  ImportOptions options;
  std::unique_ptr<Rows> rows;
  void make() { rows = std::make_unique<Rows>(ColumnMap::make(options).take_value(), notes); }
  void add(int64_t step, std::string_view name, double value) {
    const std::optional<size_t> column = rows->column(name);
    ASSERT_TRUE(column.has_value()) << name;
    rows->add(step, step * 1000, *column, value);
  }
  // "step:loss/lr/norm" or "step=eval loss@set", in order.
  std::string all() {
    std::string out;
    TraceRecord record;
    while (rows->pop(record).take_value()) {
      if (record.type == RecordType::eval) {
        out += std::to_string(record.eval.step) + "=" +
               std::to_string(static_cast<int>(record.eval.loss.value_or(-1))) + "@" +
               record.eval.set + " ";
        continue;
      }
      out += std::to_string(record.step.step) + ":";
      for (const auto& number : {record.step.loss, record.step.lr, record.step.grad_norm})
        out += number ? std::to_string(static_cast<int>(*number)) + "/" : "-/";
      out += " ";
    }
    return out;
  }
};

TEST_F(RowsTest, TagsOfOneStepMeet) {
  make();
  add(1, "loss", 5);
  add(1, "lr", 6);
  add(2, "loss", 7);
  add(2, "val/loss", 8);
  add(1, "grad_norm", 9);  // late
  EXPECT_EQ(all(), "");
  rows->finish();
  EXPECT_EQ(all(), "1:5/6/9/ 2:7/-/-/ 2=8@ ");
}

TEST_F(RowsTest, TagByTagOverManySteps) {
  make();
  for (const char* name : {"loss", "lr", "grad_norm"})
    for (int step = 1; step <= 3; ++step) add(step, name, step * 10);
  rows->finish();
  EXPECT_EQ(all(), "1:10/10/10/ 2:20/20/20/ 3:30/30/30/ ");
}

TEST_F(RowsTest, AColumnThatGoesBackBeginsAPass) {
  make();
  for (const int step : {1, 2, 3, 2, 3, 4}) {
    add(step, "loss", step);
    add(step, "lr", 0);
  }
  EXPECT_EQ(all(), "1:1/0/-/ 2:2/0/-/ 3:3/0/-/ ");
  rows->finish();
  EXPECT_EQ(all(), "2:2/0/-/ 3:3/0/-/ 4:4/0/-/ ");
}

TEST_F(RowsTest, TheLastOfOneStepCounts) {
  make();
  add(1, "loss", 5);
  add(1, "loss", 6);
  rows->finish();
  EXPECT_EQ(all(), "1:6/-/-/ ");
}

TEST_F(RowsTest, OldStepsCloseWhenTheWindowIsFull) {
  make();
  const auto many = static_cast<int64_t>(Rows::kWindow);
  for (int64_t step = 1; step <= many; ++step) add(step, "loss", 1);
  EXPECT_EQ(all(), "");
  add(many + 1, "loss", 1);
  EXPECT_EQ(all(), "1:1/-/-/ ");
  add(1, "lr", 3);  // too late for its row: one of its own, which closes another
  add(3, "lr", 4);
  add(many + 2, "loss", 1);
  EXPECT_EQ(all(), "2:1/-/-/ 3:1/4/-/ ");
}

TEST_F(RowsTest, LowerRankGoesFirstAndEqualsAreAnError) {
  make();
  add(1, "loss", 5);
  add(1, "train/loss", 6);
  rows->finish();
  EXPECT_EQ(all(), "1:6/-/-/ ");
  make();
  add(1, "train/loss", 5);
  add(1, "loss/train", 6);
  rows->finish();
  TraceRecord record;
  const Result<bool> got = rows->pop(record);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, ErrorKind::usage);
  EXPECT_EQ(got.error().message(),
            "both 'train/loss' and 'loss/train' could be loss: step 1 (say which with --map "
            "loss=COLUMN)");
  options.map = {{"loss", "loss/train"}};
  make();
  add(1, "loss/train", 6);
  EXPECT_FALSE(rows->column("train/loss").has_value());
  rows->finish();
  EXPECT_EQ(all(), "1:6/-/-/ ");
}

TEST_F(RowsTest, AMappedColumnHasToCome) {
  options.map = {{"loss", "mine"}};
  make();
  add(1, "lr", 1);
  rows->finish();
  TraceRecord record;
  ASSERT_TRUE(rows->pop(record).take_value());
  const Result<bool> got = rows->pop(record);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().message(), "nothing is called 'mine' (--map loss)");
}

TEST_F(RowsTest, EvaluationsBySet) {
  make();
  add(1, "eval/web/loss", 5);
  add(1, "eval/code/loss", 6);
  add(1, "eval/web/perplexity", 7);
  add(1, "loss", 8);
  rows->finish();
  EXPECT_EQ(all(), "1:8/-/-/ 1=5@web 1=6@code ");
}

TEST_F(RowsTest, NamedRowsGoByTheirBestStep) {
  make();
  NamedRow row(*rows, notes);
  const auto put = [&](std::initializer_list<std::pair<const char*, double>> cells) {
    row.clear();
    for (const auto& [name, value] : cells) row.add(name, value);
    row.finish(0, 77);
  };
  put({{"_step", 0}, {"iter", 50}, {"loss", 3}, {"_timestamp", 1700000000}});
  put({{"_step", 1}, {"loss", 4}});  // another scale
  put({{"_step", 2}, {"memory", 4}});
  put({{"_step", 3}, {"iter", 100}, {"loss", 5}});
  put({{"iter", -1}, {"loss", 5}});
  rows->finish();
  EXPECT_EQ(notes.damaged, 2);
  EXPECT_EQ(notes.first_damaged, 77);
  EXPECT_EQ(notes.first_damage, "the row has no 'iter'");
  EXPECT_EQ(notes.records, 3);
  TraceRecord record;
  ASSERT_TRUE(rows->pop(record).take_value());
  EXPECT_EQ(record.step.step, 50);
  EXPECT_EQ(record.step.time_us, 1700000000000000);
  ASSERT_TRUE(rows->pop(record).take_value());
  EXPECT_EQ(record.step.step, 100);
  EXPECT_FALSE(rows->pop(record).take_value());
}

}  // namespace
}  // namespace ballast
