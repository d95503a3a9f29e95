// The folder of a job that is done in parts, ballast-parts(5): plan.json, and for each part its
// outputs and, written last, its record. A part is a run of records of one input: those that begin
// in the same stretch of part_bytes decoded bytes. Each is published whole, and what it holds
// follows from the plan and the input alone; so any number of processes may work on a folder, one
// that was killed loses at most the parts it had begun, and the next run makes what is missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/shard/writer.h"

namespace ballast {

// What a job is, equal for all its tasks.
struct PartsPlan {
  std::string verb;  // "filter", "encode"
  Json options;      // everything that decides what is written
  struct Input {
    std::string path;
    int64_t bytes = 0;
  };
  std::vector<Input> inputs;
  int64_t part_bytes = 0;

  std::string text() const;  // of plan.json
};

// What one part accounts for.
struct PartRecord {
  int64_t input = 0;
  int64_t part = 0;
  int64_t begin = 0, end = 0;  // decoded bytes of the input
  Hash128 content;             // of these
  int64_t records = 0;
  // The end of the input; then `source` is the file as it was read.
  bool last = false;
  int64_t source_bytes = 0;
  Hash128 source_hash;
  std::vector<OutputFile> files;  // of this part, names in the folder
  Json counts = Json::object();   // of the verb

  std::string text() const;
};

class PartsFolder {
 public:
  // Makes the folder and its plan, unless they are there. Kind usage if the folder is another
  // job's.
  static Result<PartsFolder> create(FileSystem& fs, std::string directory, PartsPlan plan);
  // Kind usage if there is a folder and it is another job's; makes nothing.
  static Result<void> look(FileSystem& fs, const std::string& directory, const PartsPlan& plan);
  // One that exists; kind corrupt if its plan is damaged.
  static Result<PartsFolder> open(FileSystem& fs, std::string directory);

  const PartsPlan& plan() const { return plan_; }
  const std::string& directory() const { return directory_; }
  FileSystem& file_system() const { return *fs_; }
  int64_t inputs() const { return static_cast<int64_t>(plan_.inputs.size()); }

  // "0000012-000003.jsonl.zst" with the suffix ".jsonl.zst".
  static std::string name(int64_t input, int64_t part, const std::string& suffix);
  std::string path(int64_t input, int64_t part, const std::string& suffix) const;

  bool has(int64_t input, int64_t part) const;
  // None when the part is not made yet. Kind corrupt if the record is not that part's.
  Result<std::optional<PartRecord>> read(int64_t input, int64_t part) const;
  // Are the part's files there, in the sizes that it says?
  Result<bool> has_files(const PartRecord& record) const;
  // Publishes the part; its files must be there, and are hashed.
  Result<void> write(PartRecord record, const std::vector<std::string>& suffixes) const;

 private:
  PartsFolder(FileSystem& fs, std::string directory, PartsPlan plan)
      : fs_(&fs), directory_(std::move(directory)), plan_(std::move(plan)) {}

  FileSystem* fs_;
  std::string directory_;
  PartsPlan plan_;
};

inline constexpr const char* kPlanName = "plan.json";
// Does the path name a folder of parts?
bool is_parts_folder(FileSystem& fs, const std::string& path);

Result<PartsPlan> parse_parts_plan(std::string_view text, const std::string& where);
Result<PartRecord> parse_part_record(std::string_view text, const std::string& where);

}  // namespace ballast
