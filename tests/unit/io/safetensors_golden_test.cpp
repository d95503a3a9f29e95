#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libcore/io/safetensors.h"

namespace ballast {
namespace {

std::string golden(const std::string& name) {
  return std::string(BALLAST_SOURCE_DIR) + "/tests/golden/safetensors/" + name;
}

TEST(SafetensorsGolden, ReadsEveryFileOfVersionOne) {
  FileSystem& fs = posix_file_system();
  auto names = fs.list(golden("v1"));
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(names->size(), 6u);
  for (const std::string& name : *names) {
    auto reader = SafetensorsReader::open(fs, golden("v1/" + name));
    EXPECT_TRUE(reader.ok()) << name << ": " << reader.error().message();
  }
  auto reader = SafetensorsReader::open(fs, golden("v1/unaligned.safetensors"));
  ASSERT_TRUE(reader.ok());
  std::array<std::byte, 4> bytes;
  ASSERT_TRUE(reader->read(*reader->find("f"), 0, bytes).ok());
  EXPECT_EQ(load_le<float>(bytes.data()), 1.5f);
  EXPECT_TRUE(reader->check_unchanged().ok());
}

TEST(SafetensorsGolden, RefusesEveryBrokenFileWithItsMessage) {
  FileSystem& fs = posix_file_system();
  auto names = fs.list(golden("v1-errors"));
  ASSERT_TRUE(names.ok());
  int broken = 0;
  for (const std::string& name : *names) {
    if (!name.ends_with(".safetensors")) continue;
    ++broken;
    const std::string path = golden("v1-errors/" + name);
    auto wanted = read_file(fs, path.substr(0, path.size() - 12) + ".message");
    ASSERT_TRUE(wanted.ok()) << name;
    wanted->pop_back();
    auto reader = SafetensorsReader::open(fs, path);
    ASSERT_FALSE(reader.ok()) << name;
    EXPECT_THAT(reader.error().message(), ::testing::HasSubstr(*wanted)) << name;
  }
  EXPECT_EQ(broken, 17);
}

}  // namespace
}  // namespace ballast
