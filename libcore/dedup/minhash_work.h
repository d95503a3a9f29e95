// The working directory of near deduplication, ballast-minhash(5): a plan, and what its stages have
// made so far. Each file is published whole, so a stage that was interrupted goes on with what is
// missing, and the files follow from the inputs and the preset alone: not from the number or order
// of workers, nor from threads. Documents are numbered over all inputs in the order of the plan, up
// to 2^32 - 1 of them. Different inputs and bands may be worked on by different processes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/dedup/minhash.h"
#include "libcore/dedup/stage_file.h"

namespace ballast {

struct MinHashPlan {
  const MinHashPreset* preset = nullptr;
  std::vector<std::string> inputs;  // in the order in which documents count as first
  std::vector<int64_t> sizes;       // of the files
  bool skip_errors = false;         // malformed lines are no documents

  std::string text() const;  // what plan.json says
};

// A document of a cluster of two or more, as the file of clusters holds it.
struct ClusterRecord {
  uint32_t document = 0, first = 0, size = 0;
};
ClusterRecord load_cluster(Bytes from);

class MinHashWork {
 public:
  // With `create` makes the directory and its plan; kind usage if it has another plan.
  static Result<MinHashWork> open(FileSystem& fs, std::string directory, MinHashPlan plan,
                                  bool create);

  const MinHashPlan& plan() const { return plan_; }
  int64_t inputs() const { return static_cast<int64_t>(plan_.inputs.size()); }
  int64_t bands() const { return plan_.preset->bands; }

  // Is the file complete? Kind corrupt if it is something else.
  Result<bool> has_signatures(int64_t input);
  Result<bool> has_pairs(int64_t band);
  Result<bool> has_clusters();

  // Records of bands() keys of 16 bytes per document.
  StageFileWriter write_signatures(int64_t input);
  Result<StageFileReader> read_signatures(int64_t input);
  // The number of the first document of each input, and behind it that of all documents. Needs all
  // signatures: kind usage names what is missing.
  Result<std::vector<uint64_t>> first_documents();

  // Documents that agree in a band, each with the first of them. `memory` bounds the sort.
  Result<void> make_pairs(int64_t band, int64_t memory);
  // Joins the pairs of all bands; takes 8 bytes of memory per document. Needs all pairs.
  Result<void> make_clusters();
  // Temporary files of processes that were killed. Only when no stage is being worked on.
  Result<void> remove_leftovers();
  Result<StageFileReader> read_clusters();

 private:
  MinHashWork(FileSystem& fs, std::string directory, MinHashPlan plan);
  std::string path(const char* stage, int64_t number) const;
  std::string clusters_path() const;
  StageShape shape(StageKind kind, int64_t number) const;
  Result<bool> has(const std::string& path, const StageShape& shape);
  Result<std::vector<uint32_t>> join_pairs(uint64_t documents);
  Result<void> write_clusters(const std::vector<uint32_t>& firsts);

  FileSystem* fs_;
  std::string directory_;
  MinHashPlan plan_;
  Hash128 plan_hash_;
};

}  // namespace ballast
