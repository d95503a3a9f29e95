#include "libcore/parts/publishing.h"

#include <gtest/gtest.h>

#include "libcore/io/atomic_file.h"
#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

const PublishedPaths kPaths = {"d/web", "rejects", "stats"};

class Publishing : public testing::Test {
 protected:
  Publishing() { EXPECT_TRUE(fs_.make_directories("parts").ok()); }
  void SetUp() override { ASSERT_TRUE(fs_.make_directories("d").ok()); }
  void write(const std::string& path) {
    AtomicFile file(fs_, path, true);
    ASSERT_TRUE(file.write(path).ok() && file.commit().ok());
  }
  // Outputs get their bytes before the note, and their names after it.
  void publish(size_t shown) {
    PublishingNote note{0, {"-00001.bin", "-00000.bin"}, true, false};
    const auto begun = open_publishing(fs_, "parts");
    ASSERT_TRUE(begun.ok());
    note.begun_ns = *begun;
    std::vector<AtomicFile> files;
    for (const std::string& path : all_) {
      files.emplace_back(fs_, path, false);
      ASSERT_TRUE(files.back().write(path).ok() && files.back().seal().ok());
    }
    ASSERT_TRUE(begin_publishing(fs_, "parts", note, kPaths).ok());
    for (size_t i = 0; i < shown; ++i) ASSERT_TRUE(files[i].commit().ok());
  }
  const std::vector<std::string> all_ = {"rejects", "d/web-00001.bin", "d/web-00000.bin"};
  MemoryFileSystem fs_;
};

TEST_F(Publishing, WhatWasShownIsTakenBackAndNothingElse) {
  for (size_t shown = 0; shown <= all_.size(); ++shown) {
    write("other");
    write("stats");  // which that call did not make
    publish(shown);
    EXPECT_TRUE(was_publishing(fs_, "parts"));
    EXPECT_EQ(left_outputs(fs_, "parts", kPaths)->size(), shown);
    ASSERT_TRUE(take_back(fs_, "parts", kPaths).ok());
    for (const std::string& path : all_) EXPECT_FALSE(fs_.exists(path)) << path << shown;
    EXPECT_TRUE(fs_.exists("other"));
    EXPECT_TRUE(fs_.exists("stats"));
    EXPECT_FALSE(was_publishing(fs_, "parts"));
  }
}

void expect_refused(FileSystem& fs, const std::string& path) {
  const auto refused = take_back(fs, "parts", kPaths);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(refused.error().where, path);
  EXPECT_TRUE(fs.exists("rejects"));
  EXPECT_TRUE(was_publishing(fs, "parts"));
}

TEST_F(Publishing, WhatSomebodyElseWroteSinceStaysWithTheRest) {
  publish(2);
  write("d/web-00001.bin");
  expect_refused(fs_, "d/web-00001.bin");
}

// A shard that was out of the way during the first call, say.
TEST_F(Publishing, WhatIsOlderAndWasMovedThereStaysWithTheRest) {
  write("safe");
  publish(2);
  ASSERT_TRUE(fs_.rename("safe", "d/web-00000.bin").ok());
  expect_refused(fs_, "d/web-00000.bin");
}

TEST_F(Publishing, ReachesNothingBesideWhereThisCallWrites) {
  publish(3);
  ASSERT_TRUE(take_back(fs_, "parts", {"elsewhere/web", "", ""}).ok());
  for (const std::string& path : all_) EXPECT_TRUE(fs_.exists(path)) << path;
}

TEST_F(Publishing, BeforeItIsWholeNothingIsItsOwn) {
  ASSERT_TRUE(open_publishing(fs_, "parts").ok());
  write("rejects");
  ASSERT_TRUE(take_back(fs_, "parts", kPaths).ok());
  EXPECT_TRUE(fs_.exists("rejects"));
}

TEST_F(Publishing, NamesOnlyWhatIsNotThereYet) {
  write("d/web.bin");
  const auto refused = begin_publishing(fs_, "parts", {0, {".idx", ".bin"}, true, false}, kPaths);
  EXPECT_EQ(refused.error().where, "d/web.bin");
  EXPECT_FALSE(was_publishing(fs_, "parts"));
}

TEST_F(Publishing, ADamagedNoteRemovesNothing) {
  write("rejects");
  const std::string sound = PublishingNote{5, {".bin"}, true, false}.text();
  ASSERT_TRUE(parse_publishing(sound, "x").ok());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = sound;
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const std::string& text :
       {std::string(), std::string("[]"), changed("\"v\": 1", "\"v\": 2"),
        changed("parts_publishing", "parts_plan"), changed("\"begun_ns\"", "\"begun\""),
        changed("\"rejects\": true", "\"rejects\": 1"), changed("\".bin\"", "\"/../x\""),
        changed("\".bin\"", "1")}) {
    AtomicFile note(fs_, "parts/publishing.json", true);
    ASSERT_TRUE(note.write(std::string_view(text)).ok() && note.commit().ok());
    const auto taken = take_back(fs_, "parts", kPaths);
    ASSERT_FALSE(taken.ok()) << text;
    EXPECT_EQ(taken.error().kind, ErrorKind::corrupt) << text;
    EXPECT_TRUE(fs_.exists("rejects"));
  }
}

}  // namespace
}  // namespace ballast
