#include "libcore/io/atomic_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

FileSystem& disk() { return posix_file_system(); }

void put(const std::string& path, std::string_view text) {
  AtomicFile file(disk(), path, true);
  ASSERT_TRUE(file.write(text).ok());
  ASSERT_TRUE(file.commit().ok());
}

TEST(AtomicFile, PublishesAtCommitAndNotBefore) {
  TemporaryDirectory directory;
  const std::string path = directory / "x";
  AtomicFile file(disk(), path, false);
  EXPECT_TRUE(disk().list(directory.path())->empty());
  ASSERT_TRUE(file.write("hello ").ok());
  EXPECT_FALSE(disk().exists(path));
  ASSERT_TRUE(file.write("world").ok());
  ASSERT_TRUE(file.commit().ok());
  EXPECT_EQ(*read_file(disk(), path), "hello world");
  EXPECT_EQ(disk().list(directory.path())->size(), 1u);
}

TEST(AtomicFile, LeavesOldContentWhenAbandoned) {
  TemporaryDirectory directory;
  put(directory / "x", "old");
  {
    AtomicFile file(disk(), directory / "x", true);
    ASSERT_TRUE(file.write("new").ok());
  }
  EXPECT_EQ(*read_file(disk(), directory / "x"), "old");
  EXPECT_EQ(disk().list(directory.path())->size(), 1u);
}

TEST(AtomicFile, NeedsForceToReplace) {
  TemporaryDirectory directory;
  put(directory / "x", "old");
  AtomicFile file(disk(), directory / "x", false);
  const auto written = file.write("new");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::usage);
  EXPECT_EQ(file.commit().error().kind, ErrorKind::usage);
  EXPECT_EQ(*read_file(disk(), directory / "x"), "old");
}

TEST(AtomicFile, NeverReplacesAFileThatAppearedMeanwhile) {
  TemporaryDirectory directory;
  AtomicFile file(disk(), directory / "x", false);
  ASSERT_TRUE(file.write("mine").ok());
  put(directory / "x", "theirs");
  EXPECT_FALSE(file.commit().ok());
  EXPECT_EQ(*read_file(disk(), directory / "x"), "theirs");
}

TEST(AtomicFile, CommitsAnEmptyFile) {
  TemporaryDirectory directory;
  AtomicFile file(disk(), directory / "x", false);
  ASSERT_TRUE(file.commit().ok());
  EXPECT_EQ(*read_file(disk(), directory / "x"), "");
}

TEST(AtomicFile, RefusesDirectoriesAndDevices) {
  TemporaryDirectory directory;
  EXPECT_EQ(AtomicFile(disk(), directory.path(), true).write("x").error().kind, ErrorKind::usage);
  EXPECT_EQ(AtomicFile(disk(), "/dev/null", true).write("x").error().kind, ErrorKind::usage);
}

TEST(AtomicFile, MissingDirectoryIsAnIoError) {
  TemporaryDirectory directory;
  EXPECT_EQ(AtomicFile(disk(), directory / "no/x", true).write("x").error().kind, ErrorKind::io);
}

TEST(OutputOverInput, IsFoundThroughLinks) {
  TemporaryDirectory directory;
  put(directory / "a", "1");
  put(directory / "b", "2");
  ASSERT_EQ(::link((directory / "a").c_str(), (directory / "hard").c_str()), 0);
  ASSERT_EQ(::symlink("a", (directory / "soft").c_str()), 0);
  const std::vector<std::string> inputs = {directory / "b", directory / "a"};
  for (const char* name : {"a", "hard", "soft"})
    EXPECT_EQ(refuse_output_over_input(disk(), directory / name, inputs).error().kind,
              ErrorKind::usage);
  EXPECT_TRUE(refuse_output_over_input(disk(), directory / "new", inputs).ok());
  EXPECT_TRUE(refuse_output_over_input(disk(), "-", inputs).ok());
  EXPECT_TRUE(refuse_output_over_input(disk(), "/dev/null", {}).ok());
}

}  // namespace
}  // namespace ballast
