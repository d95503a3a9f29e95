#include "tools/tokshard/parts_flags.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/version.h"
#include "libcore/cli/options.h"
#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

constexpr int64_t kLeastPart = 1024;
// Where outputs go, and who works: two tasks may differ in them.
constexpr const char* kUndecisive[] = {"parts", "task", "rejects", "keep-rejects", "stats"};

bool decides(const CLI::Option& option) {
  if (!option.nonpositional()) return false;
  const std::string name = long_name(option);
  if (option.get_group() == kCommonGroup) return name == "seed";
  return std::find(std::begin(kUndecisive), std::end(kUndecisive), name) == std::end(kUndecisive);
}

// What a path held when the job began: of a folder names and sizes, for there may be millions.
Result<Json> identity(FileSystem& fs, const std::string& path) {
  if (path == "-") return usage_error("every task reads its options again", path, "name a file");
  if (!fs.exists(path)) return Json(path);
  const FileInfo info = BALLAST_TRY(fs.info(path));
  if (!info.is_directory) {
    const OutputFile file = BALLAST_TRY(hash_file(fs, path));
    return Json({{"file", path}, {"bytes", file.bytes}, {"xxh3_128", file.hash.hex()}});
  }
  Xxh3Hasher hasher;
  const std::vector<std::string> names = BALLAST_TRY(fs.list(path));
  for (const std::string& name : names) {
    const FileInfo one = BALLAST_TRY(fs.info(join_path(path, name)));
    hasher.update(as_bytes(fmt::format("{}/{}\n", name, one.size)));
  }
  return Json({{"file", path}, {"files", names.size()}, {"xxh3_128", hasher.digest().hex()}});
}

}  // namespace

void add_parts_flags(CLI::App& app, PartsFlags& flags) {
  path_option(app.add_option("--parts", flags.folder,
                             "work in parts, kept in this folder; a repeated run makes what is "
                             "missing"));
  flags.dependent.push_back(app.add_option(
      "--task", flags.task, "I/N or auto: do this task's share only, for `merge` to put together"));
  flags.dependent.push_back(
      count_option(app, "--part-size", flags.part_bytes, "decoded bytes of input to a part"));
}

Result<void> refuse_outputs_in_parts(
    const std::string& folder, const std::vector<std::pair<const char*, std::string>>& outputs) {
  FileSystem& fs = posix_file_system();
  const auto parts = fs.info(folder);
  if (!parts.ok()) return {};  // not made yet
  for (const auto& [name, value] : outputs) {
    if (value.empty() || value == "-") continue;
    const auto above = fs.info(parent_directory(value));
    if (above.ok() && above->device == parts->device && above->inode == parts->inode)
      return usage_error("output lies in the folder of parts", name, value);
  }
  return {};
}

Result<void> check_parts_flags(const PartsFlags& flags, const std::vector<std::string>& inputs,
                               const std::vector<std::pair<const char*, std::string>>& outputs) {
  if (!flags.given()) {
    for (const CLI::Option* option : flags.dependent)
      if (option->count() > 0) return usage_error("needs --parts", shown_name(*option));
    return {};
  }
  if (flags.part_bytes < kLeastPart)
    return usage_error("too small", "--part-size", fmt::format("{} or more", kLeastPart));
  for (const std::string& path : inputs) {
    if (path == "-") return usage_error("a job in parts reads its inputs again", path);
    const FileInfo info = BALLAST_TRY(posix_file_system().info(path));
    if (!info.is_regular)
      return usage_error("a job in parts reads its inputs again", path, "not a plain file");
  }
  if (!flags.shared()) return refuse_outputs_in_parts(flags.folder, outputs);
  for (const auto& [name, value] : outputs)
    if (!value.empty()) return usage_error("is written by `tokshard merge`", name, "not by a task");
  return {};
}

Result<PartsPlan> make_parts_plan(const CLI::App& app, const CommonOptions& common,
                                  const PartsFlags& flags, const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& files) {
  FileSystem& fs = posix_file_system();
  PartsPlan plan;
  plan.verb = common.verb;
  plan.part_bytes = flags.part_bytes;
  plan.options = Json::object();
  plan.options["tool"] = fmt::format("tokshard {}", kVersion);
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || !decides(*option)) continue;
    Json values = Json::array();
    for (const std::string& value : option->results()) {
      if (is_path(*option)) {
        values.push_back(BALLAST_TRY(identity(fs, value)));
      } else {
        values.push_back(value);
      }
    }
    plan.options[long_name(*option)] = std::move(values);
  }
  if (!files.empty()) plan.options["files"] = Json::array();
  for (const std::string& path : files)
    plan.options["files"].push_back(BALLAST_TRY(identity(fs, path)));
  for (const std::string& path : inputs) {
    const FileInfo info = BALLAST_TRY(fs.info(path));
    plan.inputs.push_back({path, info.size});
  }
  return plan;
}

}  // namespace ballast
