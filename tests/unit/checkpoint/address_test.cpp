#include "libcore/checkpoint/address.h"

#include <gtest/gtest.h>

#include "libcore/checkpoint/journal.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

TEST(Address, ReadsEveryForm) {
  EXPECT_EQ(parse_address("run/a")->base, "run/a");
  EXPECT_EQ(parse_address("run/a/")->base, "run/a");
  EXPECT_EQ(parse_address("run@latest")->kind, Address::Kind::newest);
  const Address step = *parse_address("me@host/run@120");
  EXPECT_EQ(step.base, "me@host/run");
  EXPECT_EQ(step.kind, Address::Kind::step);
  EXPECT_EQ(step.first, 120);
  EXPECT_EQ(parse_address("run@pin:good.1")->pin, "good.1");
  const Address range = *parse_address("run@10..20");
  EXPECT_EQ(range.kind, Address::Kind::range);
  EXPECT_EQ(range.first, 10);
  EXPECT_EQ(range.last, 20);
  EXPECT_EQ(parse_address("run@..20")->first, 0);
  EXPECT_EQ(parse_address("run@10..")->last, INT64_MAX);
}

TEST(Address, RefusesWhatItCannotRead) {
  for (const char* text : {"", "@5", "run@", "run@x", "run@-5", "run@5x", "run@20..10",
                           "run@1..2..3", "run@pin:", "run@pin:../x", "run@99999999999999999999"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().kind, ErrorKind::usage);
  }
}

class Addresses : public ::testing::Test {
 protected:
  Addresses() {
    for (const int64_t step : {100, 200, 300}) EXPECT_TRUE(save_tiny(fs, "run", step).ok());
  }
  int64_t step_at(const std::string& address) {
    const auto ref = resolve_checkpoint(fs, address);
    EXPECT_TRUE(ref.ok()) << ref.error().message();
    return ref.ok() ? ref->step : -1;
  }
  MemoryFileSystem fs;
};

TEST_F(Addresses, NameCheckpoints) {
  EXPECT_EQ(step_at("run"), 300);
  EXPECT_EQ(step_at("run@latest"), 300);
  EXPECT_EQ(step_at("run@200"), 200);
  EXPECT_EQ(step_at("run/ckpt/step-000000100"), 100);
  EXPECT_EQ(resolve_checkpoint(fs, "run/ckpt/step-000000100")->run, "run");
  ASSERT_TRUE(write_pin(fs, "run", {"good", "ckpt/step-000000200"}).ok());
  EXPECT_EQ(step_at("run@pin:good"), 200);
  EXPECT_EQ(resolve_checkpoints(fs, "run@150..")->size(), 2u);
  EXPECT_EQ(resolve_checkpoints(fs, "run@..")->size(), 3u);
  EXPECT_EQ(resolve_checkpoints(fs, "run")->size(), 1u);
}

TEST_F(Addresses, SayWhatThereIs) {
  const auto missing = resolve_checkpoint(fs, "run@150");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().message(),
            "no checkpoint of step 150: run (complete are 100, 200, 300)");
  EXPECT_FALSE(resolve_checkpoint(fs, "run@100..200").ok());
  EXPECT_FALSE(resolve_checkpoint(fs, "nowhere").ok());
  EXPECT_FALSE(resolve_checkpoint(fs, "run@pin:none").ok());
}

TEST_F(Addresses, NewestPassesOverDamageAndIgnoresThePointer) {
  ASSERT_TRUE(write_latest(fs, "run", "step-000000100").ok());
  EXPECT_EQ(step_at("run@latest"), 300);
  ASSERT_TRUE(fs.remove("run/ckpt/step-000000300/manifest.json").ok());
  EXPECT_EQ(step_at("run"), 200);
  ASSERT_TRUE(fs.truncate("run/ckpt/step-000000200/state.json", 5).ok());
  EXPECT_EQ(step_at("run"), 100);
  const auto entries = *list_checkpoints(fs, "run");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_TRUE(entries[0].complete);
  EXPECT_NE(entries[1].why.find("another size"), std::string::npos) << entries[1].why;
  EXPECT_NE(entries[2].why.find("no manifest"), std::string::npos) << entries[2].why;
}

TEST_F(Addresses, NewestStopsAtAPendingRollback) {
  const Json fields = {{"step", 200},    {"segment", 1},          {"parent_segment", 0},
                       {"abandoned", 0}, {"skip", Json::array()}, {"reason", "test"}};
  ASSERT_TRUE(append_journal(fs, "run", "rollback", fields).ok());
  EXPECT_EQ(step_at("run"), 200);  // although step 300 has not been moved yet
}

TEST_F(Addresses, PinsComeAndGo) {
  ASSERT_TRUE(write_pin(fs, "run", {"a", "ckpt/step-000000100"}).ok());
  ASSERT_TRUE(write_pin(fs, "run", {"a", "ckpt/step-000000200"}).ok());
  ASSERT_EQ(read_pins(fs, "run")->size(), 1u);
  EXPECT_EQ(read_pins(fs, "run")->front().directory, "ckpt/step-000000200");
  EXPECT_EQ(list_checkpoints(fs, "run")->at(1).pins, (std::vector<std::string>{"a"}));
  EXPECT_FALSE(write_pin(fs, "run", {"../x", "ckpt/step-000000200"}).ok());
  EXPECT_TRUE(remove_pin(fs, "run", "a").ok());
  EXPECT_FALSE(remove_pin(fs, "run", "a").ok());
}

}  // namespace
}  // namespace ballast
