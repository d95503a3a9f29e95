#include "libcore/io/file_system.h"

#include <fmt/format.h>

#include <algorithm>

namespace ballast {

Result<std::string> read_file(FileSystem& fs, const std::string& path, int64_t limit) {
  constexpr size_t kChunk = size_t{1} << 16;
  auto file = BALLAST_TRY(fs.open_read(path));
  std::string text;
  // One byte past the announced size, so that the end is seen without another allocation; a pipe
  // announces nothing and grows by chunks.
  size_t room = static_cast<size_t>(std::clamp<int64_t>(file->size(), 0, limit)) + 1;
  size_t filled = 0;
  while (true) {
    text.resize(filled + room);
    const size_t n = BALLAST_TRY(file->read_at(
        static_cast<int64_t>(filled), {reinterpret_cast<std::byte*>(text.data() + filled), room}));
    filled += n;
    if (static_cast<int64_t>(filled) > limit)
      return corrupt_error("file is too large", path, fmt::format("at most {} bytes", limit));
    if (n == 0) break;
    room = std::max(text.size() - filled, kChunk);
  }
  text.resize(filled);
  return text;
}

std::string parent_directory(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  const size_t slash = path.find_last_of('/', end);
  if (slash == std::string::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

std::string file_name(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "" : "/";
  const size_t slash = path.find_last_of('/', end);
  const size_t begin = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(begin, end + 1 - begin);
}

std::string join_path(const std::string& directory, const std::string& name) {
  if (directory.empty() || name.starts_with('/')) return name;
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace ballast
