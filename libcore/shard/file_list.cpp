#include "libcore/shard/file_list.h"

#include <fmt/format.h>

#include <charconv>

namespace ballast {

Json files_json(const std::vector<OutputFile>& files) {
  Json list = Json::array();
  for (const OutputFile& file : files)
    list.push_back({{"file", file.path}, {"bytes", file.bytes}, {"xxh3_128", file.hash.hex()}});
  return list;
}

Result<Hash128> parse_hash(const std::string& hex, const std::string& where) {
  Hash128 hash;
  const auto word = [&](size_t at, uint64_t& value) {
    const char* end = hex.data() + at + 16;
    const auto parsed = std::from_chars(hex.data() + at, end, value, 16);
    return parsed.ec == std::errc() && parsed.ptr == end;
  };
  if (hex.size() != 32 || !word(0, hash.high) || !word(16, hash.low))
    return corrupt_error("'xxh3_128' is not 32 hex digits", where);
  return hash;
}

Result<int64_t> count_member(const Json& object, const char* key, const std::string& where) {
  const int64_t value = BALLAST_TRY(integer_member(object, key, where));
  if (value < 0) return corrupt_error(fmt::format("'{}' is negative", key), where);
  return value;
}

Result<std::vector<OutputFile>> parse_files(const Json& root, const char* key,
                                            const std::string& where) {
  const Json* list = BALLAST_TRY(member(root, key, where));
  if (!list->is_array()) return corrupt_error(fmt::format("'{}' is not a list", key), where);
  std::vector<OutputFile> files;
  for (const Json& one : *list) {
    OutputFile file;
    file.path = BALLAST_TRY(string_member(one, "file", where));
    file.bytes = BALLAST_TRY(count_member(one, "bytes", where));
    const std::string hex = BALLAST_TRY(string_member(one, "xxh3_128", where));
    file.hash = BALLAST_TRY(parse_hash(hex, where));
    files.push_back(std::move(file));
  }
  return files;
}

Result<OutputFile> hash_file(FileSystem& fs, const std::string& path, const GoOn& go_on) {
  const auto file = BALLAST_TRY(fs.open_read(path));
  OutputFile output{path, 0, {}};
  Xxh3Hasher hasher;
  std::vector<std::byte> buffer(size_t{1} << 20);
  while (true) {
    if (go_on) BALLAST_TRY(go_on());
    const size_t got = BALLAST_TRY(file->read_at(output.bytes, buffer));
    hasher.update(Bytes(buffer).first(got));
    output.bytes += static_cast<int64_t>(got);
    if (got < buffer.size()) break;
  }
  output.hash = hasher.digest();
  return output;
}

}  // namespace ballast
