#include "libcore/cli/version.h"

#include <brotli/decode.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "libcore/base/version.h"
#include "libcore/io/json.h"

namespace ballast {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string dotted(unsigned major, unsigned minor, unsigned patch) {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

// What is in this process: versions asked of the loaded libraries where they can say it.
Lines libraries() {
  const unsigned xxhash = XXH_versionNumber();
  const unsigned brotli = BrotliDecoderVersion();
  return {{"zstd", ZSTD_versionString()},
          {"zlib", zlibVersion()},
          {"brotli", dotted(brotli >> 24, brotli >> 12 & 0xFFF, brotli & 0xFFF)},
          {"xxHash", dotted(xxhash / 10000, xxhash / 100 % 100, xxhash % 100)},
          {"simdjson", SIMDJSON_STRINGIFY(SIMDJSON_VERSION)},
          {"nlohmann-json", dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                   NLOHMANN_JSON_VERSION_PATCH)},
          {"fmt", dotted(FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"CLI11", CLI11_VERSION}};
}

// Definitions of the configuration (libcore/CMakeLists.txt); empty means not found there.
Lines features(const Tool& tool) {
  const auto found = [](std::string_view version) {
    return version.empty() ? std::string("absent") : std::string(version);
  };
  Lines lines = {{"CUDA", found(BALLAST_CUDA_VERSION)}, {"MPI", found(BALLAST_MPI_VERSION)}};
  if (tool.features != nullptr)
    for (auto& line : tool.features()) lines.push_back(std::move(line));
  return lines;
}

std::string compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace

std::string version_text(const Tool& tool) {
  std::string text = fmt::format("{} (Ballast) {}\n", tool.name, kVersion);
  const auto line = [&](const std::string& name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, value);
  };
  line("compiler", compiler());
  for (const auto& [name, value] : libraries()) line(name, value);
  for (const auto& [name, value] : features(tool)) line(name, value);
  return text;
}

std::string version_json(const Tool& tool) {
  Json libraries_json = Json::object(), features_json = Json::object();
  for (const auto& [name, value] : libraries()) libraries_json[name] = value;
  for (const auto& [name, value] : features(tool)) features_json[name] = value;
  return to_json_line(Json{{"v", 1},
                           {"tool", tool.name},
                           {"version", kVersion},
                           {"compiler", compiler()},
                           {"libraries", std::move(libraries_json)},
                           {"features", std::move(features_json)}}) +
         "\n";
}

}  // namespace ballast
