// A checkpoint that several ranks write together holds what one of them alone would have saved, and
// a rank reads its shard of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "libcore/checkpoint/address.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

class Parts : public testing::TestWithParam<int> {
 protected:
  Parts() { EXPECT_TRUE(fs.make_directories("run").ok()); }
  MemoryFileSystem fs;
  TinyState whole{7};
};
INSTANTIATE_TEST_SUITE_P(Ranks, Parts, testing::Values(1, 2, 3, 5, 40));

TEST_P(Parts, HoldTheWholeState) {
  const FlatCut cut(whole.table, GetParam());
  const TrainState state = tiny_train_state(7);
  const auto directory = begin_checkpoint(fs, "run", whole.table, whole.flat(), state);
  ASSERT_TRUE(directory.ok()) << directory.error().message();
  std::vector<FileRecord> records;
  for (int rank = 0; rank < GetParam(); ++rank) {
    // What the rank does not own is wrong in its buffers, and must not be looked at.
    TinyState own = whole;
    for (auto* states : {&own.m, &own.v}) {
      std::vector<float> kept(states->size(), -1);
      for (const FlatRange& range : cut.shard(rank))
        std::copy(states->begin() + range.begin, states->begin() + range.end,
                  kept.begin() + range.begin);
      *states = kept;
    }
    auto part =
        write_optim_part(fs, *directory, own.table, own.flat(), rank, GetParam(), cut.shard(rank));
    ASSERT_TRUE(part.ok()) << part.error().message();
    auto told = parse_file_record(file_record_text(*part), "a rank");
    ASSERT_TRUE(told.ok()) << told.error().message();
    EXPECT_EQ(*told, *part);
    records.push_back(told.take_value());
  }
  const auto saved = finish_checkpoint(fs, "run", *directory, tiny_config(), whole.table,
                                       whole.flat(), state, records);
  ASSERT_TRUE(saved.ok()) << saved.error().message();
  EXPECT_TRUE(check_complete(fs, saved->path).ok());
  TinyState loaded(1);
  const auto read = load_tiny(fs, saved->path, loaded);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_TRUE(loaded == whole);
}

TEST_P(Parts, AreReadByTheirOwnersOnly) {
  const auto saved =
      save_checkpoint(fs, "run", tiny_config(), whole.table, whole.flat(), tiny_train_state(7));
  ASSERT_TRUE(saved.ok());
  const FlatCut cut(whole.table, GetParam());
  for (int rank = 0; rank < GetParam(); ++rank) {
    const std::vector<FlatRange> own = cut.shard(rank);
    TinyState loaded(1);
    std::ranges::fill(loaded.m, -1.0f);
    MutableFlatState flat = {loaded.master.data(), loaded.m.data(), loaded.v.data()};
    flat.keep = &own;
    ASSERT_TRUE(load_checkpoint(fs, saved->path, loaded.table, flat).ok());
    EXPECT_EQ(loaded.master, whole.master);
    size_t next = 0;
    for (int64_t i = 0; i < whole.table.flat_size; ++i) {
      while (next < own.size() && own[next].end <= i) ++next;
      const bool mine = next < own.size() && own[next].begin <= i;
      const auto at = static_cast<size_t>(i);
      ASSERT_EQ(loaded.m[at], mine ? whole.m[at] : -1.0f) << i;
    }
  }
}

TEST_P(Parts, AMissingPartIsNoCompleteState) {
  const FlatCut cut(whole.table, GetParam());
  const TrainState state = tiny_train_state(7);
  const auto directory = begin_checkpoint(fs, "run", whole.table, whole.flat(), state);
  ASSERT_TRUE(directory.ok());
  const auto saved =
      finish_checkpoint(fs, "run", *directory, tiny_config(), whole.table, whole.flat(), state, {});
  ASSERT_TRUE(saved.ok());
  TinyState loaded(1);
  EXPECT_EQ(load_tiny(fs, saved->path, loaded).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace ballast
