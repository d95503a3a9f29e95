#include "libcore/io/file_system.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

TEST(Paths, SplitAsTheShellsToolsDo) {
  struct Case {
    const char *path, *directory, *name;
  };
  for (const Case& c :
       {Case{"a", ".", "a"}, Case{"a/b", "a", "b"}, Case{"/a", "/", "a"}, Case{"a/b/", "a", "b"},
        Case{"/a//b", "/a", "b"}, Case{"/", "/", "/"}, Case{"", ".", ""}}) {
    EXPECT_EQ(parent_directory(c.path), c.directory) << c.path;
    EXPECT_EQ(file_name(c.path), c.name) << c.path;
  }
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("a", "/b"), "/b");
}

}  // namespace
}  // namespace ballast
