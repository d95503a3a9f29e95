#include "tools/pretrain/launch_environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

bool is_wanted(std::string_view name) {
  constexpr std::array<std::string_view, 3> kPrefixes = {"NCCL_", "CUDA_", "SLURM_"};
  constexpr std::array<std::string_view, 5> kSecrets = {"JWT", "TOKEN", "SECRET", "PASS", "KEY"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); }) &&
         std::none_of(kSecrets.begin(), kSecrets.end(),
                      [&](std::string_view word) { return name.find(word) != name.npos; });
}

}  // namespace

Json launch_environment() {
  Json found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == text.npos || !is_wanted(text.substr(0, equals))) continue;
    found[std::string(text.substr(0, equals))] = printable(std::string(text.substr(equals + 1)));
  }
  return found;
}

}  // namespace ballast
