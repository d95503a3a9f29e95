#include "libcore/io/atomic_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "libcore/io/output_check.h"
#include "libcore/io/temporary_paths.h"

namespace ballast {

AtomicFile::AtomicFile(FileSystem& fs, std::string path, bool force)
    : fs_(&fs), path_(std::move(path)), force_(force) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fs_(other.fs_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      force_(other.force_),
      file_(std::move(other.file_)) {}

AtomicFile::~AtomicFile() {
  file_.reset();
  // Nothing can be done about a failure here, and nothing has to be: a stray temporary is harmless.
  if (temporary_.empty()) return;
  (void)fs_->remove(temporary_);
  forget_temporary(temporary_);
}

Result<void> AtomicFile::open() {
  const auto info = fs_->info(path_);
  if (info.ok() && !info->is_regular && !info->is_directory)
    return usage_error("output is not a regular file", path_);
  BALLAST_TRY(check_output(*fs_, path_, force_));
  std::random_device random;
  std::string temporary = fmt::format("{}.tmp-{}-{:08x}", path_, ::getpid(), random());
  remember_temporary(temporary);
  auto file = fs_->create_exclusive(temporary);
  if (!file.ok()) {
    forget_temporary(temporary);
    return file.take_error();
  }
  file_ = file.take_value();
  temporary_ = std::move(temporary);
  return {};
}

Result<void> AtomicFile::write(Bytes data) {
  if (data.empty()) return {};
  if (!file_) {
    BALLAST_CHECK(temporary_.empty());  // not sealed
    BALLAST_TRY(open());
  }
  return file_->append(data);
}

Result<void> AtomicFile::seal() {
  if (!file_ && !temporary_.empty()) return {};
  if (!file_) BALLAST_TRY(open());
  BALLAST_TRY(file_->sync());
  BALLAST_TRY(file_->close());
  file_.reset();
  return {};
}

Result<void> AtomicFile::commit() {
  BALLAST_TRY(seal());
  if (force_) {
    BALLAST_TRY(fs_->rename(temporary_, path_));
  } else {
    BALLAST_TRY(fs_->rename_exclusive(temporary_, path_));
  }
  forget_temporary(temporary_);
  temporary_.clear();
  return fs_->sync_directory(parent_directory(path_));
}

Result<void> refuse_output_over_input(FileSystem& fs, const std::string& output,
                                      std::span<const std::string> inputs) {
  const bool is_stdout = output == "-";
  const auto target = fs.info(is_stdout ? "/dev/stdout" : output);
  if (!target.ok() || !target->is_regular) return {};
  for (const std::string& input : inputs) {
    const auto source = fs.info(input == "-" ? "/dev/stdin" : input);
    if (source.ok() && source->device == target->device && source->inode == target->inode)
      return usage_error("output is also an input", is_stdout ? "standard output" : output);
  }
  return {};
}

}  // namespace ballast
