#include "libcore/parts/publishing.h"

#include <gtest/gtest.h>

#include "libcore/io/atomic_file.h"
#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

class Publishing : public testing::Test {
 protected:
  Publishing() { EXPECT_TRUE(fs_.make_directories("parts").ok()); }
  void write(const std::string& path) {
    AtomicFile file(fs_, path, true);
    ASSERT_TRUE(file.write(path).ok() && file.commit().ok());
  }
  // Outputs get their bytes before the note, and their names after it.
  void publish(const std::vector<std::string>& outputs, size_t shown) {
    std::vector<AtomicFile> files;
    for (const std::string& path : outputs) {
      files.emplace_back(fs_, path, false);
      ASSERT_TRUE(files.back().write(path).ok() && files.back().seal().ok());
    }
    ASSERT_TRUE(begin_publishing(fs_, "parts", outputs).ok());
    for (size_t i = 0; i < shown; ++i) ASSERT_TRUE(files[i].commit().ok());
  }
  MemoryFileSystem fs_;
};

TEST_F(Publishing, WhatWasShownIsTakenBackAndNothingElse) {
  for (size_t shown = 0; shown <= 3; ++shown) {
    write("other");
    publish({"a", "b", "c"}, shown);
    EXPECT_TRUE(was_publishing(fs_, "parts"));
    EXPECT_EQ(fs_.exists("c"), shown == 3);
    ASSERT_TRUE(take_back(fs_, "parts").ok());
    for (const char* path : {"a", "b", "c"}) EXPECT_FALSE(fs_.exists(path)) << path << shown;
    EXPECT_TRUE(fs_.exists("other"));
    EXPECT_FALSE(was_publishing(fs_, "parts"));
  }
}

TEST_F(Publishing, WhatSomebodyElseWroteSinceStaysWithTheRest) {
  publish({"a", "b", "c"}, 2);
  write("b");
  const auto refused = take_back(fs_, "parts");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(refused.error().where, "b");
  EXPECT_TRUE(fs_.exists("a"));
  EXPECT_TRUE(was_publishing(fs_, "parts"));
}

TEST_F(Publishing, NamesOnlyWhatIsNotThereYet) {
  write("b");
  EXPECT_EQ(begin_publishing(fs_, "parts", {"a", "b"}).error().where, "b");
  EXPECT_FALSE(was_publishing(fs_, "parts"));
}

TEST_F(Publishing, ADamagedNoteRemovesNothing) {
  write("a");
  for (const char* text :
       {"", "[]", R"({"v":2,"type":"parts_publishing","outputs":["a"]})",
        R"({"v":1,"type":"parts_plan","outputs":["a"]})", R"({"v":1,"type":"parts_publishing"})",
        R"({"v":1,"type":"parts_publishing","outputs":"a"})",
        R"({"v":1,"type":"parts_publishing","outputs":["a",1]})"}) {
    AtomicFile note(fs_, "parts/publishing.json", true);
    ASSERT_TRUE(note.write(std::string_view(text)).ok() && note.commit().ok());
    const auto taken = take_back(fs_, "parts");
    ASSERT_FALSE(taken.ok()) << text;
    EXPECT_EQ(taken.error().kind, ErrorKind::corrupt) << text;
    EXPECT_TRUE(fs_.exists("a"));
  }
}

}  // namespace
}  // namespace ballast
