#include "libcore/shard/merge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libcore/base/sha256.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/redact.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/split.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

ShardManifest manifest() {
  ShardManifest made;
  made.tool = "test";
  made.tokenizer_sha256 = std::string(64, 'a');
  made.vocab_size = 50;
  made.eos = 1;
  made.part = "all";
  made.skipped = 2;
  return made;
}

// Documents [first, first + count): document i has i tokens, all of id i.
void make_shard(FileSystem& fs, const std::string& prefix, int first, int count,
                ShardManifest with = manifest()) {
  if (!fs.exists("d")) {
    ASSERT_TRUE(fs.make_directories("d").ok());
  }
  with.inputs = {{prefix + ".jsonl", 7, xxh3_128(as_bytes(prefix))}};
  ShardBuilder builder(fs, prefix, with, false);
  for (int i = first; i < first + count; ++i) {
    ShardDocument document;
    document.id = std::to_string(i);
    document.host = i % 2 ? "odd" : "even";
    document.language = i % 3 ? "en" : "";
    document.bytes = 10 * i;
    document.sha256 = sha256_hex(document.id);
    ASSERT_TRUE(builder.append(document, std::vector<int32_t>(static_cast<size_t>(i), i)).ok());
  }
  ASSERT_TRUE(builder.finish().ok());
}

void expect_sound(FileSystem& fs, const std::string& prefix) {
  const auto verdict = verify_shard(fs, prefix, true);
  ASSERT_TRUE(verdict.ok()) << verdict.error().message();
  EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
}

MergeOptions options() { return {"test 2", {{"host", "h"}}, false}; }

TEST(MergeShards, GivesWhatOneBuilderWouldHaveWritten) {
  MemoryFileSystem fs;
  make_shard(fs, "d/a", 0, 5);
  make_shard(fs, "d/b", 5, 3);
  make_shard(fs, "d/c", 8, 9);
  make_shard(fs, "d/whole", 0, 17);
  const auto merged =
      merge_shards(fs, std::vector<std::string>{"d/a", "d/b", "d/c"}, "d/m", options());
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  expect_sound(fs, "d/m");
  for (const auto path : {shard_bin_path, shard_idx_path, shard_docs_path})
    EXPECT_EQ(*read_file(fs, path("d/m")), *read_file(fs, path("d/whole")));
  const auto whole = read_manifest(fs, "d/whole"), read = read_manifest(fs, "d/m");
  ASSERT_EQ(merged->size(), 1U);
  Json said = manifest_json(*read);
  for (const char* bulk : {"token_counts", "inputs"}) {  // only in the file
    EXPECT_TRUE(manifest_json(merged->front()).at(bulk).empty());
    said[bulk] = Json::array();
  }
  EXPECT_EQ(said, manifest_json(merged->front()));
  EXPECT_EQ(read->token_counts, whole->token_counts);
  EXPECT_EQ(manifest_json(*read).at("languages"), manifest_json(*whole).at("languages"));
  EXPECT_EQ(read->languages.at("en").bytes, whole->languages.at("en").bytes);
  EXPECT_EQ(read->skipped, 6);
  EXPECT_EQ(read->inputs.size(), 3U);
  EXPECT_EQ(read->run.at("host"), "h");
  ASSERT_EQ(read->made_from.size(), 3U);
  EXPECT_EQ(read->made_from[1].shard, "b");
  EXPECT_EQ(read->made_from[1].documents, 3);
  EXPECT_EQ(read->made_from[1].tokens, 18);
  EXPECT_EQ(read->made_from[1].manifest_sha256,
            sha256_hex(*read_file(fs, shard_manifest_path("d/b"))));
}

TEST(MergeShards, ASetIsTheWholeCutAndNamesWhereItsDocumentsComeFrom) {
  MemoryFileSystem fs;
  make_shard(fs, "d/a", 0, 5);
  make_shard(fs, "d/none", 5, 0);
  make_shard(fs, "d/b", 5, 3);
  make_shard(fs, "d/c", 8, 4);
  const std::vector<std::string> parts{"d/a", "d/none", "d/b", "d/c"};
  RedactOptions redact;
  redact.list_sha256 = std::string(64, 'b');
  redact.tool = "test";
  ASSERT_TRUE(redact_shard(fs, "d/b", "d/rb", std::vector<int64_t>{2}, redact).ok());
  const std::vector<std::string> inputs{"d/a", "d/none", "d/rb", "d/c"};
  ASSERT_TRUE(merge_shards(fs, inputs, "d/one", options()).ok());
  SplitOptions cut;
  cut.shard_tokens = 10;
  cut.tool = "test 2";
  ASSERT_TRUE(split_shard(fs, "d/one", "d/cut", cut).ok());
  MergeOptions capped = options();
  capped.shard_tokens = 10;
  const auto made = merge_shards(fs, inputs, "d/set", capped);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto members = shard_prefixes(fs, "d/set"), pieces = shard_prefixes(fs, "d/cut");
  ASSERT_EQ(members->size(), pieces->size());
  ASSERT_EQ(made->size(), members->size());
  ASSERT_GE(members->size(), 3U);
  for (size_t i = 0; i < members->size(); ++i) {
    expect_sound(fs, (*members)[i]);
    for (const auto path : {shard_bin_path, shard_idx_path, shard_docs_path})
      EXPECT_EQ(*read_file(fs, path((*members)[i])), *read_file(fs, path((*pieces)[i])));
    const auto member = read_manifest(fs, (*members)[i]), piece = read_manifest(fs, (*pieces)[i]);
    EXPECT_EQ(member->redaction->tombstones, piece->redaction->tombstones) << i;
    EXPECT_EQ(member->tokens, (*made)[i].tokens);
    // Every document has one origin, and but for the empty shard no origin is without one.
    int64_t documents = 0, tokens = 0;
    for (const ShardOrigin& origin : member->made_from) {
      EXPECT_EQ(origin.documents == 0, origin.shard == "none") << origin.shard;
      documents += origin.documents;
      tokens += origin.tokens;
    }
    EXPECT_EQ(documents, member->documents);
    EXPECT_EQ(tokens, member->tokens);
    EXPECT_EQ(member->skipped, i == 0 ? 8 : 0);
  }
  const auto names_of = [&](const std::string& prefix) {
    std::string names;
    const auto manifest_there = read_manifest(fs, prefix);
    for (const ShardOrigin& origin : manifest_there->made_from) names += origin.shard + " ";
    return names;
  };
  EXPECT_EQ(names_of("d/one"), "a none rb c ");
  std::string all;
  for (const std::string& member : *members) all += names_of(member);
  EXPECT_NE(all.find("a none rb "), std::string::npos) << all;
  // Not over its own inputs, whatever is asked for; and what is there stays.
  EXPECT_EQ(merge_shards(fs, parts, "d/set", capped).error().kind, ErrorKind::usage);
  capped.force = true;
  const auto own = merge_shards(fs, *members, "d/set", capped);
  ASSERT_FALSE(own.ok());
  EXPECT_EQ(own.error().kind, ErrorKind::usage);
  for (const std::string& member : *members) expect_sound(fs, member);
  // A larger limit leaves nothing of the set before.
  capped.shard_tokens = 1000;
  ASSERT_TRUE(merge_shards(fs, inputs, "d/set", capped).ok());
  EXPECT_EQ(shard_prefixes(fs, "d/set")->size(), 1U);
}

TEST(MergeShards, NeverRemovesItsInputs) {
  MemoryFileSystem fs;
  make_shard(fs, "d/s-00000", 0, 5);
  make_shard(fs, "d/s-00001", 5, 3);
  make_shard(fs, "d/s-20231101", 8, 4);
  const auto before = fs.list("d");
  MergeOptions over = options();
  over.force = true;
  for (const std::vector<std::string>& inputs :
       {std::vector<std::string>{"d/s-00000", "d/s-00001"}, {"d/s-00001", "d/s-20231101"}}) {
    const auto merged = merge_shards(fs, inputs, "d/s", over);
    ASSERT_FALSE(merged.ok());
    EXPECT_EQ(merged.error().kind, ErrorKind::usage);
    EXPECT_EQ(merged.error().what, "output is also an input") << merged.error().message();
    EXPECT_EQ(*fs.list("d"), *before);
  }
  const auto refused = merge_shards(fs, std::vector<std::string>{"d/s-20231101"}, "d/s", options());
  EXPECT_EQ(refused.error().message(), "output exists: d/s-00000.bin (-f replaces it)");
  // What is no member of the set is an input like any other.
  ASSERT_TRUE(merge_shards(fs, std::vector<std::string>{"d/s-20231101"}, "d/s", over).ok());
  expect_sound(fs, "d/s");
  expect_sound(fs, "d/s-20231101");
  EXPECT_EQ(fs.list("d")->size(), 8U);
}

TEST(MergeShards, MovesTombstonesWithTheirDocuments) {
  MemoryFileSystem fs;
  make_shard(fs, "d/a", 0, 5);
  make_shard(fs, "d/b", 5, 3);
  make_shard(fs, "d/c", 8, 4);
  RedactOptions redact;
  redact.list_sha256 = std::string(64, 'b');
  redact.tool = "test";
  ASSERT_TRUE(redact_shard(fs, "d/b", "d/rb", std::vector<int64_t>{2}, redact).ok());
  redact.token = 3;
  ASSERT_TRUE(redact_shard(fs, "d/c", "d/rc", std::vector<int64_t>{0, 2}, redact).ok());
  ASSERT_TRUE(
      merge_shards(fs, std::vector<std::string>{"d/a", "d/rb", "d/rc"}, "d/m", options()).ok());
  expect_sound(fs, "d/m");
  const auto read = read_manifest(fs, "d/m");
  ASSERT_TRUE(read->redaction);
  // 10 tokens of a, 5 + 6 of b before its last document.
  EXPECT_EQ(read->redaction->tombstones, (Tombstones{{21, 28, 1}, {28, 36, 3}, {45, 55, 3}}));
  EXPECT_EQ(read->redaction->documents, 3);
  EXPECT_EQ(read->redaction->list_sha256, redact.list_sha256);
  EXPECT_EQ(read->redaction->manifest_sha256, "");
  EXPECT_FALSE(read->made_from[0].redaction);
  EXPECT_EQ(read->made_from[2].redaction->documents, 2);
}

TEST(MergeShards, RefusesWhatDoesNotFitBeforeItWrites) {
  const auto refused = [](auto change) {
    MemoryFileSystem fs;
    make_shard(fs, "d/a", 0, 5);
    ShardManifest other = manifest();
    change(other);
    make_shard(fs, "d/b", 5, 3, other);
    const auto merged = merge_shards(fs, std::vector<std::string>{"d/a", "d/b"}, "d/m", options());
    EXPECT_EQ(fs.exists(shard_bin_path("d/m")), merged.ok());
    return merged.ok() ? std::string("merged") : merged.error().message();
  };
  EXPECT_EQ(refused([](ShardManifest&) {}), "merged");
  EXPECT_EQ(refused([](ShardManifest& m) { m.vocab_size = 60; }),
            "shards of different vocabularies: d/b (60, d/a has 50)");
  EXPECT_EQ(refused([](ShardManifest& m) { m.eos.reset(); }),
            "shards of different tokens after documents: d/b (none, d/a has 1)");
  EXPECT_EQ(refused([](ShardManifest& m) { m.part = "holdout"; }),
            "shards of different parts: d/b (holdout, d/a has all)");
  EXPECT_NE(refused([](ShardManifest& m) { m.tokenizer_sha256 = "x"; }).find("tokenizers"),
            std::string::npos);
}

TEST(MergeShards, RefusesDamageAndShardsWithoutManifest) {
  MemoryFileSystem fs;
  make_shard(fs, "d/a", 0, 5);
  make_shard(fs, "d/b", 5, 3);
  const auto merge = [&] {
    return merge_shards(fs, std::vector<std::string>{"d/a", "d/b"}, "d/m", options());
  };
  std::string bytes = *read_file(fs, "d/b.bin");
  bytes[4] = 2;
  ASSERT_TRUE(fs.remove("d/b.bin").ok());
  auto file = fs.create_exclusive("d/b.bin");
  ASSERT_TRUE(file.ok() && (*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
  EXPECT_EQ(merge().error().kind, ErrorKind::corrupt);
  ASSERT_TRUE(fs.remove("d/b.manifest.json").ok());
  EXPECT_EQ(merge().error().kind, ErrorKind::usage);
  EXPECT_FALSE(fs.exists("d/m.manifest.json"));
}

TEST(ShardPrefixes, NameShardsSetsAndFolders) {
  MemoryFileSystem fs;
  make_shard(fs, "d/web-00000", 0, 2);
  make_shard(fs, "d/web-00001", 2, 2);
  make_shard(fs, "d/web-00002", 4, 2);
  make_shard(fs, "d/one", 4, 2);
  using Words = std::vector<std::string>;
  EXPECT_EQ(*shard_prefixes(fs, "d/one"), Words{"d/one"});
  EXPECT_EQ(*shard_prefixes(fs, "d/one.idx"), Words{"d/one"});
  const Words set{"d/web-00000", "d/web-00001", "d/web-00002"};
  EXPECT_EQ(*shard_prefixes(fs, "d/web"), set);
  EXPECT_EQ(*shard_prefixes(fs, "d/web-00001"), Words{"d/web-00001"});
  EXPECT_EQ(*shard_prefixes(fs, "d"),
            (Words{"d/one", "d/web-00000", "d/web-00001", "d/web-00002"}));
  EXPECT_EQ(*shard_prefixes(fs, "d/we"), Words{"d/we"});
  EXPECT_EQ(shard_set_member("w", 123456), "w-123456");
  for (const auto path : {shard_bin_path, shard_idx_path, shard_docs_path, shard_manifest_path})
    ASSERT_TRUE(fs.remove(path("d/web-00001")).ok());
  const auto gap = shard_prefixes(fs, "d/web");
  EXPECT_EQ(gap.error().message(),
            "a shard of the set is missing: d/web-00001 (the set goes up to web-00002)");
}

TEST(ShardPrefixes, TakeNumbersWithoutGapForASet) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  using Words = std::vector<std::string>;
  const auto touch = [&](const std::string& path) {
    AtomicFile file(fs, path, false);
    ASSERT_TRUE(file.write("").ok() && file.commit().ok()) << path;
  };
  // Dates, numbers of other widths, other files.
  for (const char* name :
       {"d/w-20231101.idx", "d/w-100000.idx", "d/w-2023.idx", "d/w-000001.idx", "d/w-00000.txt",
        "d/w-00000", "d/w--0001.idx", "d/w-99999999999999999999.idx"})
    touch(name);
  EXPECT_EQ(*shard_prefixes(fs, "d/w"), Words{"d/w"});
  EXPECT_EQ(shard_set_numbers(fs, "d/w")->end, 0);
  EXPECT_TRUE(shard_set_numbers(fs, "d/w")->apart.empty());
  touch("d/w-00000.idx");
  touch("d/w-00001.bin");  // any file of it
  EXPECT_EQ(*shard_prefixes(fs, "d/w"), (Words{"d/w-00000", "d/w-00001"}));
  touch("d/w-00003.idx");
  EXPECT_EQ(shard_set_numbers(fs, "d/w")->end, 2);
  EXPECT_EQ(shard_set_numbers(fs, "d/w")->apart, std::vector<int64_t>{3});
  EXPECT_EQ(shard_prefixes(fs, "d/w").error().kind, ErrorKind::corrupt);
  // The first shard appears last.
  touch("d/x-00001.idx");
  touch("d/x-00002.idx");
  touch("d/x-00004.idx");
  EXPECT_EQ(shard_set_numbers(fs, "d/x")->first, 1);
  EXPECT_EQ(shard_set_numbers(fs, "d/x")->end, 3);
  EXPECT_EQ(shard_set_numbers(fs, "d/x")->apart, std::vector<int64_t>{4});
  ASSERT_TRUE(fs.remove("d/x-00004.idx").ok());
  EXPECT_EQ(shard_prefixes(fs, "d/x").error().message(),
            "a shard of the set is missing: d/x-00000 (the set goes up to x-00002)");
  EXPECT_EQ(refuse_existing_set(fs, "d/x", 20, false).error().where, "d/x-00001.idx");
  EXPECT_TRUE(refuse_existing_set(fs, "d/x", 20, true).ok());
  EXPECT_EQ(refuse_existing_set(fs, "d/w", 20, true).error().where, "d/w-00003");
  EXPECT_TRUE(refuse_existing_set(fs, "d/w", std::nullopt, true).ok());
  EXPECT_TRUE(names_member_file(fs, "d/x", "d/../d/x-00007.bin"));
  EXPECT_FALSE(names_member_file(fs, "d/x", "d/x-7.bin"));
  EXPECT_FALSE(names_member_file(fs, "d/x", "x-00007.bin"));
  // More digits count when those with five are used up.
  touch("d/w-99999.idx");
  EXPECT_EQ(shard_set_numbers(fs, "d/w")->apart,
            (std::vector<int64_t>{3, 99999, 100000, 20231101}));
}

TEST(TrainingShards, LeaveOutWhatAFolderHoldsOut) {
  MemoryFileSystem fs;
  ShardManifest held_out = manifest();
  held_out.part = "holdout";
  make_shard(fs, "d/web", 0, 2);
  make_shard(fs, "d/web-holdout", 2, 2, held_out);
  make_shard(fs, "d/bare", 4, 2);
  ASSERT_TRUE(fs.remove("d/bare.manifest.json").ok());
  using Words = std::vector<std::string>;
  for (const std::string word : {"d", "d/"}) {
    const auto folder = training_shards(fs, word);
    ASSERT_TRUE(folder.ok()) << folder.error().message();
    EXPECT_EQ(folder->prefixes, (Words{"d/bare", "d/web"}));
    EXPECT_EQ(folder->held_out, Words{"d/web-holdout"});
  }
  const auto named = training_shards(fs, "d/web-holdout");
  EXPECT_EQ(named->prefixes, Words{"d/web-holdout"});
  EXPECT_TRUE(named->held_out.empty());
  make_shard(fs, "d/cut-holdout-00000", 0, 2, held_out);
  EXPECT_EQ(training_shards(fs, "d/cut-holdout")->prefixes, Words{"d/cut-holdout-00000"});
  ASSERT_TRUE(fs.make_directories("e").ok());
  make_shard(fs, "e/web-holdout", 2, 2, held_out);
  EXPECT_EQ(training_shards(fs, "e").error().message(),
            "all shards in this folder are held out: e (to train on one, name it by its prefix)");
}

TEST(ValidationShards, AreThoseOfAFolderThatAreHeldOutOrAll) {
  MemoryFileSystem fs;
  ShardManifest held_out = manifest();
  held_out.part = "holdout";
  make_shard(fs, "d/web", 0, 2);
  make_shard(fs, "d/other", 0, 2);
  using Words = std::vector<std::string>;
  const auto all = validation_shards(fs, "d");
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(all->prefixes, (Words{"d/other", "d/web"}));
  EXPECT_TRUE(all->trained.empty());
  make_shard(fs, "d/web-holdout-00000", 2, 2, held_out);
  make_shard(fs, "d/web-holdout-00001", 2, 2, held_out);
  const auto some = validation_shards(fs, "d");
  EXPECT_EQ(some->prefixes, (Words{"d/web-holdout-00000", "d/web-holdout-00001"}));
  EXPECT_EQ(some->trained, (Words{"d/other", "d/web"}));
  EXPECT_EQ(validation_shards(fs, "d/web-holdout")->prefixes, some->prefixes);
  EXPECT_EQ(validation_shards(fs, "d/web")->prefixes, Words{"d/web"}) << "a shard is what it is";
}

}  // namespace
}  // namespace ballast
