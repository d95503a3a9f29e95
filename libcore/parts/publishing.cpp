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

Result<void> write_note(FileSystem& fs, const std::string& folder, const PublishingNote& note) {
  AtomicFile file(fs, note_path(folder), true);
  BALLAST_TRY(file.write(note.text()));
  return file.commit();
}

// In the order in which they appear. Not those that this call did not ask for.
std::vector<std::string> outputs_of(const PublishingNote& note, const PublishedPaths& paths) {
  std::vector<std::string> outputs;
  if (note.rejects && !paths.rejects.empty()) outputs.push_back(paths.rejects);
  if (note.stats && !paths.stats.empty()) outputs.push_back(paths.stats);
  for (const std::string& ending : note.endings) outputs.push_back(paths.prefix + ending);
  return outputs;
}

}  // namespace

std::string PublishingNote::text() const {
  return to_json_text({{"v", kVersion},
                       {"type", kType},
                       {"begun_ns", begun_ns},
                       {"rejects", rejects},
                       {"stats", stats},
                       {"shards", endings}});
}

Result<PublishingNote> parse_publishing(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_json(text, where));
  if (!root.is_object()) return corrupt_error("not an object", where);
  const std::string type = BALLAST_TRY(string_member(root, "type", where));
  const int64_t version = BALLAST_TRY(integer_member(root, "v", where));
  if (type != kType || version != kVersion)
    return corrupt_error(fmt::format("'{}' version {} is not supported", type, version), where,
                         fmt::format("'{}' version {} is expected", kType, kVersion));
  PublishingNote note;
  note.begun_ns = BALLAST_TRY(integer_member(root, "begun_ns", where));
  for (const auto& [key, value] : {std::pair("rejects", &note.rejects), {"stats", &note.stats}}) {
    const Json* said = BALLAST_TRY(member(root, key, where));
    if (!said->is_boolean())
      return corrupt_error(fmt::format("'{}' is not true or false", key), where);
    *value = said->get<bool>();
  }
  const Json* shards = BALLAST_TRY(member(root, "shards", where));
  if (!shards->is_array()) return corrupt_error("'shards' is not a list of endings", where);
  for (const Json& ending : *shards) {
    if (!ending.is_string() || ending.get_ref<const std::string&>().find('/') != std::string::npos)
      return corrupt_error("'shards' is not a list of endings", where);
    note.endings.push_back(ending.get<std::string>());
  }
  return note;
}

bool was_publishing(FileSystem& fs, const std::string& folder) {
  return fs.exists(note_path(folder));
}

Result<int64_t> open_publishing(FileSystem& fs, const std::string& folder) {
  BALLAST_TRY(write_note(fs, folder, {}));
  return BALLAST_TRY(fs.info(note_path(folder))).mtime_ns;
}

Result<void> begin_publishing(FileSystem& fs, const std::string& folder, const PublishingNote& note,
                              const PublishedPaths& paths) {
  for (const std::string& path : outputs_of(note, paths))
    if (BALLAST_TRY(is_file(fs, path))) return usage_error("output exists", path, "-f replaces it");
  return write_note(fs, folder, note);
}

Result<std::vector<std::string>> left_outputs(FileSystem& fs, const std::string& folder,
                                              const PublishedPaths& paths) {
  const std::string where = note_path(folder);
  const std::string text = BALLAST_TRY(read_file(fs, where, kNoteLimit));
  const int64_t written = BALLAST_TRY(fs.info(where)).mtime_ns;
  const PublishingNote note = BALLAST_TRY(parse_publishing(text, where));
  std::vector<std::string> own;
  for (std::string& path : outputs_of(note, paths)) {
    if (!BALLAST_TRY(is_file(fs, path))) continue;
    // An output had its bytes before there was this note, and a rename leaves the time.
    const int64_t changed = BALLAST_TRY(fs.info(path)).mtime_ns;
    if (changed < note.begun_ns || changed > written)
      return usage_error("output exists", path,
                         "not what was left there unfinished; -f replaces it");
    own.push_back(std::move(path));
  }
  return own;
}

Result<void> take_back(FileSystem& fs, const std::string& folder, const PublishedPaths& paths) {
  const std::vector<std::string> own = BALLAST_TRY(left_outputs(fs, folder, paths));
  for (auto path = own.rbegin(); path != own.rend(); ++path) BALLAST_TRY(fs.remove(*path));
  return fs.remove(note_path(folder));
}

}  // namespace ballast
