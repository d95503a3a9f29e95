#include "libcore/io/follower_file_system.h"

#include <gtest/gtest.h>

#include "libcore/io/atomic_file.h"
#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

TEST(FollowerFileSystem, ReadsAndChangesNothing) {
  MemoryFileSystem real;
  ASSERT_TRUE(real.make_directories("run").ok());
  {
    AtomicFile file(real, "run/state", false);
    ASSERT_TRUE(file.write("old").ok());
    ASSERT_TRUE(file.commit().ok());
  }
  FollowerFileSystem follower(real);
  EXPECT_EQ(*read_file(follower, "run/state"), "old");
  AtomicFile file(follower, "run/state", true);
  ASSERT_TRUE(file.write("new").ok());
  ASSERT_TRUE(file.commit().ok());
  auto log = follower.open_append("run/log");
  ASSERT_TRUE(log.ok());
  EXPECT_TRUE((*log)->append(as_bytes(std::string_view("line"))).ok());
  EXPECT_TRUE((*log)->sync().ok());
  EXPECT_TRUE((*log)->close().ok());
  EXPECT_TRUE(follower.make_directories("run/ckpt").ok());
  EXPECT_TRUE(*follower.link("run/state", "run/second"));
  EXPECT_TRUE(follower.remove_all("run").ok());
  EXPECT_EQ(*read_file(real, "run/state"), "old");
  EXPECT_FALSE(real.exists("run/log"));
  EXPECT_FALSE(real.exists("run/ckpt"));
  EXPECT_EQ(real.list("run")->size(), 1u);
}

}  // namespace
}  // namespace ballast
