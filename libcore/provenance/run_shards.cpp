#include "libcore/provenance/run_shards.h"

#define TOML_EXCEPTIONS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "libcore/shard/shard_set.h"

namespace ballast {
namespace {

using Prefixes = std::map<std::string, std::string>;

// `data` of config.toml: PREFIX or PREFIX=WEIGHT.
Result<Prefixes> configured(FileSystem& fs, const std::string& path) {
  const std::string text = BALLAST_TRY(read_file(fs, path, int64_t{1} << 24));
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed)
    return corrupt_error("malformed TOML", path, std::string(parsed.error().description()));
  Prefixes prefixes;
  const toml::array* data = parsed.table()["data"].as_array();
  if (data == nullptr) return prefixes;
  for (const toml::node& node : *data) {
    const auto word = node.value<std::string>();
    if (!word) return corrupt_error("'data' is not a list of shards", path);
    const std::string prefix = word->substr(0, word->rfind('='));
    const TrainingShards shards = BALLAST_TRY(training_shards(fs, prefix));
    for (const std::string& shard : shards.prefixes) prefixes[file_name(shard)] = shard;
  }
  return prefixes;
}

}  // namespace

Result<Prefixes> shard_prefixes(FileSystem& fs, const std::string& run,
                                const std::vector<std::string>& names,
                                const std::vector<std::string>& moved) {
  Prefixes prefixes;
  const std::string config = join_path(run, "config.toml");
  if (fs.exists(config)) prefixes = BALLAST_TRY(configured(fs, config));
  for (const std::string& text : moved) {
    const size_t equals = text.find('=');
    const std::string prefix = equals == std::string::npos ? text : text.substr(equals + 1);
    if (prefix.empty()) return usage_error("no prefix in '" + text + "'", "--data", "NAME=PREFIX");
    const TrainingShards shards = BALLAST_TRY(training_shards(fs, prefix));
    if (equals != std::string::npos && shards.prefixes.size() > 1)
      return usage_error(fmt::format("'{}' names {} shards", prefix, shards.prefixes.size()),
                         "--data", "without NAME= each goes by its own name");
    for (const std::string& shard : shards.prefixes) {
      const std::string name =
          equals == std::string::npos ? file_name(shard) : text.substr(0, equals);
      if (std::ranges::find(names, name) == names.end())
        return usage_error(fmt::format("the run has no source '{}'", name), "--data",
                           fmt::format("it has {}", fmt::join(names, ", ")));
      prefixes[name] = shard;
    }
  }
  for (const std::string& name : names)
    if (!prefixes.contains(name))
      return usage_error(fmt::format("it is not said where source '{}' is", name), run,
                         fmt::format("--data {}=PREFIX", name));
  return prefixes;
}

}  // namespace ballast
