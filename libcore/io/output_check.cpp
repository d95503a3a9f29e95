#include "libcore/io/output_check.h"

#include <cstdint>
#include <optional>

namespace ballast {

Result<void> check_output(FileSystem& fs, const std::string& path, bool force) {
  if (path == "-") return {};
  if (!fs.exists(path)) {
    const std::string folder = parent_directory(path);
    if (!fs.exists(folder)) return io_error("cannot create, its folder is not there", path, folder);
    return {};
  }
  const auto info = fs.info(path);
  if (info.ok() && info->is_directory) return usage_error("output is a directory", path);
  if (info.ok() && !info->is_regular) return {};
  if (!force) return usage_error("output exists", path, "-f replaces it");
  return {};
}

namespace {

// The file that is there, else the name in the folder that is there.
struct Place {
  uint64_t device = 0, inode = 0;
  std::string name;
  bool operator==(const Place&) const = default;
};

std::optional<Place> place_of(FileSystem& fs, const std::string& path) {
  const auto file = fs.info(path == "-" ? "/dev/stdout" : path);
  if (file.ok())
    return file->is_regular ? std::optional(Place{file->device, file->inode, ""}) : std::nullopt;
  const auto folder = fs.info(parent_directory(path));
  if (!folder.ok()) return std::nullopt;
  return Place{folder->device, folder->inode, path.substr(path.rfind('/') + 1)};
}

}  // namespace

Result<void> refuse_same_outputs(FileSystem& fs, std::span<const std::string> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].empty()) continue;
    const auto place = place_of(fs, outputs[i]);
    for (size_t k = 0; k < i; ++k) {
      const bool both_standard = outputs[i] == "-" && outputs[k] == "-";
      if (both_standard || (place && !outputs[k].empty() && place_of(fs, outputs[k]) == place))
        return usage_error("two outputs are one file", outputs[i], "as " + outputs[k]);
    }
  }
  return {};
}

}  // namespace ballast
