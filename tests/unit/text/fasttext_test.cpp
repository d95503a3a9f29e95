// Against the library's own answers (tests/golden/fasttext/make_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "libcore/io/json.h"
#include "libcore/text/fasttext/fasttext_model.h"
#include "tests/support/bytes_file.h"

namespace ballast {
namespace {

constexpr const char* kModels[] = {"softmax.bin", "hs.bin", "ova.bin", "pruned.ftz", "qout.ftz"};

std::string golden_path(const std::string& name) {
  return std::string(BALLAST_SOURCE_DIR) + "/tests/golden/fasttext/" + name;
}
std::string golden_bytes(const std::string& name) {
  std::ifstream in(golden_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::unique_ptr<FastTextModel> golden_model(const std::string& name) {
  return FastTextModel::load(posix_file_system(), golden_path(name)).take_value();
}
Result<std::unique_ptr<FastTextModel>> read_bytes(std::string bytes) {
  BytesFile file(std::move(bytes));
  return FastTextModel::read(file, "model");
}

// A probability of the library went through some hundred float additions and a few logarithms.
constexpr double kTolerance = 2e-5;

TEST(FastText, SaysWhatTheLibrarySays) {
  std::ifstream lines(golden_path("expected.jsonl"));
  std::map<std::string, std::unique_ptr<FastTextModel>> models;
  for (const char* name : kModels) models[name] = golden_model(name);
  FastTextBuffers buffers;
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json wanted = parse_json(line, "expected.jsonl").take_value();
    const FastTextModel& model = *models.at(wanted.at("model").get<std::string>());
    const auto text = wanted.at("text").get<std::string>();
    const FastTextPrediction best = model.predict(text, buffers);
    const Json& scores = wanted.at("scores");
    if (scores.empty()) {
      EXPECT_EQ(best.label, -1) << line;
      continue;
    }
    double most = 0;
    for (size_t i = 0; i < model.labels().size(); ++i) {
      // What is improbable beyond the library's cut is left out there.
      const auto found = scores.find(model.labels()[i]);
      const double want = found == scores.end() ? 0 : found->get<double>();
      EXPECT_NEAR(buffers.scores[i], want, kTolerance) << line << model.labels()[i];
      most = std::max(most, want);
      ++compared;
    }
    ASSERT_GE(best.label, 0);
    EXPECT_NEAR(best.score, most, kTolerance);
    EXPECT_NEAR(scores.at(model.labels()[static_cast<size_t>(best.label)]).get<double>(), most,
                kTolerance);
  }
  EXPECT_GT(compared, 3000);
}

TEST(FastText, LineFeedsPartWordsAndTheEndOfSentenceEndsTheText) {
  const auto model = golden_model("softmax.bin");
  FastTextBuffers one, two;
  model->predict("the river\nHaus", one);
  model->predict("the river Haus", two);
  EXPECT_EQ(one.scores, two.scores);
  // fastText 0.9.2 gives both 1.00000811 for en, and the words behind the mark alone 0.98684043 for
  // de.
  model->predict("the </s> Haus Haus Haus Haus Haus Haus", one);
  model->predict("the", two);
  EXPECT_EQ(one.scores, two.scores);
}

TEST(FastText, OneModelServesThreads) {
  const auto model = golden_model("pruned.ftz");
  FastTextBuffers alone;
  model->predict("les enfants et le pain", alone);
  std::vector<FastTextBuffers> buffers(4);
  std::vector<std::thread> threads;
  for (FastTextBuffers& own : buffers) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) model->predict("les enfants et le pain", own);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const FastTextBuffers& own : buffers) EXPECT_EQ(own.scores, alone.scores);
}

TEST(FastText, TruncatedFilesAreRefused) {
  for (const char* name : kModels) {
    const std::string bytes = golden_bytes(name);
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 40) {
      const auto model = read_bytes(bytes.substr(0, size));
      ASSERT_FALSE(model.ok()) << name << size;
      EXPECT_EQ(model.error().kind, ErrorKind::corrupt);
    }
    EXPECT_FALSE(read_bytes(bytes + "x").ok());
  }
}

TEST(FastText, LengthsThatTheFileDoesNotHaveAreRefused) {
  const std::string bytes = golden_bytes("softmax.bin");
  const auto with = [&](size_t offset, int32_t value) {
    std::string changed = bytes;
    std::memcpy(changed.data() + offset, &value, sizeof value);
    return read_bytes(changed).ok();
  };
  EXPECT_TRUE(with(8, 8));  // the dimension as it is
  constexpr int32_t kHuge = 0x7FFFFFFF;
  EXPECT_FALSE(with(0, 1));      // magic
  EXPECT_FALSE(with(4, 99));     // version
  EXPECT_FALSE(with(8, kHuge));  // dimension
  EXPECT_FALSE(with(8, 0));
  EXPECT_FALSE(with(32, 9));  // loss
  EXPECT_FALSE(with(36, 1));  // not supervised
  EXPECT_FALSE(with(40, 0));  // buckets
  EXPECT_FALSE(with(40, kHuge));
  EXPECT_FALSE(with(48, kHuge));  // longest n-gram
  EXPECT_FALSE(with(64, kHuge));  // dictionary
  EXPECT_FALSE(with(68, -1));     // words
  EXPECT_FALSE(with(72, 0));      // labels
}

}  // namespace
}  // namespace ballast
