#include "libcore/dedup/minhash_work.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "libcore/base/rng.h"
#include "libcore/dedup/cluster_rule.h"
#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

constexpr int64_t kMemory = int64_t{1} << 20;

MinHashPlan plan_of(size_t inputs) {
  MinHashPlan plan;
  plan.preset = find_minhash_preset("datatrove");
  for (size_t i = 0; i < inputs; ++i) plan.inputs.push_back("in" + std::to_string(i));
  plan.sizes.assign(inputs, 1);
  return plan;
}
MinHashWork work_in(FileSystem& fs, size_t inputs) {
  return *MinHashWork::open(fs, "work", plan_of(inputs), true);
}

// The keys of a document; bands that are not named get one that no other document has.
using Keys = std::vector<Hash128>;
Keys keys_of(uint64_t document, const std::vector<std::pair<size_t, uint64_t>>& shared) {
  Keys keys(14);
  for (size_t band = 0; band < keys.size(); ++band) keys[band] = {1 + document, 1 + band};
  for (const auto& [band, key] : shared) keys[band] = {0, key};
  return keys;
}

Result<void> sign(MinHashWork& work, int64_t input, const std::vector<Keys>& documents) {
  StageFileWriter writer = work.write_signatures(input);
  for (const Keys& keys : documents) BALLAST_TRY(writer.add(std::as_bytes(std::span(keys))));
  return writer.finish({});
}

using Triple = std::array<uint32_t, 3>;
std::vector<Triple> clusters_of(MinHashWork& work) {
  StageFileReader reader = *work.read_clusters();
  std::vector<Triple> found;
  for (int64_t block = 0; block < reader.blocks(); ++block) {
    const Bytes data = *reader.read(block, 0);
    for (size_t at = 0; at < data.size(); at += 12) {
      const ClusterRecord record = load_cluster(data.subspan(at));
      found.push_back({record.document, record.first, record.size});
    }
  }
  return found;
}

std::string contents(FileSystem& fs) {
  std::string all;
  const std::vector<std::string> names = *fs.list("work");
  for (const std::string& name : names)
    all += name + "\n" + *read_file(fs, join_path("work", name));
  return all;
}

TEST(MinHashWork, JoinsDocumentsThatShareABandUnderTheFirst) {
  MemoryFileSystem fs;
  MinHashWork work = work_in(fs, 2);
  ASSERT_TRUE(
      sign(work, 0, {keys_of(0, {{0, 7}}), keys_of(1, {{2, 9}}), keys_of(2, {{0, 7}, {1, 8}})})
          .ok());
  // The keys of another band are not compared, and no shingles are no match.
  ASSERT_TRUE(
      sign(work, 1,
           {keys_of(3, {{2, 9}}), keys_of(4, {{1, 8}}), keys_of(5, {{3, 7}}), Keys(14), Keys(14)})
          .ok());
  for (int64_t band = 13; band >= 0; --band) ASSERT_TRUE(work.make_pairs(band, kMemory).ok());
  ASSERT_TRUE(work.make_clusters().ok());
  const std::vector<Triple> expected = {{0, 0, 3}, {1, 1, 2}, {2, 0, 3}, {3, 1, 2}, {4, 0, 3}};
  EXPECT_EQ(clusters_of(work), expected);
  EXPECT_EQ(work.read_clusters()->totals().groups, 2u);
}

// Random keys, several blocks, sorts that spill; against sets joined one by one.
TEST(MinHashWork, AgreesWithJoiningSetsOneByOne) {
  constexpr uint32_t kDocuments = 40000;
  std::vector<std::vector<Keys>> inputs(2);
  std::vector<uint32_t> group(kDocuments);
  std::vector<std::vector<uint32_t>> members(kDocuments);
  std::map<std::pair<size_t, uint64_t>, uint32_t> first_with;
  for (uint32_t d = 0; d < kDocuments; ++d) {
    group[d] = d;
    members[d] = {d};
  }
  for (uint32_t d = 0; d < kDocuments; ++d) {
    const size_t band = random_u64(3, 1, d) % 14;
    const uint64_t key = 1 + random_u64(3, 2, d) % 3000;
    inputs[d < 17000 ? 0 : 1].push_back(
        d % 3 ? keys_of(d, {}) : keys_of(d, {{band, key}, {(band + 1) % 14, key % 700 + 1}}));
    if (d % 3) continue;
    for (const auto& shared : {std::pair(band, key), std::pair((band + 1) % 14, key % 700 + 1)}) {
      const auto [found, fresh] = first_with.emplace(shared, d);
      if (fresh || group[found->second] == group[d]) continue;
      uint32_t into = group[found->second], from = group[d];
      if (members[into].size() < members[from].size()) std::swap(into, from);
      for (const uint32_t member : members[from]) {
        group[member] = into;
        members[into].push_back(member);
      }
      members[from].clear();
    }
  }
  std::vector<Triple> expected;
  for (uint32_t d = 0; d < kDocuments; ++d) {
    const auto& mine = members[group[d]];
    if (mine.size() < 2) continue;
    expected.push_back(
        {d, *std::min_element(mine.begin(), mine.end()), static_cast<uint32_t>(mine.size())});
  }
  ASSERT_GT(expected.size(), 1000u);
  MemoryFileSystem fs;
  MinHashWork work = work_in(fs, 2);
  ASSERT_TRUE(sign(work, 1, inputs[1]).ok());
  ASSERT_TRUE(sign(work, 0, inputs[0]).ok());
  for (int64_t band = 0; band < 14; ++band) ASSERT_TRUE(work.make_pairs(band, kMemory / 2).ok());
  ASSERT_TRUE(work.make_clusters().ok());
  EXPECT_EQ(clusters_of(work), expected);
  EXPECT_EQ(fs.list("work")->size(), 1u + 2 + 14 + 1);  // no temporary file is left
}

TEST(MinHashWork, StagesWantTheEarlierOnes) {
  MemoryFileSystem fs;
  MinHashWork work = work_in(fs, 2);
  ASSERT_TRUE(sign(work, 0, {keys_of(0, {})}).ok());
  EXPECT_TRUE(*work.has_signatures(0));
  EXPECT_FALSE(*work.has_signatures(1));
  EXPECT_EQ(work.make_pairs(0, kMemory).error().why, "run --stage signatures first");
  ASSERT_TRUE(sign(work, 1, {}).ok());
  ASSERT_TRUE(work.make_pairs(0, kMemory).ok());
  EXPECT_EQ(work.make_clusters().error().why, "run --stage buckets first");
  EXPECT_EQ(work.read_clusters().error().why, "run --stage clusters first");
}

TEST(MinHashWork, RefusesFilesOfAnotherPlan) {
  MemoryFileSystem fs;
  MinHashWork work = work_in(fs, 1);
  ASSERT_TRUE(sign(work, 0, {}).ok());
  EXPECT_EQ(MinHashWork::open(fs, "work", plan_of(2), true).error().kind, ErrorKind::usage);
  ASSERT_TRUE(fs.remove("work/plan.json").ok());
  MinHashWork other = work_in(fs, 2);
  EXPECT_EQ(other.has_signatures(0).error().what, "file belongs to another stage or plan");
}

// Whatever operation fails, what is published is whole, and going on gives the same bytes.
TEST(MinHashWork, GoesOnAfterAFailureAnywhere) {
  const std::vector<Keys> documents = {keys_of(0, {{0, 7}}), keys_of(1, {}), keys_of(2, {{0, 7}})};
  const auto run = [&](FileSystem& fs) -> Result<void> {
    MinHashWork work = BALLAST_TRY(MinHashWork::open(fs, "work", plan_of(1), true));
    if (!BALLAST_TRY(work.has_signatures(0))) BALLAST_TRY(sign(work, 0, documents));
    for (int64_t band = 0; band < 14; ++band)
      if (!BALLAST_TRY(work.has_pairs(band))) BALLAST_TRY(work.make_pairs(band, 64));
    if (!BALLAST_TRY(work.has_clusters())) BALLAST_TRY(work.make_clusters());
    return work.remove_leftovers();
  };
  MemoryFileSystem undisturbed;
  ASSERT_TRUE(run(undisturbed).ok());
  const std::string expected = contents(undisturbed);
  int64_t failures = 0;
  for (int64_t at = 1;; ++at) {
    MemoryFileSystem disk;
    FaultyFileSystem faulty(disk, at);
    const bool done = run(faulty).ok();
    if (!done) {
      ++failures;
      disk.crash();
      const Result<void> again = run(disk);
      ASSERT_TRUE(again.ok()) << at << ": " << again.error().message();
    }
    ASSERT_EQ(contents(disk), expected) << at;
    if (faulty.operations() < at) break;
  }
  EXPECT_GT(failures, 16 * 5);  // a file takes at least five operations
}

StageShape small_shape() { return {StageKind::signatures, 3, 4, 5, {6, 7}}; }

std::string write_stage(MemoryFileSystem& fs, uint32_t records) {
  StageFileWriter writer(fs, "stage", small_shape());
  for (uint32_t i = 0; i < records; ++i) {
    const std::array<uint32_t, 3> record = {i, i * 2, i * 3};
    EXPECT_TRUE(writer.add(std::as_bytes(std::span(record))).ok());
  }
  EXPECT_TRUE(writer.finish({.groups = 8, .source_bytes = 9, .source_hash = {10, 11}}).ok());
  return *read_file(fs, "stage");
}

TEST(StageFile, ReadsBackColumnsOfEveryBlock) {
  for (const uint32_t records : {0u, 1u, 16384u, 16385u, 40000u}) {
    MemoryFileSystem fs;
    const std::string bytes = write_stage(fs, records);
    EXPECT_EQ(bytes.size(), 128 + records * 12 + (records + 16383) / 16384 * 24) << records;
    StageFileReader reader = *StageFileReader::open(fs, "stage", small_shape());
    EXPECT_EQ(reader.totals(), (StageTotals{records, 8, 9, {10, 11}}));
    uint32_t i = 0;
    for (int64_t block = 0; block < reader.blocks(); ++block) {
      const Bytes data = *reader.read(block, 2);
      for (size_t at = 0; at < data.size(); at += 4, ++i)
        ASSERT_EQ(load_le<uint32_t>(&data[at]), i * 3);
    }
    EXPECT_EQ(i, records);
  }
}

// The offsets of ballast-minhash(5).
TEST(StageFile, HasTheDocumentedLayout) {
  MemoryFileSystem fs;
  const std::string bytes = write_stage(fs, 2);
  const auto number = [&](size_t at) { return load_le<uint64_t>(&bytes[at]); };
  const auto checksum = [&](size_t at, size_t size, uint64_t seed) {
    return xxh3_64(std::string_view(bytes).substr(at, size), seed);
  };
  ASSERT_EQ(bytes.size(), 64u + 3 * (8 + 2 * 4) + 64);
  EXPECT_EQ(bytes.substr(0, 8), std::string("BLSTMH\0\1", 8));
  EXPECT_EQ(number(8), 1 | uint64_t{3} << 32);       // kind, columns
  EXPECT_EQ(number(16), 4 | uint64_t{16384} << 32);  // width, records of a block
  EXPECT_EQ(number(24), 5u);
  EXPECT_EQ((Hash128{number(32), number(40)}), (Hash128{6, 7}));
  EXPECT_EQ(number(48), 0u);
  EXPECT_EQ(number(56), checksum(0, 56, 0));
  EXPECT_EQ(number(96), checksum(104, 8, 2));  // of the third column
  EXPECT_EQ(number(104), uint64_t{3} << 32);   // 0 and 3
  EXPECT_EQ(bytes.substr(112, 8), std::string("BLSTEND\1", 8));
  EXPECT_EQ(number(120), 2u);
  EXPECT_EQ(number(128), 8u);
  EXPECT_EQ(number(136), 9u);
  EXPECT_EQ((Hash128{number(144), number(152)}), (Hash128{10, 11}));
  EXPECT_EQ(number(168), checksum(112, 56, number(56)));
}

TEST(StageFile, NoticesEveryFlippedByteAndEveryLength) {
  MemoryFileSystem fs;
  const std::string bytes = write_stage(fs, 5);
  const auto read_all_of = [&](const std::string& changed) {
    AtomicFile file(fs, "changed", true);
    EXPECT_TRUE(file.write(changed).ok());
    EXPECT_TRUE(file.commit().ok());
    Result<StageFileReader> reader = StageFileReader::open(fs, "changed");
    if (!reader.ok()) return reader.error().kind == ErrorKind::corrupt;
    for (uint32_t column = 0; column < reader->shape().columns; ++column)
      if (!reader->read(0, column).ok()) return true;
    return false;
  };
  EXPECT_FALSE(read_all_of(bytes));
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    EXPECT_TRUE(read_all_of(changed)) << at;
  }
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_TRUE(read_all_of(bytes.substr(0, size))) << size;
  EXPECT_TRUE(read_all_of(bytes + "x"));
}

TEST(ClusterRule, NamesTheFirstOfACluster) {
  MemoryFileSystem fs;
  MinHashWork work = work_in(fs, 1);
  ASSERT_TRUE(sign(work, 0,
                   {keys_of(0, {}), keys_of(1, {{0, 7}}), Keys(14), keys_of(3, {{0, 7}}),
                    keys_of(4, {{0, 7}})})
                  .ok());
  for (int64_t band = 0; band < 14; ++band) ASSERT_TRUE(work.make_pairs(band, kMemory).ok());
  ASSERT_TRUE(work.make_clusters().ok());
  ClusterRule rule(*work.read_clusters(), true);
  std::string decisions;
  for (int64_t i = 0; i < 5; ++i) {
    DedupItem item;
    item.number = i;
    item.document.id = std::string(1, static_cast<char>('a' + i));
    rule.decide(item);
    decisions += item.kept() ? item.document.id : "-" + item.kept_id;
    decisions += std::to_string(item.cluster_size);
  }
  EXPECT_TRUE(rule.status().ok());
  EXPECT_EQ(decisions, "a0b3c0-b3-b3");
  std::string listed;
  ASSERT_TRUE(rule.list_clusters([&](std::string_view line) -> Result<void> {
                    listed += line;
                    return {};
                  })
                  .ok());
  EXPECT_EQ(listed, "{\"kept\":\"b\",\"document\":1,\"size\":3}\n");
  Json record;
  rule.to_json(record);
  EXPECT_EQ(to_json_line(record),
            "{\"clusters\":1,\"clustered\":3,\"largest\":3,\"cluster_sizes\":{\"2\":1}}");
}

}  // namespace
}  // namespace ballast
