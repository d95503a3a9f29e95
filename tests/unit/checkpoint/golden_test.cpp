// Checkpoints of every released version stay readable, and this version writes the same bytes.
// tests/golden/checkpoint/make wrote the files.
#include <gtest/gtest.h>

#include "libcore/checkpoint/address.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

const std::string kGolden = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/checkpoint/v1";
const std::string kPath = kGolden + "/ckpt/step-000000007";

TEST(GoldenCheckpoint, Version1Reads) {
  FileSystem& fs = posix_file_system();
  TinyState into(0);
  const auto loaded = load_tiny(fs, kPath, into);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_TRUE(into == TinyState(7));
  EXPECT_EQ(loaded->state, tiny_train_state(7));
  EXPECT_EQ(loaded->config, tiny_config());
  EXPECT_EQ(resolve_checkpoint(fs, kGolden)->step, 7);
}

TEST(GoldenCheckpoint, Version1IsWrittenWithTheSameBytes) {
  MemoryFileSystem memory;
  SaveOptions options = tiny_options();
  options.optim_files = 2;
  const auto saved = save_tiny(memory, "run", 7, options);
  ASSERT_TRUE(saved.ok()) << saved.error().message();
  FileSystem& disk = posix_file_system();
  const auto names = memory.list(saved->path);
  EXPECT_EQ(*names, *disk.list(kPath));
  for (const std::string& name : *names) {
    if (name == kManifestName) continue;  // it holds the time and the host
    EXPECT_EQ(*read_file(memory, saved->path + "/" + name), *read_file(disk, kPath + "/" + name))
        << name;
  }
  Manifest ours = *check_complete(memory, saved->path);
  const Manifest golden = *check_complete(disk, kPath);
  ours.run = golden.run;
  EXPECT_EQ(ours, golden);
}

}  // namespace
}  // namespace ballast
