#include "libcore/parts/publishing.h"

#include <fmt/format.h>

#include "libcore/io/atomic_file.h"
#include "libcore/io/json.h"

namespace ballast {
namespace {

constexpr const char* kType = "parts_publishing";
constexpr int64_t kVersion = 1;
constexpr int64_t kNoteLimit = int64_t{256} << 20;

std::string note_path(const std::string& folder) { return join_path(folder, kPublishingName); }

Result<bool> is_file(FileSystem& fs, const std::string& path) {
  if (!fs.exists(path)) return false;
  return BALLAST_TRY(fs.info(path)).is_regular;
}

}  // namespace

bool was_publishing(FileSystem& fs, const std::string& folder) {
  return fs.exists(note_path(folder));
}

Result<void> begin_publishing(FileSystem& fs, const std::string& folder,
                              const std::vector<std::string>& outputs) {
  for (const std::string& path : outputs)
    if (BALLAST_TRY(is_file(fs, path))) return usage_error("output exists", path, "-f replaces it");
  AtomicFile file(fs, note_path(folder), true);
  BALLAST_TRY(file.write(publishing_text(outputs)));
  return file.commit();
}

std::string publishing_text(const std::vector<std::string>& outputs) {
  return to_json_text({{"v", kVersion}, {"type", kType}, {"outputs", outputs}});
}

Result<std::vector<std::string>> parse_publishing(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_json(text, where));
  if (!root.is_object()) return corrupt_error("not an object", where);
  const std::string type = BALLAST_TRY(string_member(root, "type", where));
  const int64_t version = BALLAST_TRY(integer_member(root, "v", where));
  if (type != kType || version != kVersion)
    return corrupt_error(fmt::format("'{}' version {} is not supported", type, version), where,
                         fmt::format("'{}' version {} is expected", kType, kVersion));
  const Json* outputs = BALLAST_TRY(member(root, "outputs", where));
  if (!outputs->is_array()) return corrupt_error("'outputs' is not a list of files", where);
  std::vector<std::string> paths;
  for (const Json& path : *outputs) {
    if (!path.is_string()) return corrupt_error("'outputs' is not a list of files", where);
    paths.push_back(path.get<std::string>());
  }
  return paths;
}

Result<void> take_back(FileSystem& fs, const std::string& folder) {
  const std::string note = note_path(folder);
  const std::string text = BALLAST_TRY(read_file(fs, note, kNoteLimit));
  const int64_t written = BALLAST_TRY(fs.info(note)).mtime_ns;
  std::vector<std::string> own;
  for (std::string& path : BALLAST_TRY(parse_publishing(text, note))) {
    if (!BALLAST_TRY(is_file(fs, path))) continue;
    // An output had its bytes before there was a note, and a rename leaves the time.
    if (BALLAST_TRY(fs.info(path)).mtime_ns > written)
      return usage_error("output exists", path,
                         "newer than what was left there unfinished; -f replaces it");
    own.push_back(std::move(path));
  }
  for (auto path = own.rbegin(); path != own.rend(); ++path) BALLAST_TRY(fs.remove(*path));
  return fs.remove(note);
}

}  // namespace ballast
