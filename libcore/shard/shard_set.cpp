#include "libcore/shard/shard_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"

namespace ballast {
namespace {

constexpr size_t kDigits = 5;  // at least

// N of "-0000N.suffix".
std::optional<int64_t> member_number(std::string_view rest) {
  if (!rest.starts_with('-')) return std::nullopt;
  rest.remove_prefix(1);
  int64_t number = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  const auto digits = static_cast<size_t>(parsed.ptr - rest.data());
  const auto suffix = rest.substr(digits);
  if (parsed.ec != std::errc() || digits < kDigits || (digits > kDigits && rest.front() == '0') ||
      rest.front() == '-')
    return std::nullopt;
  for (const std::string& ending :
       {shard_bin_path(""), shard_idx_path(""), shard_docs_path(""), shard_manifest_path("")})
    if (suffix == ending) return number;
  return std::nullopt;
}

Result<std::vector<std::string>> shards_in(FileSystem& fs, const std::string& folder) {
  std::vector<std::string> found;
  const std::string ending = shard_idx_path("");
  for (const std::string& name : BALLAST_TRY(fs.list(folder)))
    if (name.ends_with(ending))
      found.push_back(join_path(folder, name.substr(0, name.size() - ending.size())));
  if (found.empty()) return usage_error("no shards in this folder", folder, "none ends in .idx");
  return found;
}

// Unless a shard has the name too.
Result<bool> is_folder(FileSystem& fs, const std::string& word) {
  if (word.empty() || fs.exists(shard_idx_path(word)) || !fs.exists(word)) return false;
  return BALLAST_TRY(fs.info(word)).is_directory;
}

}  // namespace

std::string shard_set_member(const std::string& prefix, int64_t number) {
  return fmt::format("{}-{:05}", prefix, number);
}

Result<std::vector<int64_t>> shard_set_numbers(FileSystem& fs, const std::string& prefix) {
  const std::string folder = parent_directory(prefix), base = file_name(prefix);
  std::vector<int64_t> numbers;
  if (!fs.exists(folder)) return numbers;
  for (const std::string& name : BALLAST_TRY(fs.list(folder))) {
    if (!name.starts_with(base)) continue;
    const auto number = member_number(std::string_view(name).substr(base.size()));
    if (number) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  // Not std::ranges::unique, whose subrange clang 14, which builds the fuzz targets, refuses in
  // this standard library.
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

Result<std::vector<std::string>> shard_prefixes(FileSystem& fs, const std::string& word) {
  if (word.empty() || fs.exists(shard_idx_path(word))) return std::vector<std::string>{word};
  if (BALLAST_TRY(is_folder(fs, word))) return shards_in(fs, word);
  for (const std::string& ending : {shard_idx_path(""), shard_bin_path("")})
    if (word.ends_with(ending) && fs.exists(word))
      return std::vector<std::string>{word.substr(0, word.size() - ending.size())};
  const auto numbers = BALLAST_TRY(shard_set_numbers(fs, word));
  if (numbers.empty()) return std::vector<std::string>{word};
  std::vector<std::string> members;
  for (int64_t number = 0; number <= numbers.back(); ++number) {
    members.push_back(shard_set_member(word, number));
    if (!std::ranges::binary_search(numbers, number))
      return corrupt_error(
          "a shard of the set is missing", members.back(),
          fmt::format("the set goes up to {}", shard_set_member(file_name(word), numbers.back())));
  }
  return members;
}

Result<std::vector<std::string>> shard_prefixes(FileSystem& fs,
                                                const std::vector<std::string>& words) {
  std::vector<std::string> all;
  for (const std::string& word : words)
    for (std::string& prefix : BALLAST_TRY(shard_prefixes(fs, word)))
      all.push_back(std::move(prefix));
  return all;
}

namespace {

// Those of a folder by what their manifests say; what a prefix names is taken as it is.
Result<TrainingShards> parted(FileSystem& fs, const std::string& word) {
  TrainingShards shards;
  std::vector<std::string> found = BALLAST_TRY(shard_prefixes(fs, word));
  const bool folder = BALLAST_TRY(is_folder(fs, word));
  for (std::string& prefix : found) {
    const bool asked = folder && fs.exists(shard_manifest_path(prefix));
    const bool held_out = asked && BALLAST_TRY(read_manifest(fs, prefix)).part == "holdout";
    (held_out ? shards.held_out : shards.prefixes).push_back(std::move(prefix));
  }
  return shards;
}

}  // namespace

Result<TrainingShards> training_shards(FileSystem& fs, const std::string& word) {
  TrainingShards shards = BALLAST_TRY(parted(fs, word));
  if (shards.prefixes.empty())
    return usage_error("all shards in this folder are held out", word,
                       "to train on one, name it by its prefix");
  return shards;
}

Result<ValidationShards> validation_shards(FileSystem& fs, const std::string& word) {
  TrainingShards shards = BALLAST_TRY(parted(fs, word));
  if (shards.held_out.empty()) return ValidationShards{std::move(shards.prefixes), {}};
  return ValidationShards{std::move(shards.held_out), std::move(shards.prefixes)};
}

}  // namespace ballast
