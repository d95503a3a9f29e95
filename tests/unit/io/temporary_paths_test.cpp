#include "libcore/io/temporary_paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

namespace files = std::filesystem;

void write_files(const files::path& folder, int count) {
  files::create_directories(folder);
  for (int i = 0; i < count; ++i)
    std::ofstream(folder / ("model-" + std::to_string(i) + "-of-many.safetensors")) << i;
}

// In a process of its own: nothing can be remembered behind it.
void end_with(const std::vector<files::path>& remembered,
              const std::vector<files::path>& forgotten) {
  for (const files::path& path : remembered) remember_temporary(path.string());
  for (const files::path& path : forgotten) forget_temporary(path.string());
  unlink_temporaries();
  ::_exit(0);
}

TEST(TemporaryPathsDeathTest, FilesAndFoldersGoAndWhatIsForgottenStays) {
  const TemporaryDirectory directory;
  const files::path at = directory.path();
  write_files(at / "few", 3);
  write_files(at / "many", 2000);  // more than one call tells
  write_files(at / "empty", 0);
  write_files(at / "done", 2);
  write_files(at / "other", 1);
  std::ofstream(at / "file") << "x";
  files::create_directory_symlink(at / "other", at / "link");
  EXPECT_EXIT(end_with({at / "few", at / "many", at / "empty", at / "done", at / "file",
                        at / "link", at / "absent", at / "few" / "model-1-of-many.safetensors"},
                       {at / "done"}),
              testing::ExitedWithCode(0), "");
  std::vector<std::string> left;
  for (const auto& entry : files::directory_iterator(at)) left.push_back(entry.path().filename());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"done", "other"}));
  EXPECT_TRUE(files::exists(at / "done" / "model-1-of-many.safetensors"));
  EXPECT_TRUE(files::exists(at / "other" / "model-0-of-many.safetensors"));
}

TEST(TemporaryPathsDeathTest, AFolderWithinAFolderStaysAlone) {
  const TemporaryDirectory directory;
  const files::path at = files::path(directory.path()) / "model";
  write_files(at, 2);
  write_files(at / "within", 1);
  EXPECT_EXIT(end_with({at}, {}), testing::ExitedWithCode(0), "");
  EXPECT_EQ(std::distance(files::directory_iterator(at), files::directory_iterator()), 1);
  EXPECT_TRUE(files::exists(at / "within" / "model-0-of-many.safetensors"));
}

}  // namespace
}  // namespace ballast
