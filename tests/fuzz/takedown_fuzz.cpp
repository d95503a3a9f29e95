// Lines of a takedown list, and of the list that redact takes. What an entry names must lie on a
// host that the list admits to name, and an excluded document is written and read back to the same
// thing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/shard/exclusion.h"
#include "libcore/text/takedown.h"
#include "libcore/text/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  ballast::TakedownList list;
  std::vector<std::string> lines;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    (void)list.add(lines[i], static_cast<int64_t>(i) + 1, "fuzz");
    const auto excluded = ballast::parse_exclusion(lines[i], "fuzz");
    if (!excluded.ok()) continue;
    const auto again = ballast::parse_exclusion(ballast::exclusion_line(*excluded), "again");
    BALLAST_CHECK(again.ok() && *again == *excluded);
  }
  for (const std::string& line : lines) {
    const std::string host = ballast::url_host(line);
    const ballast::TakedownEntry* entry = list.match(line, line, host);
    BALLAST_CHECK(entry == nullptr || list.may_name(host));
    BALLAST_CHECK(entry == nullptr || entry->line <= static_cast<int64_t>(lines.size()));
  }
  return 0;
}
