// Verdicts of google/robotstxt and of Protego on random files, stored by
// tests/golden/robots/agree.py; and the promises of google/robotstxt and the examples of RFC 9309,
// stored by tests/golden/robots/published.py.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "libcore/base/ascii.h"
#include "libcore/io/json.h"
#include "libcore/text/robots_policy.h"

namespace ballast {
namespace {

// The file's bytes are stored one per code point.
std::string bytes_of(const std::string& stored) {
  std::string bytes;
  for (size_t i = 0; i < stored.size(); ++i) {
    auto c = static_cast<unsigned char>(stored[i]);
    if (c >= 0x80) c = static_cast<unsigned char>((c & 0x1F) << 6 | (stored[++i] & 0x3F));
    bytes += static_cast<char>(c);
  }
  return bytes;
}

// Bit `i` of a number in hexadecimal digits.
bool bit_of(const std::string& digits, size_t i) {
  size_t from_end = i / 4;
  if (from_end >= digits.size()) return false;
  return (hex_digit(digits[digits.size() - 1 - from_end]) >> (i % 4) & 1) != 0;
}

std::ifstream open_golden(const std::string& name) {
  return std::ifstream(std::string(BALLAST_SOURCE_DIR) + "/tests/golden/robots/" + name);
}

int64_t differences(RobotsMode mode) {
  std::ifstream file = open_golden("verdicts.jsonl");
  int64_t wrong = 0, questions = 0, disallowed = 0;
  for (std::string line; std::getline(file, line);) {
    Json record = Json::parse(line);
    std::string robots = bytes_of(record["robots"].get<std::string>());
    auto agents = record["agents"].get<std::vector<std::string>>();
    auto urls = record["urls"].get<std::vector<std::string>>();
    auto digits = record[robots_mode_name(mode)].get<std::string>();
    RobotsPolicy policy(robots, agents, mode);
    for (size_t i = 0; i < agents.size() * urls.size(); ++i) {
      auto agent = static_cast<int>(i / urls.size());
      RobotsVerdict verdict = policy.decide(RobotsTarget(urls[i % urls.size()], mode));
      bool blocked =
          std::find(verdict.agents.begin(), verdict.agents.end(), agent) != verdict.agents.end();
      bool expected = bit_of(digits, i);
      ++questions;
      disallowed += expected ? 1 : 0;
      if (blocked == expected) continue;
      ++wrong;
      ADD_FAILURE() << line << "\nquestion " << i;
    }
  }
  EXPECT_GT(questions, 3000);
  EXPECT_GT(disallowed, 150);
  return wrong;
}

TEST(RobotsAgreement, GoogleModeDecidesAsGoogleRobotstxt) {
  EXPECT_EQ(differences(RobotsMode::google), 0);
}

TEST(RobotsAgreement, ProtegoModeDecidesAsProtego) {
  EXPECT_EQ(differences(RobotsMode::protego), 0);
}

// What a source publishes, what each reading answers, and a reason wherever the two differ.
TEST(RobotsAgreement, EveryReadingAnswersThePublishedCasesAsItsAuthority) {
  std::ifstream file = open_golden("published.jsonl");
  int64_t questions = 0;
  for (std::string line; std::getline(file, line);) {
    const Json record = Json::parse(line);
    const std::string robots = bytes_of(record["robots"].get<std::string>());
    const auto agent = record["agent"].get<std::string>(), url = record["url"].get<std::string>();
    for (RobotsMode mode : {RobotsMode::rfc, RobotsMode::google, RobotsMode::protego}) {
      const std::string name = robots_mode_name(mode);
      const bool expected = record[name].get<bool>();
      EXPECT_EQ(decide_robots(robots, agent, url, mode).allowed, expected) << name << ": " << line;
      const bool reasoned = record.contains("why") && record["why"].contains(name);
      EXPECT_EQ(reasoned, expected != record["published"].get<bool>()) << name << ": " << line;
    }
    ++questions;
  }
  EXPECT_GT(questions, 190);
}

}  // namespace
}  // namespace ballast
