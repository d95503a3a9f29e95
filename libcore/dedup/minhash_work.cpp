#include "libcore/dedup/minhash_work.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <numeric>
#include <span>

#include "libcore/io/json.h"
#include "libcore/shard/record_sorter.h"

namespace ballast {
namespace {

constexpr uint32_t kKeyBytes = 16, kPairBytes = 8, kClusterBytes = 12;
constexpr int64_t kPlanLimit = int64_t{1} << 30;

// The first document of the group that `document` is in; shortens the way for the next.
uint32_t find_first(std::vector<uint32_t>& firsts, uint32_t document) {
  while (firsts[document] != document) {
    firsts[document] = firsts[firsts[document]];
    document = firsts[document];
  }
  return document;
}

Error missing_stage(const std::string& path, const char* stage) {
  return usage_error("an earlier stage is not complete", path,
                     fmt::format("run --stage {} first", stage));
}

}  // namespace

std::string MinHashPlan::text() const {
  Json record = {{"v", 1}, {"type", "minhash_plan"}, {"preset", preset->name}};
  record["bands"] = preset->bands;
  record["rows"] = preset->rows;
  record["shingle"] = preset->shingle == Shingle::words ? "words" : "characters";
  record["length"] = preset->length;
  record["seed"] = preset->seed;
  record["on_error"] = skip_errors ? "skip" : "fail";
  record["inputs"] = Json::array();
  for (size_t i = 0; i < inputs.size(); ++i)
    record["inputs"].push_back({{"path", inputs[i]}, {"bytes", sizes[i]}});
  return to_json_text(record);
}

ClusterRecord load_cluster(Bytes from) {
  return {load_le<uint32_t>(&from[0]), load_le<uint32_t>(&from[4]), load_le<uint32_t>(&from[8])};
}

MinHashWork::MinHashWork(FileSystem& fs, std::string directory, MinHashPlan plan)
    : fs_(&fs),
      directory_(std::move(directory)),
      plan_(std::move(plan)),
      plan_hash_(xxh3_128(as_bytes(plan_.text()))) {}

Result<MinHashWork> MinHashWork::open(FileSystem& fs, std::string directory, MinHashPlan plan,
                                      bool create) {
  MinHashWork work(fs, std::move(directory), std::move(plan));
  const std::string path = join_path(work.directory_, "plan.json");
  const std::string text = work.plan_.text();
  if (!fs.exists(path)) {
    if (!create) return work;
    BALLAST_TRY(fs.make_directories(work.directory_));
    AtomicFile file(fs, path, true);
    BALLAST_TRY(file.write(text));
    BALLAST_TRY(file.commit());
  } else if (BALLAST_TRY(read_file(fs, path, kPlanLimit)) != text) {
    return usage_error("made for other inputs or another preset", path,
                       "name another --work, or remove this one");
  }
  return work;
}

std::string MinHashWork::path(const char* stage, int64_t number) const {
  return join_path(directory_, fmt::format("{}-{:05}.bin", stage, number));
}
std::string MinHashWork::clusters_path() const { return join_path(directory_, "clusters.bin"); }

StageShape MinHashWork::shape(StageKind kind, int64_t number) const {
  StageShape shape{kind, 1, kClusterBytes, static_cast<uint64_t>(number), plan_hash_};
  if (kind == StageKind::signatures) shape.columns = static_cast<uint32_t>(bands());
  if (kind == StageKind::signatures) shape.width = kKeyBytes;
  if (kind == StageKind::pairs) shape.width = kPairBytes;
  return shape;
}

Result<bool> MinHashWork::has(const std::string& path, const StageShape& shape) {
  if (!fs_->exists(path)) return false;
  BALLAST_TRY(StageFileReader::open(*fs_, path, shape));
  return true;
}
Result<bool> MinHashWork::has_signatures(int64_t input) {
  return has(path("signatures", input), shape(StageKind::signatures, input));
}
Result<bool> MinHashWork::has_pairs(int64_t band) {
  return has(path("pairs", band), shape(StageKind::pairs, band));
}
Result<bool> MinHashWork::has_clusters() {
  return has(clusters_path(), shape(StageKind::clusters, 0));
}

StageFileWriter MinHashWork::write_signatures(int64_t input) {
  return {*fs_, path("signatures", input), shape(StageKind::signatures, input)};
}
Result<StageFileReader> MinHashWork::read_signatures(int64_t input) {
  const std::string name = path("signatures", input);
  if (!fs_->exists(name)) return missing_stage(name, "signatures");
  return StageFileReader::open(*fs_, name, shape(StageKind::signatures, input));
}
Result<StageFileReader> MinHashWork::read_clusters() {
  if (!fs_->exists(clusters_path())) return missing_stage(clusters_path(), "clusters");
  return StageFileReader::open(*fs_, clusters_path(), shape(StageKind::clusters, 0));
}

Result<std::vector<uint64_t>> MinHashWork::first_documents() {
  std::vector<uint64_t> firsts = {0};
  for (int64_t input = 0; input < inputs(); ++input) {
    const StageFileReader reader = BALLAST_TRY(read_signatures(input));
    firsts.push_back(firsts.back() + reader.totals().records);
    if (firsts.back() > std::numeric_limits<uint32_t>::max())
      return usage_error("more than 2^32 - 1 documents", directory_);
  }
  return firsts;
}

Result<void> MinHashWork::make_pairs(int64_t band, int64_t memory) {
  const std::vector<uint64_t> numbers = BALLAST_TRY(first_documents());
  const std::string name = path("pairs", band);
  RecordSorter sorter(*fs_, fmt::format("{}.tmp-sort-{}", name, ::getpid()), memory);
  std::array<char, kKeyBytes + 4> record;
  for (int64_t input = 0; input < inputs(); ++input) {
    StageFileReader reader = BALLAST_TRY(read_signatures(input));
    auto document = static_cast<uint32_t>(numbers[static_cast<size_t>(input)]);
    for (int64_t block = 0; block < reader.blocks(); ++block) {
      const Bytes keys = BALLAST_TRY(reader.read(block, static_cast<uint32_t>(band)));
      for (size_t at = 0; at < keys.size(); at += kKeyBytes, ++document) {
        const auto key = load_le<Hash128>(&keys[at]);
        if (key == Hash128{}) continue;  // no shingles
        store_le(record.data(), key);
        store_le(record.data() + kKeyBytes, document);
        BALLAST_TRY(sorter.add(key, {record.data(), record.size()}));
      }
    }
  }
  StageFileWriter writer(*fs_, name, shape(StageKind::pairs, band));
  StageTotals totals;
  Hash128 key;
  uint32_t first = 0;
  bool grouped = false;
  BALLAST_TRY(sorter.drain([&](std::string_view one) -> Result<void> {
    const auto this_key = load_le<Hash128>(one.data());
    const auto document = load_le<uint32_t>(one.data() + kKeyBytes);
    if (this_key != key) {
      key = this_key;
      first = document;
      grouped = false;
      return {};
    }
    totals.groups += grouped ? 0 : 1;
    grouped = true;
    const std::array<uint32_t, 2> pair = {first, document};
    return writer.add(std::as_bytes(std::span(pair)));
  }));
  return writer.finish(totals);
}

// Of each document the first one of its group. A group is joined under its least number, so the
// order of pairs does not matter.
Result<std::vector<uint32_t>> MinHashWork::join_pairs(uint64_t documents) {
  std::vector<uint32_t> firsts(documents);
  std::iota(firsts.begin(), firsts.end(), uint32_t{0});
  for (int64_t band = 0; band < bands(); ++band) {
    const std::string name = path("pairs", band);
    if (!fs_->exists(name)) return missing_stage(name, "buckets");
    StageFileReader reader =
        BALLAST_TRY(StageFileReader::open(*fs_, name, shape(StageKind::pairs, band)));
    for (int64_t block = 0; block < reader.blocks(); ++block) {
      const Bytes pairs = BALLAST_TRY(reader.read(block, 0));
      for (size_t at = 0; at < pairs.size(); at += kPairBytes) {
        const auto left = load_le<uint32_t>(&pairs[at]);
        const auto right = load_le<uint32_t>(&pairs[at + 4]);
        if (left >= right || right >= documents)
          return corrupt_error("a pair names no documents", name, fmt::format("block {}", block));
        const uint32_t a = find_first(firsts, left), b = find_first(firsts, right);
        firsts[std::max(a, b)] = std::min(a, b);
      }
    }
  }
  for (uint32_t& first : firsts) first = firsts[first];  // what it points at is final already
  return firsts;
}

Result<void> MinHashWork::write_clusters(const std::vector<uint32_t>& firsts) {
  std::vector<uint32_t> sizes(firsts.size());
  for (const uint32_t first : firsts) ++sizes[first];
  StageFileWriter writer(*fs_, clusters_path(), shape(StageKind::clusters, 0));
  StageTotals totals;
  for (size_t i = 0; i < firsts.size(); ++i) {
    const uint32_t first = firsts[i];
    if (sizes[first] < 2) continue;
    totals.groups += first == i ? 1 : 0;
    const std::array<uint32_t, 3> record = {static_cast<uint32_t>(i), first, sizes[first]};
    BALLAST_TRY(writer.add(std::as_bytes(std::span(record))));
  }
  return writer.finish(totals);
}

Result<void> MinHashWork::remove_leftovers() {
  for (const std::string& name : BALLAST_TRY(fs_->list(directory_))) {
    if (name.find(".tmp-") != name.npos) BALLAST_TRY(fs_->remove(join_path(directory_, name)));
  }
  return {};
}

Result<void> MinHashWork::make_clusters() {
  const std::vector<uint64_t> numbers = BALLAST_TRY(first_documents());
  return write_clusters(BALLAST_TRY(join_pairs(numbers.back())));
}

}  // namespace ballast
