#include "libcore/provenance/segment_data.h"

#include <gtest/gtest.h>

#include "libcore/guard/interventions.h"

namespace ballast {
namespace {

using Ranges = std::vector<SkipRange>;

class Journal {
 public:
  Journal& add(const std::string& event, Json fields) {
    JournalRecord record;
    record.seq = static_cast<int64_t>(contents.records.size()) + 1;
    record.event = event;
    record.object = std::move(fields);
    record.object["event"] = event;
    contents.records.push_back(std::move(record));
    return *this;
  }
  JournalContents contents;
};

Segment segment(int64_t id, std::optional<int64_t> parent = {}, int64_t parent_step = 0) {
  Segment made;
  made.id = id;
  made.parent = parent;
  if (parent) made.parent_step = parent_step;
  return made;
}

Json way_back(int64_t step, int64_t fork, int64_t segment, int64_t parent, Json skip,
              const Interventions& interventions = {}) {
  return {{"step", step},
          {"fork", fork},
          {"segment", segment},
          {"parent_segment", parent},
          {"abandoned", 0},
          {"skip", std::move(skip)},
          {"reason", "guard"},
          {"ladder", Json::object()},
          {"interventions", interventions_json(interventions)}};
}
Json guarded(int64_t step, int64_t segment) {
  return {{"step", step}, {"segment", segment}, {"reason", "guard"}};
}

std::vector<SegmentData> follow(const Journal& journal, const std::vector<Segment>& segments,
                                const Json& law = Json::object(), const DataState& origin = {}) {
  return follow_segments(journal.contents, segments, law, origin).take_value();
}

TEST(SegmentData, ARangeThatTheGuardPassedOverCountsFromItsFork) {
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", way_back(40, 55, 1, 0, {{240, 260}}))
      .add("resume", guarded(40, 1));
  const auto all = follow(journal, {segment(0), segment(1, 0, 40)});
  EXPECT_EQ(all[0].before(50).skips, Ranges());
  EXPECT_EQ(all[1].before(55).skips, Ranges());
  EXPECT_EQ(all[1].before(56).skips, (Ranges{{240, 260}}));
}

TEST(SegmentData, AForkIsTakenAgainOnTheWayFromAnOlderState) {
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", way_back(20, 20, 1, 0, {{80, 88}}))
      .add("resume", guarded(20, 1))
      .add("rollback", way_back(0, 24, 2, 0, {{80, 88}, {100, 112}}))
      .add("resume", guarded(0, 2));
  const auto all = follow(journal, {segment(0), segment(1, 0, 20), segment(2, 0, 0)});
  EXPECT_EQ(all[2].before(20).skips, Ranges());
  EXPECT_EQ(all[2].before(21).skips, (Ranges{{80, 88}}));
  EXPECT_EQ(all[2].before(25).skips, (Ranges{{80, 88}, {100, 112}}));
}

TEST(SegmentData, ALaterWayBackReplacesForksAtOrAfterItsOwn) {
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", way_back(20, 30, 1, 0, {{120, 140}}))
      .add("resume", guarded(20, 1))
      .add("rollback", way_back(20, 25, 2, 0, Json::array()))
      .add("resume", guarded(20, 2));
  const auto all = follow(journal, {segment(0), segment(1, 0, 20), segment(2, 0, 20)});
  EXPECT_EQ(all[1].before(31).skips, (Ranges{{120, 140}}));
  EXPECT_EQ(all[2].before(99).skips, Ranges());
}

TEST(SegmentData, ARepeatedStepChangesNothing) {
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", way_back(20, 20, 1, 0, {{80, 88}}))
      .add("resume", guarded(20, 1))
      .add("replay", {{"step", 33}, {"segment", 2}, {"ladder", Json::object()}});
  const auto all = follow(journal, {segment(0), segment(1, 0, 20), segment(2, 1, 32)});
  EXPECT_EQ(all[2].before(33).skips, (Ranges{{80, 88}}));
}

TEST(SegmentData, AnOperatorsRangeCountsAtOnceAndStays) {
  Journal journal;
  Json rollback = way_back(40, 0, 1, 0, {{300, 320}});
  for (const char* key : {"fork", "ladder", "interventions"}) rollback.erase(key);
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", rollback)
      .add("resume", {{"step", 40}, {"segment", 1}})
      .add("resume", {{"step", 60}, {"segment", 2}})
      .add("resume", {{"step", 40}, {"segment", 3}});
  const auto all =
      follow(journal, {segment(0), segment(1, 0, 40), segment(2, 1, 60), segment(3, 0, 40)});
  EXPECT_EQ(all[0].before(99).skips, Ranges());
  EXPECT_EQ(all[1].before(41).skips, (Ranges{{300, 320}}));
  EXPECT_EQ(all[2].before(61).skips, (Ranges{{300, 320}}));
  EXPECT_EQ(all[3].before(41).skips, (Ranges{{300, 320}}));  // the way back is not forgotten
}

TEST(SegmentData, ADroppedSourceBelongsToTheSegmentThatItsForkBegan) {
  Interventions without;
  without.dropped = {{"web", 120}};
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("rollback", way_back(20, 30, 1, 0, Json::array(), without))
      .add("resume", guarded(20, 1))
      .add("fork", {{"step", 30}, {"segment", 2}});
  const auto all = follow(journal, {segment(0), segment(1, 0, 20), segment(2, 1, 30)});
  EXPECT_TRUE(all[1].start.dropped.empty());
  EXPECT_EQ(all[2].start.dropped, without.dropped);
}

TEST(SegmentData, TheLawOfASegmentIsThatOfItsTime) {
  const Json one = {{{"first_sample", 100}, {"weights", {1, 2}}}};
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}})
      .add("resume", {{"step", 20}, {"segment", 1}})
      .add("change", {{"step", 20}, {"key", "phases"}, {"from", nullptr}, {"to", one}})
      .add("replay", {{"step", 30}, {"segment", 2}, {"ladder", Json::object()}});
  // A checkpoint of segment 0, and one of segment 2: both lead to the same.
  for (const Json& law : {Json{{"seq_len", 8}}, Json{{"seq_len", 8}, {"phases", one}}}) {
    const auto all = follow(journal, {segment(0), segment(1, 0, 20), segment(2, 1, 29)}, law);
    EXPECT_FALSE(all[0].law.contains("phases"));
    EXPECT_EQ(all[1].law.at("phases"), one);
    EXPECT_EQ(all[2].law.at("phases"), one);
    EXPECT_EQ(all[2].law.at("seq_len"), 8);
  }
}

TEST(SegmentData, ABranchBeginsWithWhatItsOriginHadPassedOver) {
  Journal journal;
  journal.add("start", {{"step", 50}, {"segment", 0}});
  DataState origin;
  origin.skips = {{10, 20}};
  EXPECT_EQ(follow(journal, {segment(0)}, Json::object(), origin)[0].before(51).skips,
            origin.skips);
}

TEST(SegmentData, ASegmentThatTheJournalDoesNotKnowIsRefused) {
  Journal journal;
  journal.add("start", {{"step", 0}, {"segment", 0}});
  const auto unknown =
      follow_segments(journal.contents, {segment(0), segment(7, 0, 3)}, Json::object(), {});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace ballast
