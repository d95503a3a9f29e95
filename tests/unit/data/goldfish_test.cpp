#include "libcore/data/goldfish.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "libcore/base/rng.h"
#include "libcore/io/json.h"

namespace ballast {
namespace {

std::vector<size_t> dropped(const std::string& spec, const std::vector<int32_t>& labels) {
  const Goldfish goldfish = Goldfish::parse(spec).take_value();
  std::vector<uint8_t> drop(labels.size());
  goldfish.mask(labels, drop);
  std::vector<size_t> list;
  for (size_t i = 0; i < drop.size(); ++i)
    if (drop[i] != 0) list.push_back(i);
  return list;
}

TEST(Goldfish, TableIsTheOneOfTheReference) {
  const std::vector<float> table = goldfish_table();
  ASSERT_EQ(table.size(), 1000003u);
  const std::vector<int64_t> first = {3920565, 7403182, 12434395, 15255051, 11934008, 18878};
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(static_cast<int64_t>(table[i] * 0x1p24f), first[i]);
  EXPECT_NEAR(static_cast<double>(table[0]), 0.2336838841, 1e-9);
  EXPECT_NEAR(static_cast<double>(table[5]), 0.0011252165, 1e-9);
  EXPECT_NEAR(static_cast<double>(table.back()), 0.8360067606, 1e-9);
  const std::vector<std::pair<int64_t, int64_t>> hits = {
      {2, 499238}, {3, 332314}, {4, 249533}, {8, 124996}, {32, 31024}, {50, 19901}, {128, 7746}};
  for (const auto& [k, count] : hits) {
    const float limit = static_cast<float>(1.0 / static_cast<double>(k));
    EXPECT_EQ(std::ranges::count_if(table, [&](float x) { return x < limit; }), count) << k;
  }
}

TEST(Goldfish, ApertusModeFollowsTheMiniTest) {
  const std::vector<int32_t> labels = {5, 7, 11, 2, 13, 17, 19, 23, 3, 29, 31, 37};
  EXPECT_EQ(dropped("k=4,h=3,mode=apertus", labels), (std::vector<size_t>{7, 8}));
}

// The largest k that drops a label and the next one give away the table entry of its window.
TEST(Goldfish, ApertusModeFindsThePublishedKeys) {
  const std::vector<int32_t> labels = {5, 7, 11, 2, 13, 17, 19, 23, 3, 29, 31, 37};
  const std::vector<size_t> keys = {385, 154, 286, 442, 4199, 7429, 1311, 2001, 2697, 33263};
  const std::vector<float> table = goldfish_table();
  EXPECT_NEAR(static_cast<double>(table[keys[5]]), .09093, 5e-6);
  EXPECT_NEAR(static_cast<double>(table[keys[6]]), .177747, 5e-7);
  for (size_t i = 0; i < keys.size(); ++i) {
    const int largest = static_cast<int>(1 / table[keys[i]]);
    for (const int k : {largest, largest + 1}) {
      if (k < 2) continue;
      const auto list = dropped("k=" + std::to_string(k) + ",h=3,mode=apertus", labels);
      EXPECT_EQ(std::ranges::count(list, i + 2), k == largest ? 1 : 0) << keys[i] << " k=" << k;
    }
  }
}

TEST(Goldfish, ApertusModeNeverDropsAWindowWhoseProductIsZero) {
  const std::vector<int32_t> labels(300, 2);  // 2^64 and more: 0
  EXPECT_TRUE(dropped("k=50,h=64,mode=apertus", labels).empty());
  EXPECT_EQ(dropped("k=4,h=64,mode=apertus", labels).size(), 300u - 63);  // H[0] = 0.2337 < 1/4
}

TEST(Goldfish, ApertusModeTakesTheFloorOfNegativeProducts) {
  // 3^41 wraps to a negative number; the key is worked out in wide integers.
  const std::vector<float> table = goldfish_table();
  __int128 power = 1;
  for (int i = 0; i < 41; ++i) power = power * 3 % (static_cast<__int128>(1) << 64);
  ASSERT_GE(power, static_cast<__int128>(1) << 63);
  const __int128 negative = power - (static_cast<__int128>(1) << 64);
  const auto key = static_cast<size_t>((negative % 1000003 + 1000003) % 1000003);
  const std::vector<int32_t> labels(41, 3);
  for (const int k : {2, 3, 5, 9, 100})
    EXPECT_EQ(dropped("k=" + std::to_string(k) + ",h=41,mode=apertus", labels).size(),
              table[key] < 1.0f / static_cast<float>(k) ? 1u : 0u);
}

// The masks of tests/golden/data/make_goldfish.py, from PyTorch's generator and its int64 products.
TEST(Goldfish, DropsWhatPyTorchDrops) {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/data/goldfish.json";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const Json golden = parse_json(text.str(), path).take_value();
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < golden.at("labels").get<int64_t>(); ++i)
    labels.push_back(static_cast<int32_t>((i * i * 7919 + i * 104729 + 12345) % 131071 + 1));
  ASSERT_EQ(golden.at("cases").size(), 7u);
  for (const Json& c : golden.at("cases")) {
    const auto wanted = c.at("dropped").get<std::vector<size_t>>();
    EXPECT_FALSE(wanted.empty());
    EXPECT_EQ(dropped(c.at("spec").get<std::string>(), labels), wanted) << c.at("spec");
  }
}

TEST(Goldfish, StaticModeDropsEveryKth) {
  const std::vector<int32_t> labels(10, 1);
  EXPECT_EQ(dropped("k=4,mode=static", labels), (std::vector<size_t>{0, 4, 8}));
  EXPECT_EQ(dropped("k=4,mode=static,start=3", labels), (std::vector<size_t>{3, 7}));
}

std::vector<int32_t> ids(size_t n, uint64_t seed) {
  std::vector<int32_t> list;
  for (size_t i = 0; i < n; ++i)
    list.push_back(static_cast<int32_t>(random_u64(seed, 1, i) % 131072));
  return list;
}

TEST(Goldfish, FixedModeDropsOneInKWhateverTheWindow) {
  const size_t n = 200000;
  for (const int64_t k : {2, 4, 50}) {
    for (const int64_t h : {1, 13, 50}) {
      const auto list = dropped("k=" + std::to_string(k) + ",h=" + std::to_string(h), ids(n, 7));
      const double rate = static_cast<double>(list.size()) / static_cast<double>(n);
      const double share = 1 / static_cast<double>(k);
      EXPECT_NEAR(rate, share, 5 * std::sqrt(share * (1 - share) / static_cast<double>(n)))
          << k << " " << h;
      EXPECT_TRUE(list.empty() || list.front() + 1 >= static_cast<size_t>(h));
    }
  }
}

// One window in ten has a product of 0 mod 2^64, whose entry of the table is above 1/50 and below
// 1/4: the share that is dropped is not 1/k. This is why another mode is the default.
TEST(Goldfish, ApertusModeMissesItsShareOnLongWindows) {
  const size_t n = 200000;
  const auto share = [&](const std::string& spec) {
    return static_cast<double>(dropped(spec + ",mode=apertus", ids(n, 7)).size()) /
           static_cast<double>(n);
  };
  EXPECT_NEAR(share("k=50,h=50"), 0.0163, 0.001);
  EXPECT_NEAR(share("k=4,h=50"), 0.33, 0.01);
  EXPECT_NEAR(share("k=50,h=4"), 0.02, 0.002);
}

TEST(Goldfish, FixedModeDropsTheSameLabelsOfTheSamePassageAnywhere) {
  const std::vector<int32_t> passage = ids(300, 3);
  std::vector<int32_t> row = ids(500, 4);
  std::copy(passage.begin(), passage.end(), row.begin() + 117);
  std::vector<size_t> alone, inside;
  for (const size_t i : dropped("k=4,h=13", passage))
    if (i >= 12) alone.push_back(i);
  for (const size_t i : dropped("k=4,h=13", row))
    if (i >= 117 + 12 && i < 417) inside.push_back(i - 117);
  EXPECT_EQ(alone, inside);
  EXPECT_GT(alone.size(), 40u);
}

TEST(Goldfish, FixedModeSeesOrderAndEveryIdOfTheWindow) {
  std::vector<int32_t> row = ids(4000, 5), other = row;
  for (size_t i = 0; i < other.size(); i += 13) other[i] ^= 1;
  EXPECT_NE(dropped("k=4,h=13", row), dropped("k=4,h=13", other));
  std::swap(row[2000], row[2001]);
  EXPECT_NE(dropped("k=2,h=50", row), dropped("k=2,h=50", ids(4000, 5)));
}

TEST(Goldfish, SpecsReadBackAndBadOnesAreRefused) {
  for (const std::string spec : {"k=50,h=50", "k=4,mode=static,start=2", "k=4,h=13,mode=apertus"}) {
    const std::string full = Goldfish::parse(spec)->spec();
    EXPECT_EQ(Goldfish::parse(full)->spec(), full);
  }
  for (const std::string spec : {"k=1", "h=0", "mode=other", "k=4,mode=static,h=3", "k=4,start=1",
                                 "k=4,mode=static,start=4", "x=1", "50"})
    EXPECT_FALSE(Goldfish::parse(spec).ok()) << spec;
}

}  // namespace
}  // namespace ballast
