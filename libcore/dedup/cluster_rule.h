// Near deduplication as a rule: of each cluster of MinHashWork the first document stays, the others
// go. One thread decides, in input order.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libcore/dedup/dedup_item.h"
#include "libcore/dedup/id_list.h"
#include "libcore/dedup/stage_file.h"
#include "libcore/io/json.h"

namespace ballast {

class ClusterRule final : public DedupRule {
 public:
  // With `name_kept` the ids of the documents that stay are remembered: their letters and 16 bytes
  // per cluster.
  ClusterRule(StageFileReader clusters, bool name_kept);
  void prepare(DedupItem&) const override {}
  void decide(DedupItem& item) override;

  // What kept decide() from reading on.
  const Result<void>& status() const { return status_; }
  // Keys `clusters` to `cluster_sizes` of ballast-documents(5), "Summary", and lines for a person.
  void to_json(Json& record) const;
  std::vector<std::string> to_lines() const;
  // {"kept":ID,"document":N,"size":N}, a line per cluster, by number of the document that stays.
  Result<void> list_clusters(const std::function<Result<void>(std::string_view)>& write) const;

 private:
  struct Cluster {
    uint32_t document = 0, size = 0;
  };
  bool advance(uint32_t document);
  Result<bool> next();

  StageFileReader clusters_;
  bool name_kept_;
  Result<void> status_;
  int64_t block_ = 0;
  std::vector<std::byte> records_;
  size_t at_ = 0;
  bool ended_ = false;
  std::vector<Cluster> named_;
  IdList ids_;
  int64_t count_ = 0, members_ = 0, largest_ = 0;
  std::map<int64_t, int64_t> sizes_;  // clusters by the power of two that their size reaches
};

}  // namespace ballast
