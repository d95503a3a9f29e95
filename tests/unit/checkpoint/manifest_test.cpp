#include "libcore/checkpoint/manifest.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TensorRecord piece(const std::string& name, int64_t begin, int64_t flat_begin, int64_t flat_end,
                   uint64_t hash = 1) {
  const int64_t elements = flat_end - flat_begin;
  return {name, "F32", {elements}, begin, begin + 4 * elements, flat_begin, flat_end, {hash, hash}};
}

Manifest small_manifest() {
  Manifest manifest;
  manifest.step = 12;
  manifest.tokens = 3072;
  manifest.samples = 96;
  manifest.segment = 1;
  manifest.parameters = {{"a", {2, 3}, 0, 6}, {"b", {4}, 100, 104}};
  FileRecord model{"model-00001-of-00001.safetensors", 200, {3, 4}, {}};
  model.tensors = {piece("a", 0, 0, 6), piece("b", 24, 100, 104)};
  model.tensors[0].shape = {2, 3};
  FileRecord first{"optim-00001-of-00002.safetensors", 300, {5, 6}, {}};
  first.tensors = {piece("m.a", 0, 0, 4), piece("v.a", 16, 0, 4)};
  FileRecord second{"optim-00002-of-00002.safetensors", 300, {5, 7}, {}};
  second.tensors = {piece("m.a", 0, 4, 6), piece("m.b", 8, 100, 104), piece("v.a", 24, 4, 6),
                    piece("v.b", 32, 100, 104)};
  manifest.files = {model, first, second, {"state.json", 10, {8, 9}, {}}};
  manifest.run = {{"host", "node7"}};
  return manifest;
}

std::string error_of(std::string_view text) {
  const auto parsed = parse_checkpoint_manifest(text, "m");
  return parsed.ok() ? "" : parsed.error().message();
}

TEST(Manifest, ReadsBackWhatItWrote) {
  const auto parsed = parse_checkpoint_manifest(manifest_text(small_manifest()), "m");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(*parsed, small_manifest());
}

TEST(Manifest, NoticesEverySingleChangedDigit) {
  const std::string text = manifest_text(small_manifest());
  int changed = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '8') continue;
    std::string damaged = text;
    damaged[i] = static_cast<char>(text[i] + 1);
    EXPECT_FALSE(parse_checkpoint_manifest(damaged, "m").ok()) << "byte " << i;
    ++changed;
  }
  EXPECT_GT(changed, 100);
}

TEST(Manifest, RefusesNamesThatLeadOutOfTheDirectory) {
  for (const char* name : {"../state.json", "/etc/passwd", "a/b", "", ".", "..", "manifest.json"}) {
    Manifest manifest = small_manifest();
    manifest.files[3].name = name;
    EXPECT_NE(error_of(manifest_text(manifest)).find("not a plain file name"), std::string::npos)
        << name;
  }
}

TEST(Manifest, RefusesSizesThatDisagree) {
  Manifest shape = small_manifest();
  shape.files[0].tensors[0].shape = {2, 4};
  EXPECT_NE(error_of(manifest_text(shape)).find("disagree"), std::string::npos);
  Manifest overflow = small_manifest();
  overflow.files[0].tensors[0].shape = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_NE(error_of(manifest_text(overflow)).find("disagree"), std::string::npos);
  Manifest gap = small_manifest();
  gap.files[0].tensors[1] = piece("b", 28, 100, 104);
  EXPECT_NE(error_of(manifest_text(gap)).find("do not follow"), std::string::npos);
  Manifest twice = small_manifest();
  twice.files[3].name = twice.files[0].name;
  EXPECT_NE(error_of(manifest_text(twice)).find("listed twice"), std::string::npos);
}

TEST(Manifest, RefusesOtherVersionsAndUnknownKeys) {
  std::string text = manifest_text(small_manifest());
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  EXPECT_NE(error_of(text).find("'version' is 2"), std::string::npos);
  std::string extra = manifest_text(small_manifest());
  extra.insert(1, "\"more\": 1,");
  EXPECT_NE(error_of(extra).find("unknown key 'more'"), std::string::npos);
  EXPECT_FALSE(error_of("[]").empty());
  EXPECT_FALSE(error_of("").empty());
}

TEST(Coverage, WantsEveryElementOnce) {
  EXPECT_EQ(check_coverage(small_manifest()).verdict, Coverage::complete);
  Manifest missing = small_manifest();
  missing.files[2].tensors.erase(missing.files[2].tensors.begin());
  EXPECT_EQ(check_coverage(missing).why, "elements [4, 6) of m.a are missing");
  Manifest overlap = small_manifest();
  overlap.files[2].tensors[0] = piece("m.a", 0, 3, 6);
  EXPECT_EQ(check_coverage(overlap).why, "elements [3, 4) of m.a are stored twice");
  Manifest stranger = small_manifest();
  stranger.files[2].tensors.push_back(piece("m.c", 48, 200, 204));
  EXPECT_EQ(check_coverage(stranger).verdict, Coverage::wrong);
  Manifest no_master = small_manifest();
  no_master.master = "optim";
  EXPECT_EQ(check_coverage(no_master).why, "master.a is missing");
}

TEST(Coverage, ComparesReplicas) {
  Manifest manifest = small_manifest();
  FileRecord copy = manifest.files[1];
  copy.name = "optim-00003-of-00003.safetensors";
  manifest.files.push_back(copy);
  EXPECT_EQ(check_coverage(manifest).verdict, Coverage::complete);
  manifest.files.back().tensors[1].hash = {2, 2};
  const CoverageReport report = check_coverage(manifest);
  EXPECT_EQ(report.verdict, Coverage::replicas_differ);
  EXPECT_EQ(report.why, "replicas of v.a differ in [0, 4)");
}

TEST(StepDirectory, NamesAreCanonical) {
  EXPECT_EQ(step_directory_name(1234), "step-000001234");
  EXPECT_EQ(step_of_directory("step-000001234"), 1234);
  EXPECT_EQ(step_of_directory(step_directory_name(12345678901)), 12345678901);
  for (const char* name : {"step-1234", "step-0000001234", "step-000001234.tmp-1-2", "step-",
                           "latest", "step-00000123x", "step--00001234"}) {
    EXPECT_EQ(step_of_directory(name), -1) << name;
  }
}

TEST(OptimName, SplitsKindFromParameter) {
  EXPECT_EQ(split_optim_name("m.model.norm.weight").kind, "m");
  EXPECT_EQ(split_optim_name("m.model.norm.weight").parameter, "model.norm.weight");
  EXPECT_EQ(split_optim_name("master.a").kind, "master");
  EXPECT_EQ(split_optim_name("model.norm.weight").kind, "");
  EXPECT_EQ(split_optim_name("m.").kind, "");
}

}  // namespace
}  // namespace ballast
