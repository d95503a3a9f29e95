#include "kernels/nccl_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

#include "kernels/environment.h"

namespace ballast {

namespace {

constexpr int kChannels = 16;  // as many as a ring over NVLink takes to fill it

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(mark, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// "default;function:list;...": the lists, if the first of them is for all functions. Empty: it is
// not.
std::vector<std::string> lists_of(const std::string& value) {
  std::vector<std::string> lists;
  for (const std::string& entry : split(lower(value), ';')) {
    const size_t colon = entry.find(':');
    if (lists.empty() && colon != std::string::npos) return {};
    lists.push_back(colon == std::string::npos ? entry : entry.substr(colon + 1));
  }
  return lists;
}

// Rings and trees add in a fixed order.
bool repeatable_algorithms(const std::string& list) {
  if (!list.starts_with('^')) {
    const std::vector<std::string> names = split(list, ',');
    return std::all_of(names.begin(), names.end(),
                       [](const std::string& n) { return n == "ring" || n == "tree"; });
  }
  const std::vector<std::string> without = split(list.substr(1), ',');
  const std::vector<std::string> others = {"nvls", "nvlstree", "collnetdirect", "collnetchain"};
  return std::all_of(others.begin(), others.end(), [&](const std::string& n) {
    return std::find(without.begin(), without.end(), n) != without.end();
  });
}

bool one_protocol(const std::string& list) {
  return list == "simple" || list == "ll" || list == "ll128";
}

bool all_lists(const std::string& value, bool (*good)(const std::string&)) {
  const std::vector<std::string> lists = lists_of(value);
  return !lists.empty() && std::all_of(lists.begin(), lists.end(), good);
}

class Settling {
 public:
  // The value of the variable, set to `value` when nobody has.
  std::string value(const char* name, const std::string& otherwise) {
    std::string text = environment_text(name);
    if (text.empty()) {
      text = otherwise;
      ::setenv(name, text.c_str(), 1);
      add(settings_.made, name, text);
    }
    add(settings_.all, name, text);
    return text;
  }
  void found(const char* name, const std::string& text) { add(settings_.all, name, text); }
  NcclSettings take() { return std::move(settings_); }

 private:
  static void add(std::string& list, const char* name, const std::string& value) {
    list += fmt::format("{}{}={}", list.empty() ? "" : ", ", name, value);
  }
  NcclSettings settings_;
};

Error refused(const std::string& name, const std::string& value, const char* wanted) {
  return usage_error(fmt::format("{}={}", name, value), "",
                     fmt::format("runs must repeat to the bit: {}", wanted));
}

// The first of the two names that is set.
const char* set_name(const char* name, const char* older) {
  if (!environment_text(name).empty()) return name;
  return environment_text(older).empty() ? nullptr : older;
}

Result<void> settle_channels(Settling& settling) {
  const char* least = set_name("NCCL_MIN_CTAS", "NCCL_MIN_NCHANNELS");
  const char* most = set_name("NCCL_MAX_CTAS", "NCCL_MAX_NCHANNELS");
  constexpr const char* kWanted = "as many channels at least as at most";
  if (least == nullptr && most == nullptr) {
    settling.value("NCCL_MIN_CTAS", std::to_string(kChannels));
    settling.value("NCCL_MAX_CTAS", std::to_string(kChannels));
    return {};
  }
  if (least == nullptr) return refused(most, environment_text(most), kWanted);
  if (most == nullptr || environment_text(least) != environment_text(most))
    return refused(least, environment_text(least), kWanted);
  settling.found(least, environment_text(least));
  settling.found(most, environment_text(most));
  return {};
}

}  // namespace

Result<NcclSettings> settle_nccl_environment() {
  Settling settling;
  if (const std::string algorithms = settling.value("NCCL_ALGO", "Ring");
      !all_lists(algorithms, repeatable_algorithms))
    return refused("NCCL_ALGO", algorithms, "Ring, Tree, or both, for all functions");
  if (const std::string protocol = settling.value("NCCL_PROTO", "Simple");
      !all_lists(protocol, one_protocol))
    return refused("NCCL_PROTO", protocol, "one of Simple, LL, LL128");
  BALLAST_TRY(settle_channels(settling));
  return settling.take();
}

}  // namespace ballast
