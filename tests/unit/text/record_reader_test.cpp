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
  EXPECT_NE(read_records("[\n{\"a\":1},\n{\"b\":2}]\n").error.find("neither"), std::string::npos);
}

}  // namespace
}  // namespace ballast
