#include "libcore/text/record_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ballast {
namespace {

struct Read {
  std::vector<std::string> wheres;
  std::string error;
};
Read read_records(std::string text) {
  Read read;
  RecordReader reader(memory_source(std::move(text), "in"));
  InputRecord record;
  while (true) {
    Result<bool> more = reader.next(record);
    if (!more.ok()) read.error = more.error().message();
    if (!more.ok() || !*more) return read;
    read.wheres.push_back(record.where);
  }
}

TEST(RecordReader, TellsJsonLinesFromWarc) {
  EXPECT_EQ(read_records("{\"a\":1}\n\n  \r\n{\"b\":2}").wheres,
            (std::vector<std::string>{"in:1", "in:4"}));
  EXPECT_EQ(read_records("\xEF\xBB\xBF{\"a\":1}\r\n").wheres, std::vector<std::string>{"in:1"});
  EXPECT_EQ(read_records("WARC/1.0\r\nContent-Length: 0\r\n\r\n\r\n\r\n").wheres,
            std::vector<std::string>{"in: record 1"});
}

TEST(RecordReader, EmptyInputHasNoRecords) {
  EXPECT_EQ(read_records("").error, "");
  EXPECT_EQ(read_records("\n \n").wheres.size(), 0u);
}

TEST(RecordReader, RefusesOtherContent) {
  EXPECT_NE(read_records("<html>").error.find("neither JSON Lines nor WARC"), std::string::npos);
  EXPECT_NE(read_records("[1]").error.find("neither"), std::string::npos);
  EXPECT_NE(read_records(std::string(70000, ' ')).error.find("neither"), std::string::npos);
  EXPECT_NE(read_records("WARC/1.").error.find("truncated"), std::string::npos);
}

TEST(RecordReader, TakesLinesBehindADamagedFirstOneForJsonLines) {
  EXPECT_EQ(read_records("cut off\"}\n{\"a\":1}\n").wheres,
            (std::vector<std::string>{"in:1", "in:2"}));
  EXPECT_EQ(read_records(std::string(60000, 'x') + "\n{\"a\":1}\n").wheres.size(), 2u);
  for (const char* line : {"[INFO] starting", "[2026-01-01 00:00] {", "[{\"a\":1}]", "[1]", "["})
    EXPECT_EQ(read_records(std::string(line) + "\nx\n{\"a\":1}\n").wheres.size(), 3u) << line;
}

TEST(RecordReader, RefusesListsOfDocuments) {
  for (const char* text : {"[\n{\"a\":1},\n{\"b\":2}]\n", "[{\"a\":1},\n{\"b\":2}]\n",
                           "[ \r\n {\"a\":1},\n{\"b\":2}\n]\n"})
    EXPECT_NE(read_records(text).error.find("neither"), std::string::npos) << text;
}

TEST(RecordReader, RefusesDamagedWarcsWhosePagesHaveLinesOfJson) {
  const std::string head =
      "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: https://h.example/\r\nContent-Length: ";
  const std::string body = "{\"a\":1}\n{\"b\":2}\n";
  const std::string record = head + std::to_string(body.size()) + "\r\n\r\n" + body + "\r\n\r\n";
  EXPECT_EQ(read_records(record + record).wheres.size(), 2u);
  // Within the version, within the first header, within the body.
  for (const size_t cut : {size_t{3}, size_t{12}, head.size() + 6})
    EXPECT_NE(read_records("x" + (record + record).substr(cut)).error.find("neither"),
              std::string::npos)
        << cut;
  EXPECT_NE(read_records(record.substr(3)).error.find("neither"), std::string::npos);
  // The next record lies beyond what is looked at.
  const std::string far = "x\n" + body + std::string(70000, 'x') + "\r\n\r\n" + record;
  EXPECT_NE(read_records(far).error.find("a WARC record among JSON Lines: in:6"), std::string::npos)
      << read_records(far).error;
  EXPECT_NE(read_records(body + record).error.find("a WARC record among JSON Lines: in:3"),
            std::string::npos);
  EXPECT_EQ(read_records("{\"a\":\"\\nWARC/1.0\"}\n").error, "");
}

}  // namespace
}  // namespace ballast
