#include "libcore/io/memory_file_system.h"

#include <gtest/gtest.h>

#include "libcore/io/atomic_file.h"
#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

void put(FileSystem& fs, const std::string& path, std::string_view text, bool durable) {
  auto file = fs.open_append(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append(as_bytes(text)).ok());
  if (durable) {
    ASSERT_TRUE((*file)->sync().ok());
    ASSERT_TRUE(fs.sync_directory(parent_directory(path)).ok());
  }
  ASSERT_TRUE((*file)->close().ok());
}

// The same calls on the disk and in memory have to give the same answers.
class AnyFileSystem : public ::testing::TestWithParam<bool> {
 protected:
  FileSystem& fs() { return GetParam() ? static_cast<FileSystem&>(memory_) : posix_file_system(); }
  std::string at(const std::string& name) { return directory_ / name; }
  void SetUp() override { ASSERT_TRUE(fs().make_directories(directory_.path()).ok()); }

 private:
  MemoryFileSystem memory_;
  TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, AnyFileSystem, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Memory" : "Posix"; });

TEST_P(AnyFileSystem, CreatesAppendsTruncatesAndReads) {
  put(fs(), at("x"), "hello", false);
  put(fs(), at("x"), " world", false);
  EXPECT_EQ(*read_file(fs(), at("x")), "hello world");
  EXPECT_EQ(fs().info(at("x"))->size, 11);
  ASSERT_TRUE(fs().truncate(at("x"), 5).ok());
  EXPECT_EQ(*read_file(fs(), at("x")), "hello");
  EXPECT_FALSE(read_file(fs(), at("x"), 4).ok());
  auto file = fs().open_read(at("x"));
  std::array<std::byte, 10> bytes;
  EXPECT_EQ(*(*file)->read_at(3, bytes), 2u);
  EXPECT_EQ(*(*file)->read_at(5, bytes), 0u);
  EXPECT_EQ(*(*file)->read_at(50, bytes), 0u);
}

TEST_P(AnyFileSystem, RefusesWhatIsNotThere) {
  for (const auto& error :
       {fs().open_read(at("no")).error(), fs().truncate(at("no"), 0).error(),
        fs().rename(at("no"), at("x")).error(), fs().remove(at("no")).error(),
        fs().info(at("no")).error(), fs().list(at("no")).error(),
        fs().sync_directory(at("no")).error(), fs().create_exclusive(at("no/x")).error()})
    EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_FALSE(fs().exists(at("no")));
  EXPECT_TRUE(fs().remove_all(at("no")).ok());
}

TEST_P(AnyFileSystem, ReadsNothingIntoAnEmptySpan) {
  put(fs(), at("x"), "hello", false);
  const auto file = fs().open_read(at("x"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*(*file)->read_at(2, MutableBytes()), 0U);
}

TEST_P(AnyFileSystem, CreatesExclusively) {
  put(fs(), at("x"), "old", false);
  EXPECT_FALSE(fs().create_exclusive(at("x")).ok());
  EXPECT_EQ(*read_file(fs(), at("x")), "old");
}

TEST_P(AnyFileSystem, RenamesFilesAndDirectories) {
  ASSERT_TRUE(fs().make_directories(at("a/b")).ok());
  put(fs(), at("a/b/x"), "1", false);
  put(fs(), at("y"), "2", false);
  EXPECT_FALSE(fs().rename_exclusive(at("y"), at("a/b/x")).ok());
  EXPECT_EQ(*read_file(fs(), at("a/b/x")), "1");
  ASSERT_TRUE(fs().rename(at("y"), at("a/b/x")).ok());
  EXPECT_EQ(*read_file(fs(), at("a/b/x")), "2");
  ASSERT_TRUE(fs().rename_exclusive(at("a/b"), at("c")).ok());
  EXPECT_EQ(*read_file(fs(), at("c/x")), "2");
  EXPECT_FALSE(fs().rename_exclusive(at("a"), at("c")).ok());
  EXPECT_EQ(*fs().list(at("")), (std::vector<std::string>{"a", "c"}));
}

TEST_P(AnyFileSystem, LinksGiveAFileASecondName) {
  put(fs(), at("x"), "1", false);
  put(fs(), at("taken"), "2", false);
  EXPECT_TRUE(*fs().link(at("x"), at("y")));
  EXPECT_EQ(fs().info(at("x"))->inode, fs().info(at("y"))->inode);
  ASSERT_TRUE(fs().remove(at("x")).ok());
  EXPECT_EQ(*read_file(fs(), at("y")), "1");
  EXPECT_FALSE(fs().link(at("y"), at("taken")).ok());
  EXPECT_EQ(*read_file(fs(), at("taken")), "2");
  EXPECT_FALSE(fs().link(at("no"), at("z")).ok());
}

TEST_P(AnyFileSystem, RemovesEmptyDirectoriesOnlyUnlessAskedForAll) {
  ASSERT_TRUE(fs().make_directories(at("a/b")).ok());
  EXPECT_FALSE(fs().remove(at("a")).ok());
  ASSERT_TRUE(fs().remove(at("a/b")).ok());
  put(fs(), at("a/x"), "1", false);
  ASSERT_TRUE(fs().remove_all(at("a")).ok());
  EXPECT_TRUE(fs().list(at(""))->empty());
}

TEST_P(AnyFileSystem, TellsDirectoriesFromFiles) {
  ASSERT_TRUE(fs().make_directories(at("a")).ok());
  put(fs(), at("x"), "1", false);
  EXPECT_TRUE(fs().info(at("a"))->is_directory);
  EXPECT_FALSE(fs().info(at("a"))->is_regular);
  EXPECT_TRUE(fs().info(at("x"))->is_regular);
  EXPECT_FALSE(fs().open_read(at("a")).ok());
  EXPECT_NE(fs().info(at("a"))->inode, fs().info(at("x"))->inode);
}

TEST(MemoryFileSystem, CrashDropsWhatWasNotSynced) {
  MemoryFileSystem fs;
  put(fs, "durable", "1", true);
  put(fs, "durable", "2", false);
  put(fs, "volatile", "3", false);
  fs.crash();
  EXPECT_EQ(*read_file(fs, "durable"), "1");
  EXPECT_FALSE(fs.exists("volatile"));
}

TEST(MemoryFileSystem, CrashUndoesRenamesAndRemovalsOfUnsyncedDirectories) {
  MemoryFileSystem fs;
  put(fs, "a", "1", true);
  put(fs, "b", "2", true);
  ASSERT_TRUE(fs.rename("a", "b").ok() && fs.remove("b").ok());
  fs.crash();
  EXPECT_EQ(*read_file(fs, "a"), "1");
  EXPECT_EQ(*read_file(fs, "b"), "2");
}

TEST(MemoryFileSystem, CrashUndoesLinksOfUnsyncedDirectories) {
  MemoryFileSystem fs;
  put(fs, "a", "1", true);
  ASSERT_TRUE(*fs.link("a", "b"));
  ASSERT_TRUE(fs.sync_directory(".").ok());
  ASSERT_TRUE(*fs.link("a", "c"));
  fs.crash();
  EXPECT_EQ(*read_file(fs, "b"), "1");
  EXPECT_FALSE(fs.exists("c"));
}

TEST(MemoryFileSystem, CrashKeepsAnEmptyFileWhenOnlyItsNameWasSynced) {
  MemoryFileSystem fs;
  put(fs, "x", "content", false);
  ASSERT_TRUE(fs.sync_directory(".").ok());
  fs.crash();
  EXPECT_EQ(*read_file(fs, "x"), "");
}

TEST(MemoryFileSystem, RunsFull) {
  MemoryFileSystem fs;
  fs.set_free_bytes(3);
  put(fs, "x", "12", false);
  EXPECT_EQ(*fs.free_bytes("x"), 1);
  auto file = fs.open_append("x");
  const auto error = (*file)->append(as_bytes("34"));
  EXPECT_EQ(error.error().why, "No space left on device");
  EXPECT_EQ(*read_file(fs, "x"), "12");
}

// Replaces `path` in many writes; what a writer of an important file does.
Result<void> replace(FileSystem& fs, const std::string& path, bool force) {
  AtomicFile file(fs, path, force);
  for (const char* part : {"new ", "content ", "in ", "parts"}) BALLAST_TRY(file.write(part));
  return file.commit();
}
constexpr const char* kNew = "new content in parts";

struct Fault {
  bool force;
  bool dies;  // everything after the failure fails too
};
class AtomicFileFault : public ::testing::TestWithParam<Fault> {};
INSTANTIATE_TEST_SUITE_P(Kinds, AtomicFileFault,
                         ::testing::Values(Fault{true, true}, Fault{true, false},
                                           Fault{false, true}, Fault{false, false}));

TEST_P(AtomicFileFault, LeavesOldOrNewContentAtEveryFailure) {
  const auto [force, dies] = GetParam();
  bool finished = false;
  int64_t fail_at = 1;
  for (; !finished; ++fail_at) {
    MemoryFileSystem disk;
    if (force) put(disk, "x", "old", true);
    FaultyFileSystem faulty(disk, fail_at, dies);
    const bool ok = replace(faulty, "x", force).ok();
    finished = faulty.operations() < fail_at;
    EXPECT_EQ(ok, finished) << "failure " << fail_at << " went unreported";

    const auto check = [&](const char* when) {
      if (!disk.exists("x")) {
        EXPECT_FALSE(force) << when << " failure " << fail_at << ": the old file is gone";
        EXPECT_FALSE(ok) << when;
        return;
      }
      const std::string text = *read_file(disk, "x");
      EXPECT_TRUE(text == kNew || (force && text == "old" && !ok))
          << when << " failure " << fail_at << ": " << text;
    };
    check("after");
    if (!dies) {
      // Only the name itself may be left: the process lived on and took its temporary away.
      EXPECT_LE(disk.list(".")->size(), 1u) << fail_at;
    }
    disk.crash();
    check("after a power cut after");
  }
  // create, four appends, sync, close, rename, sync of the directory.
  EXPECT_EQ(fail_at - 2, 9);
}

TEST(AtomicFileFault, PowerCutAtAnyMomentKeepsOneOfBoth) {
  for (int64_t operations = 1; operations <= 10; ++operations) {
    MemoryFileSystem disk;
    put(disk, "x", "old", true);
    FaultyFileSystem faulty(disk, operations, true);
    (void)replace(faulty, "x", true);
    disk.crash();
    const std::string text = *read_file(disk, "x");
    EXPECT_TRUE(text == "old" || text == kNew) << text;
    EXPECT_EQ(text == kNew, operations == 10) << operations;
  }
}

TEST(FaultyFileSystem, TearsTheFailedAppend) {
  MemoryFileSystem disk;
  FaultyFileSystem faulty(disk, 2, true);
  auto file = faulty.open_append("x");
  EXPECT_FALSE((*file)->append(as_bytes("abcdef")).ok());
  EXPECT_FALSE((*file)->append(as_bytes("ghi")).ok());
  EXPECT_EQ(*read_file(disk, "x"), "abc");
}

}  // namespace
}  // namespace ballast
