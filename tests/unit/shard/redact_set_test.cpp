#include "libcore/shard/redact_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libcore/base/sha256.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sample_hash.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

constexpr int32_t kEos = 1;
using Files = std::map<std::string, std::string>;

// The set old/web of three shards with 20 documents of 5 tokens each.
void make_set(FileSystem& fs) {
  ASSERT_TRUE(fs.make_directories("old").ok() && fs.make_directories("new").ok());
  ASSERT_TRUE(fs.sync_directory(".").ok());
  ShardManifest manifest;
  manifest.tool = "test";
  manifest.vocab_size = 300;
  manifest.eos = kEos;
  manifest.part = "all";
  ShardSetBuilder builder(fs, "old/web", manifest, 100, false);
  for (int i = 0; i < 60; ++i) {
    ShardDocument document;
    document.id = "d" + std::to_string(i);
    document.sha256 = sha256_hex(document.id);
    ASSERT_TRUE(builder.append(document, std::vector<int32_t>(5, i + 2)).ok());
  }
  ASSERT_EQ(builder.finish()->size(), 3U);
}

// The second shard loses nothing.
const std::vector<RedactJob> kJobs = {
    {"old/web-00000", {0, 7}}, {"old/web-00001", {}}, {"old/web-00002", {19}}};

RedactOptions options_of(const std::string& list, bool compact = false) {
  RedactOptions options;
  options.compact = compact;
  if (!compact) options.token = kEos;
  options.list_sha256 = sha256_hex(list);
  options.tool = "test";
  return options;
}

const RedactReport kSilent = [](const RedactJob&, const ReceiptShard&, bool) {};

Result<Receipt> redact(FileSystem& fs, const RedactOptions& options,
                       const std::vector<RedactJob>& jobs = kJobs) {
  return redact_set(fs, "new", jobs, options, kSilent);
}

Files files_in(FileSystem& fs, const std::string& folder) {
  Files files;
  const auto names = fs.list(folder);
  for (const std::string& name : *names)
    files[name] = fs.info(join_path(folder, name))->is_directory
                      ? "(folder)"
                      : *read_file(fs, join_path(folder, name));
  return files;
}

void expect_sound_set(FileSystem& fs, const std::string& prefix) {
  const auto members = shard_prefixes(fs, prefix);
  ASSERT_TRUE(members.ok()) << members.error().message();
  EXPECT_EQ(members->size(), 3U);
  for (const std::string& member : *members) {
    const auto verdict = verify_shard(fs, member, true);
    ASSERT_TRUE(verdict.ok()) << verdict.error().message();
    EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
  }
}

TEST(RedactSet, TakesShardsOverThatLoseNothing) {
  for (const bool compact : {false, true}) {
    MemoryFileSystem fs;
    make_set(fs);
    const Files before = files_in(fs, "old");
    const auto receipt = redact(fs, options_of("list", compact));
    ASSERT_TRUE(receipt.ok()) << receipt.error().message();
    EXPECT_EQ(files_in(fs, "old"), before);
    expect_sound_set(fs, "new/web");
    EXPECT_EQ(fs.list("new")->size(), 3U * 4 + 2) << "receipt, its sums, and nothing else";
    EXPECT_EQ(fs.info("new/web-00001.bin")->inode, fs.info("old/web-00001.bin")->inode);
    EXPECT_NE(fs.info("new/web-00002.bin")->inode, fs.info("old/web-00002.bin")->inode);
    // One receipt for all; each shard's lines are true of its files.
    EXPECT_EQ(receipt_text(*receipt), *read_file(fs, "new/receipt.json"));
    EXPECT_EQ(receipt_sums(*receipt), *read_file(fs, "new/receipt.sha256"));
    ASSERT_EQ(receipt->shards.size(), 3U);
    const ReceiptShard& same = receipt->shards[1];
    EXPECT_TRUE(same.removed.empty());
    EXPECT_EQ(same.before, same.after);
    EXPECT_EQ(same.kept.sha256, sha256_hex(*read_file(fs, "new/web-00001.bin")));
    EXPECT_EQ(same.after.content_hash, *shard_sample_hash(fs, "old/web-00001"));
    EXPECT_EQ(receipt->shards[0].removed.size(), 2U);
    EXPECT_EQ(*parse_receipt(receipt_text(*receipt), "receipt"), *receipt);
    EXPECT_EQ(**redaction_in(fs, "new", kJobs, options_of("list", compact)), *receipt);
  }
}

class Forwarding : public FileSystem {
 public:
  explicit Forwarding(FileSystem& inner) : inner_(inner) {}
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    return inner_.open_read(path);
  }
  Result<std::unique_ptr<WritableFile>> create_exclusive(const std::string& path) override {
    return inner_.create_exclusive(path);
  }
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override {
    return inner_.open_append(path);
  }
  Result<void> truncate(const std::string& path, int64_t size) override {
    return inner_.truncate(path, size);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return inner_.rename(from, to);
  }
  Result<void> rename_exclusive(const std::string& from, const std::string& to) override {
    return inner_.rename_exclusive(from, to);
  }
  Result<bool> link(const std::string& from, const std::string& to) override {
    return inner_.link(from, to);
  }
  Result<void> remove(const std::string& path) override { return inner_.remove(path); }
  Result<void> remove_all(const std::string& path) override { return inner_.remove_all(path); }
  Result<void> make_directories(const std::string& path) override {
    return inner_.make_directories(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    return inner_.sync_directory(path);
  }
  Result<FileInfo> info(const std::string& path) override { return inner_.info(path); }
  bool exists(const std::string& path) override { return inner_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return inner_.list(directory);
  }
  Result<int64_t> free_bytes(const std::string& path) override { return inner_.free_bytes(path); }

 private:
  FileSystem& inner_;
};

class Linkless final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  Result<bool> link(const std::string&, const std::string&) override { return false; }
};

TEST(RedactSet, CopiesWhereFilesCannotBeLinked) {
  MemoryFileSystem linking, inner;
  make_set(linking);
  make_set(inner);
  ASSERT_TRUE(redact(linking, options_of("list")).ok());
  Linkless fs(inner);
  ASSERT_TRUE(redact(fs, options_of("list")).ok());
  EXPECT_NE(fs.info("new/web-00001.bin")->inode, fs.info("old/web-00001.bin")->inode);
  EXPECT_EQ(files_in(fs, "new"), files_in(linking, "new"));
}

TEST(RedactSet, AFailureLeavesTheFolderAsItWas) {
  const auto damage = [](FileSystem& fs, const std::string& path) {
    std::string bytes = *read_file(fs, path);
    bytes[bytes.size() / 2] ^= 1;
    ASSERT_TRUE(fs.remove(path).ok());
    auto file = fs.create_exclusive(path);
    ASSERT_TRUE((*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
  };
  MemoryFileSystem fs;
  make_set(fs);
  damage(fs, "old/web-00002.bin");  // the last one to be made
  const auto refused = redact(fs, options_of("list"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
  EXPECT_TRUE(fs.list("new")->empty());
  // Over an earlier one, too.
  damage(fs, "old/web-00002.bin");
  ASSERT_TRUE(redact(fs, options_of("list")).ok());
  const Files before = files_in(fs, "new");
  damage(fs, "old/web-00002.bin");
  RedactOptions other = options_of("other");
  EXPECT_EQ(redact(fs, other).error().kind, ErrorKind::usage) << "what is there stays";
  other.force = true;
  EXPECT_EQ(redact(fs, other).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(files_in(fs, "new"), before);
}

// The files of shard 0, 1 or 2.
Files shard_files(const Files& files, int shard) {
  Files own;
  for (const auto& [name, bytes] : files)
    if (name.starts_with(shard_set_member("web", shard))) own[name] = bytes;
  return own;
}

// An index stands beside the other files that it was made with, those of the set with the first
// one; and nothing opens unless all is as it was or as it shall be.
void expect_nothing_mixed(FileSystem& fs, const Files& old, const Files& want) {
  Files now = files_in(fs, "new");
  const auto is_of = [&](const Files& state, int shard) {
    return shard_files(now, shard) == shard_files(state, shard);
  };
  int open = 0;
  for (int shard = 0; shard < 3; ++shard) {
    const std::string prefix = shard_set_member("new/web", shard);
    open += ShardReader::open(fs, prefix).ok() ? 1 : 0;
    EXPECT_TRUE(!fs.exists(prefix + ".idx") || is_of(old, shard) || is_of(want, shard)) << prefix;
  }
  const auto all_of = [&](const Files& state) {
    return is_of(state, 0) && is_of(state, 1) && is_of(state, 2);
  };
  const bool shown = open > 0 || now.contains("web-00000.idx");
  EXPECT_TRUE(!shown || all_of(old) || all_of(want));
}

// Every write may be the last: then the folder shows the old state, or the next call finishes the
// new one, and no receipt or first shard of a set stands beside what it is not of.
void die_everywhere(bool over_another) {
  MemoryFileSystem whole;
  make_set(whole);
  ASSERT_TRUE(redact(whole, options_of("list")).ok());
  const Files want = files_in(whole, "new");
  RedactOptions first = options_of("list");
  first.force = over_another;
  int64_t step = 0;
  std::set<size_t> begun;  // how many shards the second call found made
  for (bool finished = false; !finished; ++step) {
    ASSERT_LT(step, 2000);
    MemoryFileSystem fs;
    make_set(fs);
    if (over_another) {
      std::vector<RedactJob> others = kJobs;
      others[0].documents = std::vector<int64_t>{3};
      ASSERT_TRUE(redact(fs, options_of("other"), others).ok());
    }
    const Files old = files_in(fs, "new");
    FaultyFileSystem faulty(fs, step + 1);
    finished = redact(faulty, first).ok();
    fs.crash();
    if (fs.exists("new/receipt.json")) {
      Files now = files_in(fs, "new");
      now.erase(kUnfinishedRedaction);
      EXPECT_EQ(now, now.at("receipt.json") == want.at("receipt.json") ? want : old) << step;
    }
    expect_nothing_mixed(fs, old, want);
    if (ShardReader::open(fs, "new/web-00000").ok()) expect_sound_set(fs, "new/web");
    size_t again = 0;
    const auto made = redact_set(
        fs, "new", kJobs, first,
        [&](const RedactJob&, const ReceiptShard&, bool before) { again += before ? 1 : 0; });
    ASSERT_TRUE(finished || made.ok()) << made.error().message() << " after " << step;
    begun.insert(again);
    EXPECT_EQ(files_in(fs, "new"), want) << "after " << step;
  }
  EXPECT_GT(step, 50);
  EXPECT_GE(begun.size(), 3U) << "shards that were whole are made once";
}

TEST(RedactSet, ADeathAnywhereIsFinishedByTheNextCall) { die_everywhere(false); }
TEST(RedactSet, ADeathAnywhereOverAnotherRedactionToo) { die_everywhere(true); }

TEST(RedactSet, WhatAnotherCallLeftIsNotTakenForThisOne) {
  MemoryFileSystem whole;
  make_set(whole);
  ASSERT_TRUE(redact(whole, options_of("list")).ok());
  std::vector<RedactJob> others = kJobs;
  others[0].documents = std::vector<int64_t>{3};
  std::swap(others[1].documents, others[2].documents);
  RedactOptions options = options_of("list");
  options.force = true;
  int64_t step = 0;
  for (bool finished = false; !finished; ++step) {
    ASSERT_LT(step, 2000);
    MemoryFileSystem fs;
    make_set(fs);
    FaultyFileSystem faulty(fs, step + 1);
    finished = redact(faulty, options_of("other"), others).ok();
    fs.crash();
    const auto made = redact(fs, options);
    ASSERT_TRUE(made.ok()) << made.error().message() << " after " << step;
    EXPECT_EQ(files_in(fs, "new"), files_in(whole, "new")) << "after " << step;
  }
  EXPECT_GT(step, 50);
}

TEST(RedactSet, WhatAnotherCallBeganIsItsOwn) {
  // The first death that leaves a receipt behind, so that only moving is left.
  for (int64_t step = 1;; ++step) {
    ASSERT_LT(step, 2000);
    MemoryFileSystem fs;
    make_set(fs);
    FaultyFileSystem faulty(fs, step);
    ASSERT_FALSE(redact(faulty, options_of("list")).ok());
    if (!fs.exists(join_path(std::string("new/") + kUnfinishedRedaction, kReceiptName))) continue;
    RedactOptions other = options_of("other");
    const auto refused = redact(fs, other);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message().find("which was not finished"), std::string::npos);
    other.force = true;
    ASSERT_TRUE(redact(fs, other).ok());
    EXPECT_TRUE(redaction_in(fs, "new", kJobs, other)->has_value());
    EXPECT_FALSE(fs.exists(std::string("new/") + kUnfinishedRedaction));
    return;
  }
}

// One shard that has the name of a set's first, or another name, over the redaction of the set.
TEST(RedactSet, ForceRemovesTheShardsOfTheRedactionThatItReplaces) {
  const std::vector<RedactJob> one = {{"old/web-00000", {5}}};
  MemoryFileSystem alone;
  make_set(alone);
  ASSERT_TRUE(redact(alone, options_of("one"), one).ok());
  const Files want = files_in(alone, "new");
  ASSERT_EQ(want.size(), 4U + 2);
  RedactOptions options = options_of("one");
  options.force = true;
  int64_t step = 0;
  for (bool finished = false; !finished; ++step) {
    ASSERT_LT(step, 2000);
    MemoryFileSystem fs;
    make_set(fs);
    ASSERT_TRUE(redact(fs, options_of("list")).ok());
    const Files old = files_in(fs, "new");
    FaultyFileSystem faulty(fs, step + 1);
    finished = redact(faulty, options, one).ok();
    fs.crash();
    expect_nothing_mixed(fs, old, want);
    const auto made = redact(fs, options, one);
    ASSERT_TRUE(made.ok()) << made.error().message() << " after " << step;
    EXPECT_EQ(files_in(fs, "new"), want) << "after " << step;
  }
  EXPECT_GT(step, 50);
}

TEST(RedactSet, ForceLeavesShardsThatAreOfSomethingElseByNow) {
  MemoryFileSystem fs;
  make_set(fs);
  ASSERT_TRUE(redact(fs, options_of("list")).ok());
  for (const char* ending : {".bin", ".idx", ".docs.jsonl.zst", ".manifest.json"}) {
    const std::string path = std::string("new/web-00002") + ending;
    ASSERT_TRUE(fs.remove(path).ok());
    ASSERT_TRUE(fs.link(std::string("old/web-00002") + ending, path).ok());
  }
  RedactOptions options = options_of("one");
  options.force = true;
  ASSERT_TRUE(redact(fs, options, {{"old/web-00000", {5}}}).ok());
  EXPECT_FALSE(fs.exists("new/web-00001.bin"));
  EXPECT_EQ(*read_file(fs, "new/web-00002.bin"), *read_file(fs, "old/web-00002.bin"));
}

TEST(RedactSet, AFailureOverAHalfMovedRedactionLeavesItWhole) {
  MemoryFileSystem whole;
  make_set(whole);
  ASSERT_TRUE(redact(whole, options_of("list")).ok());
  for (int64_t step = 1;; ++step) {
    ASSERT_LT(step, 2000);
    MemoryFileSystem fs;
    make_set(fs);
    FaultyFileSystem faulty(fs, step);
    ASSERT_FALSE(redact(faulty, options_of("list")).ok());
    if (!fs.exists("new/web-00001.bin")) continue;
    ASSERT_TRUE(fs.remove("old/web-00002.idx").ok());
    RedactOptions other = options_of("other");
    other.force = true;
    ASSERT_FALSE(redact(fs, other).ok());
    EXPECT_EQ(files_in(fs, "new"), files_in(whole, "new"));
    return;
  }
}

TEST(RedactSet, WhoIsToldToStopLeavesEverythingToOthers) {
  MemoryFileSystem fs;
  make_set(fs);
  RedactOptions options = options_of("list");
  int64_t asked = 0;
  options.go_on = [&]() -> Result<void> {
    if (++asked > 30) return io_error("taken over", "new");
    return {};
  };
  const auto stopped = redact(fs, options);
  ASSERT_FALSE(stopped.ok());
  EXPECT_NE(stopped.error().message().find("taken over"), std::string::npos);
  EXPECT_TRUE(fs.exists(std::string("new/") + kUnfinishedRedaction))
      << "it may be another's by now";
}

// Counts what is read since the lease was asked for.
class Watched final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  void ask() {
    most_ = std::max(most_, read_);
    read_ = 0;
  }
  int64_t most() const { return most_; }

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    return std::unique_ptr<ReadableFile>(
        std::make_unique<Counted>(BALLAST_TRY(Forwarding::open_read(path)), read_));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    EXPECT_TRUE(read_ == 0 || parent_directory(to) != "new") << "unasked before " << to;
    return Forwarding::rename(from, to);
  }

 private:
  class Counted final : public ReadableFile {
   public:
    Counted(std::unique_ptr<ReadableFile> file, int64_t& read)
        : file_(std::move(file)), read_(read) {}
    Result<size_t> read_at(int64_t offset, MutableBytes into) override {
      read_ += std::ssize(into);
      return file_->read_at(offset, into);
    }
    int64_t size() const override { return file_->size(); }

   private:
    std::unique_ptr<ReadableFile> file_;
    int64_t& read_;
  };
  int64_t read_ = 0, most_ = 0;
};

TEST(RedactSet, TheLeaseIsAskedForAsLongAsAnythingIsRead) {
  MemoryFileSystem inner;
  ASSERT_TRUE(inner.make_directories("old").ok() && inner.make_directories("new").ok());
  ShardManifest manifest;
  manifest.tool = "test";
  manifest.vocab_size = 300;
  manifest.eos = kEos;
  manifest.part = "all";
  for (const char* prefix : {"old/a", "old/b"}) {
    ShardBuilder builder(inner, prefix, manifest, false);
    const std::vector<int32_t> ids(1000, 7);
    for (int i = 0; i < 8000; ++i) {
      ShardDocument document;
      document.sha256 = sha256_hex(std::to_string(i));
      ASSERT_TRUE(builder.append(document, ids).ok());
    }
    ASSERT_TRUE(builder.finish().ok());
  }
  Watched fs(inner);
  RedactOptions options = options_of("list");
  options.go_on = [&] {
    fs.ask();
    return Result<void>();
  };
  const std::vector<RedactJob> jobs = {{"old/a", {17}}, {"old/b", {}}};
  ASSERT_TRUE(redact(fs, options, jobs).ok());
  // A sample of the tokens has 4 MiB; each .bin has 16 MB.
  EXPECT_LE(fs.most(), int64_t{6} << 20);
}

TEST(RedactSet, AShardThatLosesNothingMustBeWhatItsManifestSays) {
  for (const bool linked : {true, false}) {
    for (const char* ending : {".bin", ".docs.jsonl.zst"}) {
      MemoryFileSystem inner;
      make_set(inner);
      Linkless linkless(inner);
      FileSystem& fs = linked ? static_cast<FileSystem&>(inner) : linkless;
      const std::string path = std::string("old/web-00001") + ending;
      std::string bytes = *read_file(fs, path);
      bytes[bytes.size() / 2] ^= 1;
      ASSERT_TRUE(fs.remove(path).ok());
      auto file = fs.create_exclusive(path);
      ASSERT_TRUE((*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
      const auto refused = redact(fs, options_of("list"));
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
      EXPECT_EQ(refused.error().where, path);
      EXPECT_TRUE(fs.list("new")->empty());
    }
  }
}

TEST(RedactSet, AReceiptThatIsTooLargeToBeReadAgainIsRefusedBeforeAnythingIsWritten) {
  MemoryFileSystem fs;
  make_set(fs);
  const auto receipt = redact(fs, options_of("list"));
  int64_t bound = 4096;
  for (const RedactJob& job : kJobs)
    bound += receipt_bytes_at_most(file_name(job.prefix), std::ssize(job.documents), 19, 200);
  EXPECT_GE(bound - 4096, std::ssize(receipt_text(*receipt)));
  EXPECT_LE(bound - 4096, 2 * std::ssize(receipt_text(*receipt)));
  RedactOptions options = options_of("other");
  options.force = true;
  options.max_receipt_bytes = 4096;
  const Files before = files_in(fs, "new");
  for (const auto& refused : {check_redaction(fs, "new", kJobs, options),
                              Result<void>(redact(fs, options).take_error())}) {
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_NE(refused.error().message().find("at most 4096"), std::string::npos);
  }
  EXPECT_EQ(files_in(fs, "new"), before);
  options.max_receipt_bytes = bound;
  EXPECT_TRUE(redact(fs, options).ok());
}

// A bound of the size that is near enough to be one.
TEST(Receipt, ItsSizeIsKnownBefore) {
  ReceiptShard shard;
  shard.name = "web \"quoted\"";
  shard.dtype = "uint16";
  for (ReceiptSide* side : {&shard.before, &shard.after}) {
    side->content_hash.assign(32, 'f');
    for (ReceiptFile* file : {&side->bin, &side->idx, &side->docs, &side->manifest})
      *file = {shard_docs_path(shard.name), int64_t{1} << 40, std::string(64, 'f')};
  }
  shard.kept = shard.after.bin;
  const int64_t bytes = shard.before.bin.bytes;
  for (int64_t i = 0; i < 1000; ++i)
    shard.removed.push_back({1'000'000 + i, 4096, {}, {bytes - 5, bytes}, {bytes - 5, bytes}});
  Receipt receipt;
  const int64_t without = std::ssize(receipt_text(receipt));
  receipt.shards.push_back(shard);
  const int64_t with = std::ssize(receipt_text(receipt)) - without;
  const int64_t bound = receipt_bytes_at_most(shard.name, 1000, 1'000'999, bytes);
  EXPECT_GE(bound, with);
  EXPECT_LE(bound, with + with / 10);
}

}  // namespace
}  // namespace ballast
