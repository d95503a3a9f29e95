#include "libcore/shard/shard_set.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"

namespace ballast {
namespace {

constexpr size_t kDigits = 5;
constexpr int64_t kLastOfFiveDigits = 99999;

// N of "-0000N.suffix", as shard_set_member() writes it.
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
  for (const std::string& ending : shard_paths(""))
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

Result<ShardSetNumbers> shard_set_numbers(FileSystem& fs, const std::string& prefix) {
  const std::string folder = parent_directory(prefix), base = file_name(prefix);
  ShardSetNumbers found;
  if (!fs.exists(folder)) return found;
  std::set<int64_t> numbers;
  for (const std::string& name : BALLAST_TRY(fs.list(folder))) {
    if (!name.starts_with(base)) continue;
    const auto number = member_number(std::string_view(name).substr(base.size()));
    if (number) numbers.insert(*number);
  }
  // Numbers of more digits are most often dates.
  const bool goes_beyond = numbers.contains(kLastOfFiveDigits);
  // The first shard of a set appears last.
  if (!numbers.contains(0) && numbers.contains(1)) found.first = found.end = 1;
  for (const int64_t number : numbers) {
    if (number > kLastOfFiveDigits && !goes_beyond) break;
    if (number == found.end)
      ++found.end;
    else
      found.apart.push_back(number);
  }
  return found;
}

bool names_member_file(FileSystem& fs, const std::string& prefix, const std::string& path) {
  const std::string name = file_name(path), base = file_name(prefix);
  if (!name.starts_with(base) || !member_number(std::string_view(name).substr(base.size())))
    return false;
  const auto one = fs.info(parent_directory(path)), other = fs.info(parent_directory(prefix));
  return one.ok() && other.ok() && one->device == other->device && one->inode == other->inode;
}

Result<std::vector<std::string>> shard_prefixes(FileSystem& fs, const std::string& word) {
  if (word.empty() || fs.exists(shard_idx_path(word))) return std::vector<std::string>{word};
  if (BALLAST_TRY(is_folder(fs, word))) return shards_in(fs, word);
  for (const std::string& ending : {shard_idx_path(""), shard_bin_path("")})
    if (word.ends_with(ending) && fs.exists(word))
      return std::vector<std::string>{word.substr(0, word.size() - ending.size())};
  const ShardSetNumbers found = BALLAST_TRY(shard_set_numbers(fs, word));
  // Number 0 is also what a set lacks whose writing was broken off.
  if (found.first > 0 || !found.apart.empty()) {
    const int64_t last = found.apart.empty() ? found.end - 1 : found.apart.back();
    return corrupt_error(
        "a shard of the set is missing", shard_set_member(word, found.first > 0 ? 0 : found.end),
        fmt::format("the set goes up to {}", shard_set_member(file_name(word), last)));
  }
  if (found.end == 0) return std::vector<std::string>{word};
  std::vector<std::string> members;
  for (int64_t number = 0; number < found.end; ++number)
    members.push_back(shard_set_member(word, number));
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
