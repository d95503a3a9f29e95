#include "libcore/io/follower_file_system.h"

namespace ballast {
namespace {

class NoFile final : public WritableFile {
 public:
  Result<void> append(Bytes) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> close() override { return {}; }
};

}  // namespace

Result<std::unique_ptr<WritableFile>> FollowerFileSystem::create_exclusive(const std::string&) {
  return std::unique_ptr<WritableFile>(std::make_unique<NoFile>());
}

Result<std::unique_ptr<WritableFile>> FollowerFileSystem::open_append(const std::string&) {
  return std::unique_ptr<WritableFile>(std::make_unique<NoFile>());
}

}  // namespace ballast
