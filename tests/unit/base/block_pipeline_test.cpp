#include "libcore/base/block_pipeline.h"

#include <gmock/gmock.h>

#include <atomic>
#include <new>

namespace ballast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Number {
  int64_t value = -1;
  bool worked = false;
};

// Gives 0, 1, 2, ... and writes down what it is given back.
class Counter final : public BlockStream<Number> {
 public:
  struct Script {
    int64_t blocks = 0;
    int64_t read_fails_at = -1, take_fails_at = -1;
    int64_t read_throws_at = -1, work_throws_at = -1, take_throws_at = -1;
    std::vector<int64_t> taken = {};
    std::atomic<int>* alive = nullptr;
    std::atomic<int>* most = nullptr;
    bool torn = false;  // two calls at a time that must not be, or an unworked block
  };
  explicit Counter(Script& script) : script_(script) {}

  Result<bool> read(Number& block) override {
    if (reading_.exchange(true)) script_.torn = true;
    const int64_t value = next_++;
    block.value = value;
    reading_ = false;
    if (value == script_.read_throws_at) throw std::bad_alloc();
    if (value == script_.read_fails_at) return io_error("unreadable");
    if (value >= script_.blocks) return false;
    const int now = ++*script_.alive;
    for (int most = *script_.most; most < now && !script_.most->compare_exchange_weak(most, now);) {
    }
    return true;
  }
  void work(Number& block, int) override {
    if (block.value == script_.work_throws_at) throw std::bad_alloc();
    block.worked = true;
  }
  Result<void> take(Number& block) override {
    if (taking_.exchange(true) || !block.worked) script_.torn = true;
    taking_ = false;
    --*script_.alive;
    if (block.value == script_.take_throws_at) throw std::bad_alloc();
    if (block.value == script_.take_fails_at) return io_error("full");
    script_.taken.push_back(block.value);
    return {};
  }

 private:
  Script& script_;
  int64_t next_ = 0;
  std::atomic<bool> reading_{false}, taking_{false};
};

class BlockPipelineTest : public testing::TestWithParam<int> {
 protected:
  std::vector<BlockPipeline<Number>::Failure> run(std::vector<Counter::Script>& scripts) {
    ThreadPool pool(GetParam());
    size_t next = 0;
    for (Counter::Script& script : scripts) {
      script.alive = &alive_;
      script.most = &most_;
    }
    BlockPipeline<Number> pipeline(pool, [&]() -> std::unique_ptr<BlockStream<Number>> {
      return next == scripts.size() ? nullptr : std::make_unique<Counter>(scripts[next++]);
    });
    return pipeline.run();
  }
  static std::vector<int64_t> first(int64_t count) {
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
  }
  std::atomic<int> alive_{0}, most_{0};
};

TEST_P(BlockPipelineTest, TakesEveryBlockOfEveryStreamOnceAndInOrder) {
  std::vector<Counter::Script> scripts(9);
  for (size_t i = 0; i < scripts.size(); ++i) scripts[i].blocks = static_cast<int64_t>(i * 37);
  EXPECT_THAT(run(scripts), IsEmpty());
  for (const Counter::Script& script : scripts) {
    EXPECT_EQ(script.taken, first(script.blocks));
    EXPECT_FALSE(script.torn);
  }
}

TEST_P(BlockPipelineTest, HoldsFewBlocksAtATime) {
  std::vector<Counter::Script> scripts(4);
  for (Counter::Script& script : scripts) script.blocks = 1000;
  EXPECT_THAT(run(scripts), IsEmpty());
  EXPECT_LE(most_, 2 * GetParam() + 1);
}

TEST_P(BlockPipelineTest, TakesWhatWasReadBeforeAnErrorAndGoesOnWithOtherStreams) {
  std::vector<Counter::Script> scripts(3);
  for (Counter::Script& script : scripts) script.blocks = 100;
  scripts[0].read_fails_at = 40;
  scripts[2].take_fails_at = 7;
  const auto failures = run(scripts);
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].stream, 0);
  EXPECT_EQ(failures[0].error.what, "unreadable");
  EXPECT_EQ(failures[1].stream, 2);
  EXPECT_EQ(failures[1].error.what, "full");
  EXPECT_EQ(scripts[0].taken, first(40));
  EXPECT_EQ(scripts[1].taken, first(100));
  EXPECT_EQ(scripts[2].taken, first(7));
}

// As when memory runs out: every thread comes to an end, and the caller learns of it.
TEST_P(BlockPipelineTest, ThrowsWhatACallThrows) {
  for (const auto thrower : {&Counter::Script::read_throws_at, &Counter::Script::work_throws_at,
                             &Counter::Script::take_throws_at})
    for (const int64_t at : {0, 40}) {
      std::vector<Counter::Script> scripts(3);
      for (Counter::Script& script : scripts) script.blocks = 100;
      scripts[1].*thrower = at;
      EXPECT_THROW(run(scripts), std::bad_alloc);
    }
}

TEST_P(BlockPipelineTest, EndsWithoutStreams) {
  std::vector<Counter::Script> scripts;
  EXPECT_THAT(run(scripts), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Threads, BlockPipelineTest, testing::Values(1, 2, 3, 8));

}  // namespace
}  // namespace ballast
