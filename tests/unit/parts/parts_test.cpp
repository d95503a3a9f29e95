#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>

#include "libcore/io/memory_file_system.h"
#include "libcore/io/stream.h"
#include "libcore/parts/accounting.h"
#include "libcore/parts/part_files.h"
#include "libcore/parts/part_reader.h"
#include "libcore/parts/plan_difference.h"
#include "libcore/parts/record_size.h"

namespace ballast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kSuffix = ".txt";

// Jobs that copy lines: a part's file is its lines, its count their number.
class PartsTest : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& content) {
    if (fs_.exists(path)) {
      ASSERT_TRUE(fs_.remove(path).ok());
    }
    auto file = fs_.create_exclusive(path);
    ASSERT_TRUE(file.ok() && (*file)->append(as_bytes(content)).ok() && (*file)->close().ok());
  }
  static std::string lines(int64_t count, const std::string& name) {
    std::string text;
    for (int64_t i = 0; i < count; ++i) text += fmt::format("{{\"text\":\"{} {}\"}}\n", name, i);
    return text;
  }
  PartsPlan plan(const std::vector<std::string>& paths) {
    PartsPlan made{"copy", Json::object(), {}, 200};
    for (const std::string& path : paths) made.inputs.push_back({path, fs_.info(path)->size});
    return made;
  }
  PartsFolder folder(const std::vector<std::string>& paths) {
    auto made = PartsFolder::create(fs_, "parts", plan(paths));
    EXPECT_TRUE(made.ok());
    return made.take_value();
  }

  // Makes a task's share, at most `limit` parts of it; returns how many parts were made.
  Result<int64_t> work(const PartsFolder& folder, Share share, int64_t limit = 1000) {
    int64_t made = 0;
    for (int64_t input = 0; input < folder.inputs(); ++input) {
      if (!share.has_input(input, folder.inputs())) continue;
      PartReader reader(folder, input, share, 3, 1 << 20);
      std::string text;
      int64_t records = 0;
      while (true) {
        PartBlock block;
        if (!BALLAST_TRY(reader.read(block))) break;
        if (block.first) {
          text.clear();
          records = 0;
        }
        for (const InputRecord& record : block.records) text += record.line + "\n";
        records += static_cast<int64_t>(block.records.size());
        if (!block.end) continue;
        if (made == limit) return made;
        put(folder.path(input, block.part, kSuffix), text);
        block.end->counts = {{"lines", records}};
        BALLAST_TRY(folder.write(std::move(*block.end), {kSuffix}));
        ++made;
      }
    }
    return made;
  }
  static Result<int64_t> counted(const PartRecord& part) {
    return integer_member(part.counts, "lines", "counts");
  }
  PartsAccount account(const PartsFolder& folder, bool full = true) {
    auto found = account_parts(folder, {kSuffix}, counted, full);
    EXPECT_TRUE(found.ok());
    return found.take_value();
  }
  std::string merged(const PartsFolder& folder) {
    std::string text;
    const auto add = [&](Bytes piece) -> Result<void> {
      text += as_text(piece);
      return {};
    };
    const auto take = [&](const PartRecord& part) -> Result<void> {
      PartFile file = BALLAST_TRY(PartFile::open(folder, part, kSuffix));
      BALLAST_TRY(file.read_all(add));
      return file.check();
    };
    EXPECT_TRUE(visit_parts(folder, take).ok());
    return text;
  }
  std::string content(const std::string& path) { return read_file(fs_, path).take_value(); }

  MemoryFileSystem fs_;
};

TEST_F(PartsTest, AnyNumberOfTasksInAnyOrderMakesTheSameParts) {
  const std::string a = lines(100, "a"), b = lines(31, "b");
  put("a", a);
  put("b", b);
  for (const int64_t tasks : {1, 2, 3, 7}) {
    SCOPED_TRACE(tasks);
    const PartsFolder made = folder({"a", "b"});
    for (int64_t task = tasks - 1; task >= 0; --task) ASSERT_TRUE(work(made, {task, tasks}).ok());
    const PartsAccount found = account(made);
    EXPECT_TRUE(found.complete());
    EXPECT_EQ(found.records(), 131);
    EXPECT_EQ(found.source_bytes(), static_cast<int64_t>(a.size() + b.size()));
    EXPECT_EQ(found.decoded_bytes(), found.source_bytes());
    EXPECT_GT(found.parts(), 10);
    EXPECT_EQ(merged(made), a + b);
    ASSERT_TRUE(fs_.remove_all("parts").ok());
  }
}

TEST_F(PartsTest, ARunAfterAnotherMakesOnlyWhatIsMissing) {
  put("a", lines(100, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_EQ(*work(made, {}, 4), 4);
  EXPECT_THAT(account(made).missing, SizeIs(1));
  const int64_t rest = *work(made, {});
  EXPECT_TRUE(account(made).complete());
  EXPECT_EQ(rest, account(made).parts() - 4);
  EXPECT_EQ(*work(made, {}), 0);
  ASSERT_TRUE(fs_.remove(made.path(0, 6, ".json")).ok());
  EXPECT_EQ(account(made).missing.front().part, 6);
  EXPECT_EQ(*work(made, {}), 1);
  EXPECT_EQ(merged(made), lines(100, "a"));
}

TEST_F(PartsTest, RecordsLongerThanAPartLeaveNumbersOutAndNoByte) {
  std::string text = lines(3, "a");
  text += "{\"text\":\"" + std::string(1500, 'x') + "\"}\n" + lines(20, "b") + "\n\n";
  put("a", text);
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}).ok());
  const PartsAccount found = account(made);
  EXPECT_TRUE(found.complete());
  EXPECT_FALSE(made.has(0, 3));
  EXPECT_EQ(found.decoded_bytes(), static_cast<int64_t>(text.size()));
  EXPECT_EQ(merged(made) + "\n\n", text);
}

TEST_F(PartsTest, AnEmptyInputHasOneEmptyPart) {
  put("a", "");
  const PartsFolder made = folder({"a"});
  EXPECT_EQ(*work(made, {}), 1);
  EXPECT_TRUE(account(made).complete());
  EXPECT_EQ(account(made).records(), 0);
}

TEST_F(PartsTest, ACompressedInputIsAccountedForInBothSizes) {
  const std::string text = lines(100, "a");
  const std::string packed = zstd_compress(as_bytes(text)).take_value();
  put("a", packed);
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}).ok());
  const PartsAccount found = account(made);
  EXPECT_TRUE(found.complete());
  EXPECT_EQ(found.source_bytes(), static_cast<int64_t>(packed.size()));
  EXPECT_EQ(found.decoded_bytes(), static_cast<int64_t>(text.size()));
  EXPECT_EQ(found.inputs[0].source.hash, xxh3_128(as_bytes(packed)));
}

TEST_F(PartsTest, AnInputThatChangedIsRefused) {
  put("a", lines(100, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}, 4).ok());
  std::string other = lines(100, "a");
  other[10] = 'b';
  put("a", other);
  const auto worked = work(made, {});
  ASSERT_FALSE(worked.ok());
  EXPECT_THAT(worked.error().message(), HasSubstr("changed since parts were made of it: a"));
}

TEST_F(PartsTest, AnInputOfAnotherSizeThanPlannedIsDamage) {
  put("a", lines(10, "a"));
  const PartsPlan planned = plan({"a"});
  put("a", lines(11, "a"));
  const auto made = PartsFolder::create(fs_, "parts", planned);
  ASSERT_TRUE(made.ok() && work(*made, {}).ok());
  EXPECT_THAT(account(*made, false).damage, ElementsAre(HasSubstr("bytes were read where")));
}

TEST_F(PartsTest, AFolderOfAnotherJobIsRefused) {
  put("a", lines(10, "a"));
  put("b", lines(10, "b"));
  folder({"a"});
  const auto other = PartsFolder::create(fs_, "parts", plan({"b"}));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message(),
              HasSubstr("the folder is another job's, input 0 is a there and b here: parts/plan"));
}

TEST_F(PartsTest, DamageIsFoundAndNamed) {
  put("a", lines(100, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}).ok());
  const std::string path = made.path(0, 2, kSuffix);
  std::string text = content(path);
  text[3] ^= 1;
  put(path, text);
  EXPECT_TRUE(account(made, false).complete());
  EXPECT_THAT(account(made).damage, ElementsAre("content differs from the record's hash: " + path +
                                                "; remove it and run the job again"));
  put(path, text + "x");
  EXPECT_THAT(account(made, false).damage, ElementsAre(HasSubstr("size differs")));

  const std::string record = made.path(0, 4, ".json");
  std::string json = content(record);
  const size_t at = json.find("\"lines\": ");
  json.replace(at, json.find('\n', at) - at, "\"lines\": 1");
  put(record, json);
  EXPECT_THAT(account(made, false).damage,
              ElementsAre(HasSubstr("size differs"), HasSubstr("accounts for 1 of")));
}

TEST_F(PartsTest, APartWhoseRecordWasNotWrittenIsMadeAgain) {
  put("a", lines(60, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}, 3).ok());
  ASSERT_TRUE(fs_.remove(made.path(0, 2, ".json")).ok());
  ASSERT_TRUE(work(made, {}).ok());
  EXPECT_EQ(merged(made), lines(60, "a"));
}

TEST_F(PartsTest, APartWhoseFileIsGoneOrCutOffIsMadeAgain) {
  put("a", lines(60, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}).ok());
  ASSERT_TRUE(fs_.remove(made.path(0, 2, kSuffix)).ok());
  EXPECT_THAT(
      account(made, false).damage,
      ElementsAre("file of a part is gone: " + made.path(0, 2, kSuffix) + "; run the job again"));
  put(made.path(0, 4, kSuffix), "cut off");
  const auto again = work(made, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, 2);
  EXPECT_TRUE(account(made).complete());
  EXPECT_EQ(merged(made), lines(60, "a"));
}

TEST_F(PartsTest, APartWhoseFileIsGoneIsMadeOfTheSameInputOnly) {
  put("a", lines(60, "a"));
  const PartsFolder made = folder({"a"});
  ASSERT_TRUE(work(made, {}).ok());
  ASSERT_TRUE(fs_.remove(made.path(0, 2, kSuffix)).ok());
  put("a", lines(60, "b"));
  EXPECT_FALSE(work(made, {}).ok());
}

TEST(PlanDifference, NamesWhatDiffersInTheWordsOfTheCommandLine) {
  const Json robots = {{"file", "r.txt"}, {"bytes", 3}, {"xxh3_128", "aa"}};
  const PartsPlan there{"filter",
                        {{"min-chars", {"20"}},
                         {"robots", {robots}},
                         {"manifest", {{"seed", 1}, {"tokenizer_sha256", "ab"}}}},
                        {{"a.jsonl", 10}, {"b.jsonl", 20}},
                        4096};
  EXPECT_EQ(plan_difference(there, there), "");
  const auto changed = [&](const std::function<void(PartsPlan&)>& change) {
    PartsPlan here = there;
    change(here);
    return plan_difference(there, here);
  };
  EXPECT_EQ(changed([](PartsPlan& p) { p.verb = "build"; }),
            "the verb is filter there and build here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.part_bytes = 8192; }),
            "--part-size is 4096 bytes there and 8192 here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.inputs.pop_back(); }), "inputs: 2 there and 1 here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.inputs[1].bytes = 21; }),
            "input 1 has 20 bytes there and 21 here: b.jsonl");
  EXPECT_EQ(changed([](PartsPlan& p) { p.options["min-chars"] = {"30"}; }),
            "--min-chars is 20 there and 30 here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.options.erase("min-chars"); }),
            "--min-chars is 20 there and not given here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.options["pii"] = {"keep"}; }),
            "--pii is not given there and keep here");
  EXPECT_EQ(changed([](PartsPlan& p) { p.options["robots"][0]["xxh3_128"] = "bb"; }),
            "--robots is not what it was: r.txt");
  EXPECT_EQ(changed([](PartsPlan& p) { p.options["manifest"]["seed"] = 2; }),
            "manifest.seed is 1 there and 2 here");
}

TEST(PartRecord, ThatNobodyCouldReadIsAFailureToWrite) {
  EXPECT_TRUE(check_record_bytes(kRecordLimit, "x.json").ok());
  const auto refused = check_record_bytes(kRecordLimit + 1, "x.json");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::io);  // exit 3: there are enough documents
}

TEST(PartRecord, IsReadAsItWasWritten) {
  PartRecord record;
  record.input = 3;
  record.part = 9;
  record.begin = 100;
  record.end = 250;
  record.content = {1, 2};
  record.records = 7;
  record.last = true;
  record.source_bytes = 300;
  record.source_hash = {3, 4};
  record.files = {{"a.txt", 5, {5, 6}}};
  record.counts = {{"lines", 7}};
  const auto read = parse_part_record(record.text(), "x");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->text(), record.text());
}

}  // namespace
}  // namespace ballast
