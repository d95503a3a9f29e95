#include "libcore/dedup/cluster_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "libcore/dedup/minhash_work.h"

namespace ballast {

ClusterRule::ClusterRule(StageFileReader clusters, bool name_kept)
    : clusters_(std::move(clusters)), name_kept_(name_kept) {}

// Reads the block that follows when this one is used up; false at the end.
Result<bool> ClusterRule::next() {
  const size_t width = clusters_.shape().width;
  if (at_ < records_.size()) at_ += width;
  if (at_ < records_.size()) return true;
  if (block_ == clusters_.blocks()) return false;
  const Bytes data = BALLAST_TRY(clusters_.read(block_++, 0));
  records_.assign(data.begin(), data.end());
  at_ = 0;
  return true;
}

// Whether the document is in a cluster; its record is then the one at `at_`.
bool ClusterRule::advance(uint32_t document) {
  while (!ended_ && status_.ok()) {
    if (at_ < records_.size()) {
      const uint32_t here = load_le<uint32_t>(&records_[at_]);
      if (here >= document) return here == document;
    }
    Result<bool> more = next();
    if (!more.ok()) {
      status_ = more.take_error();
    } else {
      ended_ = !*more;
    }
  }
  return false;
}

void ClusterRule::decide(DedupItem& item) {
  const auto number = static_cast<uint32_t>(item.number);
  if (!advance(number)) return;
  const ClusterRecord record = load_cluster(Bytes(records_).subspan(at_));
  item.cluster_size = record.size;
  if (record.first == number) {
    ++count_;
    members_ += record.size;
    largest_ = std::max(largest_, int64_t{record.size});
    ++sizes_[std::bit_floor(record.size)];
    if (!name_kept_) return;
    named_.push_back({number, record.size});
    ids_.append(item.document.id);
    return;
  }
  item.refusal = kNearDuplicate;
  const auto found =
      std::lower_bound(named_.begin(), named_.end(), record.first,
                       [](const Cluster& a, uint32_t first) { return a.document < first; });
  if (found != named_.end() && found->document == record.first)
    item.kept_id = ids_.at(static_cast<uint64_t>(found - named_.begin()));
}

void ClusterRule::to_json(Json& record) const {
  record["clusters"] = count_;
  record["clustered"] = members_;
  record["largest"] = largest_;
  Json sizes = Json::object();
  for (const auto& [size, clusters] : sizes_) sizes[std::to_string(size)] = clusters;
  record["cluster_sizes"] = std::move(sizes);
}

std::vector<std::string> ClusterRule::to_lines() const {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("{} clusters of {} documents, the largest of {}", count_, members_, largest_));
  for (const auto& [size, clusters] : sizes_)
    lines.push_back(
        fmt::format("clusters {:>8}  of {}", clusters,
                    size == 2 ? "2 or 3" : fmt::format("{} to {}", size, 2 * size - 1)));
  return lines;
}

Result<void> ClusterRule::list_clusters(
    const std::function<Result<void>(std::string_view)>& write) const {
  for (size_t i = 0; i < named_.size(); ++i) {
    const Json line = {{"kept", std::string(ids_.at(i))},
                       {"document", named_[i].document},
                       {"size", named_[i].size}};
    BALLAST_TRY(write(to_json_line(line) + "\n"));
  }
  return {};
}

}  // namespace ballast
