#include "tools/pretrain/device_option.h"

#include <algorithm>
#include <string_view>

#include "libcore/cli/tool.h"

namespace ballast {
namespace {

bool names_cuda_device(const std::string& word) {
  constexpr std::string_view kPrefix = "cuda:";
  constexpr size_t kMostDigits = 4;
  if (!word.starts_with(kPrefix)) return false;
  const std::string_view index = std::string_view(word).substr(kPrefix.size());
  return !index.empty() && index.size() <= kMostDigits &&
         std::ranges::all_of(index, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

CLI::Option* device_option(CLI::App& app, std::string& device) {
  return choice_option(app.add_option("--device", device, "where to compute; cuda:N: on device N"),
                       {"auto", "cpu", "cuda", "emu"}, names_cuda_device);
}

}  // namespace ballast
