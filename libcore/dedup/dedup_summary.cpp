#include "libcore/dedup/dedup_summary.h"

#include <fmt/format.h>

#include "libcore/base/units.h"

namespace ballast {

void DedupSummary::add(const DedupItem& item) {
  ++documents_;
  bytes_in_ += item.bytes_in;
  parts_ += static_cast<int64_t>(item.parts.size());
  parts_removed_ += item.parts_removed;
  if (item.kept()) {
    ++kept_;
    bytes_kept_ += item.bytes_kept;
    return;
  }
  ++reasons_[fmt::format("{}:{}", item.refusal.stage, item.refusal.reason)];
}

void DedupSummary::to_json(Json& record) const {
  record["documents"] = documents_;
  record["kept"] = kept_;
  record["rejected"] = documents_ - kept_;
  record["reasons"] = reasons_;
  record["parts"] = parts_;
  record["parts_removed"] = parts_removed_;
  record["bytes"] = bytes_in_;
  record["bytes_kept"] = bytes_kept_;
}

std::vector<std::string> DedupSummary::to_lines() const {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("{} documents: {} kept, {} rejected", documents_, kept_, documents_ - kept_));
  for (const auto& [reason, count] : reasons_)
    lines.push_back(fmt::format("rejected {:>8}  {}", count, reason));
  if (parts_ > 0)
    lines.push_back(fmt::format("removed  {:>8}  of {} parts", parts_removed_, parts_));
  const double share =
      bytes_in_ > 0 ? 100.0 * static_cast<double>(bytes_kept_) / static_cast<double>(bytes_in_) : 0;
  lines.push_back(fmt::format("text {} to {} bytes ({:.1f} %)", bytes_in_, bytes_kept_, share));
  return lines;
}

}  // namespace ballast
