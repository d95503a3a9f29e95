#include "libcore/io/warc.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ballast {
namespace {

std::string record(const std::string& fields, const std::string& block) {
  return "WARC/1.0\r\n" + fields + "Content-Length: " + std::to_string(block.size()) + "\r\n\r\n" +
         block + "\r\n\r\n";
}

struct Read {
  std::vector<WarcRecord> records;
  std::string error;
};

Read read_warc(const std::string& text, int64_t max_block = 1 << 20) {
  Read read;
  std::unique_ptr<ByteSource> source = memory_source(text, "a.warc");
  WarcReader reader(*source, max_block);
  WarcRecord next;
  while (true) {
    Result<bool> more = reader.next(next);
    if (!more.ok()) {
      EXPECT_EQ(more.error().kind, ErrorKind::corrupt);
      read.error = more.error().message();
      return read;
    }
    if (!*more) return read;
    read.records.push_back(next);
  }
}

TEST(Warc, ReadsRecordsOfBothVersions) {
  std::string first = record("WARC-Type: response\r\nWARC-Target-URI: http://h/a\r\n", "one");
  std::string second = record("WARC-Type: conversion\r\n", "");
  second.replace(0, 8, "WARC/1.1");
  Read read = read_warc(first + second);
  EXPECT_EQ(read.error, "");
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[0].type(), "response");
  EXPECT_EQ(read.records[0].target_uri(), "http://h/a");
  EXPECT_EQ(read.records[0].block, "one");
  EXPECT_EQ(read.records[0].offset, 0);
  EXPECT_EQ(read.records[1].type(), "conversion");
  EXPECT_EQ(read.records[1].number, 2);
  EXPECT_EQ(read.records[1].offset, static_cast<int64_t>(first.size()));
}

TEST(Warc, EmptyFileHasNoRecords) {
  EXPECT_EQ(read_warc("").records.size(), 0u);
  EXPECT_EQ(read_warc("\r\n\r\n").error, "");
}

TEST(Warc, TakesTheQuirksOfRealWriters) {
  Read read = read_warc(
      "\n\nWARC/1.0\nwarc-type: response\nWARC-Target-URI: <http://h/x>\nX-Long: a\n\tb\n"
      "no colon here\nContent-Length:3\n\nabc" +
      record("WARC-Type: request\r\n", "\r\n\r\nWARC/1.0\r\n\r\n"));
  EXPECT_EQ(read.error, "");
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[0].target_uri(), "http://h/x");
  EXPECT_EQ(read.records[0].field("x-long"), "a b");
  EXPECT_EQ(read.records[0].block, "abc");
  EXPECT_EQ(read.records[1].block, "\r\n\r\nWARC/1.0\r\n\r\n");
}

TEST(Warc, BlocksLargerThanTheBufferArriveWhole) {
  std::string block(500000, 'x');
  Read read = read_warc(record("A: b\r\n", block) + record("A: c\r\n", "y"));
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[0].block, block);
  EXPECT_EQ(read.records[1].block, "y");
}

TEST(Warc, EveryTruncationInsideARecordIsAnError) {
  std::string text = record("WARC-Type: response\r\n", "block");
  size_t end_of_block = text.size() - 4;
  for (size_t cut = 1; cut < text.size(); ++cut) {
    Read read = read_warc(text.substr(0, cut));
    if (cut >= end_of_block) {
      EXPECT_EQ(read.records.size(), 1u);
    } else {
      EXPECT_EQ(read.records.size(), 0u);
      EXPECT_NE(read.error.find("truncated"), std::string::npos) << cut << read.error;
    }
  }
}

TEST(Warc, NamesFileRecordAndOffset) {
  std::string good = record("A: b\r\n", "x");
  Read read = read_warc(good + "garbage\n\n");
  EXPECT_EQ(read.records.size(), 1u);
  EXPECT_NE(read.error.find("a.warc: record 2 at byte " + std::to_string(good.size())),
            std::string::npos)
      << read.error;
}

TEST(Warc, RefusesBadLengthsAndVersions) {
  auto error = [](const std::string& text) { return read_warc(text, 100).error; };
  EXPECT_NE(error("WARC/1.0\r\nA: b\r\n\r\n").find("without Content-Length"), std::string::npos);
  EXPECT_NE(error("WARC/1.0\r\nContent-Length: -1\r\n\r\n").find("bad Content-Length"),
            std::string::npos);
  EXPECT_NE(error("WARC/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n").find("bad"),
            std::string::npos);
  EXPECT_NE(error("WARC/1.0\r\nContent-Length: 101\r\n\r\n").find("too large"), std::string::npos);
  EXPECT_NE(error("WARC/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx").find("repeated"),
            std::string::npos);
  EXPECT_NE(error("WARC/0.17\r\nContent-Length: 1\r\n\r\nx").find("unsupported WARC version"),
            std::string::npos);
  EXPECT_NE(error("WARC/1.0\r\n" + std::string(2 << 20, 'x')).find("over 1 MiB"),
            std::string::npos);
}

}  // namespace
}  // namespace ballast
