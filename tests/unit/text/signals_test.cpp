// Signals about training: the examples of draft-ietf-aipref-attach and -vocab, of
// contentsignals.org and of TDMRep, restated.
#include <gtest/gtest.h>

#include <string>

#include "libcore/text/host_signals.h"
#include "libcore/text/structured_dictionary.h"

namespace ballast {
namespace {

constexpr Preference kUnknown = Preference::unknown, kGranted = Preference::granted,
                     kRefused = Preference::refused;

std::string token_of(std::string_view text, const std::string& key) {
  auto parsed = parse_token_dictionary(text);
  if (!parsed) return "(no dictionary)";
  auto found = parsed->find(key);
  return found == parsed->end() ? "(no key)" : found->second;
}

TEST(StructuredDictionary, TokensAreTakenAndOtherTypesPassedOver) {
  EXPECT_EQ(token_of("a=n", "a"), "n");
  EXPECT_EQ(token_of("  a=*x/y:z ,\tb=2 ", "a"), "*x/y:z");
  for (const char* other :
       {"2", "-1.125", "\"n\"", "?1", ":bg==:", "@1659578233", "%\"n\"", "(n y;p \"z\")", "()"}) {
    EXPECT_EQ(token_of("b=y, a=" + std::string(other) + ", c=y", "a"), "") << other;
    EXPECT_EQ(token_of("b=y, a=" + std::string(other) + ", c=y", "c"), "y") << other;
  }
  EXPECT_EQ(token_of("a", "a"), "");
  EXPECT_EQ(token_of("a;p=n", "a"), "");
  EXPECT_EQ(token_of("a=n; p=\"x\\\"\\\\\";q", "a"), "n");
  EXPECT_EQ(token_of("", "a"), "(no key)");
}

TEST(StructuredDictionary, LastValueOfAKeyCounts) {
  EXPECT_EQ(token_of("a=y, a=n", "a"), "n");
  EXPECT_EQ(token_of("a=y, a", "a"), "");
}

TEST(StructuredDictionary, OneFaultAndNothingCounts) {
  for (const char* wrong : {"a=n,",
                            "a=n,,b=y",
                            "A=n",
                            "a=",
                            "a =n",
                            "a=n b=y",
                            "a=n; ;q",
                            "a=\"n",
                            "a=\"\\n\"",
                            "a=?2",
                            "a=1.",
                            "a=1.2345",
                            "a=1234567890123456",
                            "a=1234567890123.5",
                            "a=:b",
                            "a=(n",
                            "a=(n,y)",
                            "a=-",
                            "a=n;P",
                            "a=\"\x7f\"",
                            "a=%n",
                            "1=n",
                            "a=\xC3\xA9",
                            "a=@1.5"}) {
    EXPECT_EQ(token_of(wrong, "a"), "(no dictionary)") << wrong;
  }
}

TEST(AiSignals, ContentUsageIsTheTokenOfTrainAi) {
  EXPECT_EQ(content_usage_preference("train-ai=n"), kRefused);
  EXPECT_EQ(content_usage_preference("train-ai=y, search=n"), kGranted);
  EXPECT_EQ(content_usage_preference("search=n"), kUnknown);
  EXPECT_EQ(content_usage_preference("train-ai=no"), kUnknown);
  EXPECT_EQ(content_usage_preference("train-ai=N"), kUnknown);
  EXPECT_EQ(content_usage_preference("train-ai=\"n\""), kUnknown);
  EXPECT_EQ(content_usage_preference("Train-AI=n"), kUnknown);
  EXPECT_EQ(content_usage_preference("train-ai;allow=n, train-ai=y"), kGranted);
  EXPECT_EQ(content_usage_preference("train-ai=y, train-ai, search=n, search=\"n\""), kUnknown);
  EXPECT_EQ(content_usage_preference("train-ai;has;parameters=\"?\";"), kUnknown);
}

TEST(AiSignals, ContentSignalIsYesOrNoOfAiTrain) {
  EXPECT_EQ(content_signal_preference("search=yes, ai-train=no"), kRefused);
  EXPECT_EQ(content_signal_preference("ai-train=yes,search=yes,ai-input=no"), kGranted);
  EXPECT_EQ(content_signal_preference("AI-Train = NO"), kRefused);
  EXPECT_EQ(content_signal_preference("ai-train=yes, ai-train=no"), kRefused);
  EXPECT_EQ(content_signal_preference("ai-input=no"), kUnknown);
  EXPECT_EQ(content_signal_preference("ai-train=maybe, ai-train"), kUnknown);
  EXPECT_EQ(content_signal_preference(""), kUnknown);
}

TEST(AiSignals, PageSaysItInFieldsAndTags) {
  AiSignals says = page_signals({{"content-usage", "search=y"},
                                 {"Content-Usage", "train-ai=n"},
                                 {"content-signal", "ai-train=yes"},
                                 {"TDM-Reservation", "1"}},
                                {}, {});
  EXPECT_EQ(says[AiSignal::content_usage], kRefused);  // two fields are one dictionary
  EXPECT_EQ(says[AiSignal::content_signal], kGranted);
  EXPECT_EQ(says[AiSignal::tdm], kRefused);
  EXPECT_EQ(says[AiSignal::noai], kUnknown);
  says = page_signals({{"tdm-reservation", "1"}}, {{"tdm-reservation", "0"}}, {});
  EXPECT_EQ(says[AiSignal::tdm], kGranted);  // the tag supersedes the field
  says = page_signals({{"tdm-reservation", "1"}}, {{"tdm-reservation", "true"}}, {});
  EXPECT_EQ(says[AiSignal::tdm], kRefused);  // a protocol error is no value
  EXPECT_FALSE(page_signals({{"tdm-reservation", "2"}}, {{"description", "noai"}}, {}).any());
}

TEST(AiSignals, RobotsTagsAreForAllOrForTheRobotTheyName) {
  auto noai = [](const Fields& fields, const MetaTags& metas) {
    return page_signals(fields, metas, {"GPTBot", "*"})[AiSignal::noai] == kRefused;
  };
  EXPECT_TRUE(noai({{"X-Robots-Tag", "noindex, NoAI"}}, {}));
  EXPECT_TRUE(noai({{"x-robots-tag", "gptbot: nofollow, noai"}}, {}));
  EXPECT_TRUE(noai({{"X-Robots-Tag", "*: noai"}}, {}));
  EXPECT_FALSE(noai({{"X-Robots-Tag", "otherbot: noai, nofollow"}}, {}));
  EXPECT_TRUE(noai({{"X-Robots-Tag", "otherbot: noindex, GPTBot: noai"}}, {}));
  EXPECT_TRUE(noai({{"X-Robots-Tag", "otherbot: noai"}, {"X-Robots-Tag", "noai"}}, {}));
  EXPECT_TRUE(noai({{"X-Robots-Tag", "max-snippet: 20, noai"}}, {}));
  EXPECT_TRUE(noai({{"X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"}}, {}));
  EXPECT_FALSE(noai({{"X-Robots-Tag", "noaids"}}, {}));
  EXPECT_TRUE(noai({}, {{"robots", "index, noai ,noimageai"}}));
  EXPECT_TRUE(noai({}, {{"gptbot", "noai"}}));
  EXPECT_FALSE(noai({}, {{"googlebot", "noai"}}));
  AiSignals says = page_signals({{"X-Robots-Tag", "noimageai"}}, {}, {});
  EXPECT_EQ(says[AiSignal::noimageai], kRefused);
  EXPECT_EQ(says[AiSignal::noai], kUnknown);
}

TEST(AiSignals, StricterOneCountsButThePageOverridesTheTdmFile) {
  AiSignals page, host;
  page[AiSignal::content_usage] = kGranted;
  host[AiSignal::content_usage] = kRefused;
  page[AiSignal::tdm] = kGranted;
  host[AiSignal::tdm] = kRefused;
  AiSignals both = combined_signals(page, host);
  EXPECT_EQ(both[AiSignal::content_usage], kRefused);
  EXPECT_EQ(both[AiSignal::tdm], kGranted);
  page[AiSignal::tdm] = kUnknown;
  EXPECT_EQ(combined_signals(page, host)[AiSignal::tdm], kRefused);
}

TEST(AiSignals, JsonHoldsWhatIsSaidAndIsReadBack) {
  AiSignals signals;
  signals[AiSignal::tdm] = kRefused;
  signals[AiSignal::content_usage] = kGranted;
  const Json record = signals_json(signals);
  EXPECT_EQ(to_json_line(record), R"({"content_usage":"granted","tdm":"refused"})");
  EXPECT_EQ(signals_of_json(record).says, signals.says);
  EXPECT_FALSE(signals_of_json(Json::parse(R"({"tdm":"reserved","noai":true,"x":[]})")).any());
  EXPECT_FALSE(signals_of_json(Json::parse("[1]")).any());
}

// The answer of a robots.txt for `path`, to these robots.
HostPreference usage(std::string_view robots_txt, const std::string& path,
                     const std::vector<std::string>& agents = {"*"},
                     AiSignal signal = AiSignal::content_usage) {
  static std::vector<std::unique_ptr<UsageRules>> kept;  // the answer points into them
  kept.push_back(std::make_unique<UsageRules>(robots_txt, agents));
  return kept.back()->ask(signal, RobotsTarget("https://h.example" + path));
}

TEST(UsageRules, ExampleOfTheDraft) {
  constexpr std::string_view kFile =
      "User-Agent: *\nAllow: /\nDisallow: /never/\nContent-Usage: / train-ai=n\n"
      "Content-Usage: /ai-ok/ train-ai=y\n\n"
      "User-Agent: ExampleBot\nAllow: /\nContent-Usage: / train-ai=y\n";
  EXPECT_EQ(usage(kFile, "/test").says, kRefused);
  EXPECT_EQ(usage(kFile, "/test").rule->line, 4);
  EXPECT_EQ(usage(kFile, "/test").rule->spelling, "Content-Usage: / train-ai=n");
  EXPECT_EQ(usage(kFile, "/ai-ok/test").says, kGranted);
  EXPECT_EQ(usage(kFile, "/test", {"ExampleBot"}).says, kGranted);
  EXPECT_EQ(usage(kFile, "/test", {"ExampleBot", "GPTBot"}).says, kRefused);
}

TEST(UsageRules, LongestPathDecidesAndOfEqualOnesTheStrictest) {
  EXPECT_EQ(usage("User-agent: *\nContent-Usage: /a train-ai=y\nContent-Usage: /a train-ai=n\n"
                  "Content-Usage: /a train-ai=y\n",
                  "/ab")
                .says,
            kRefused);
  // The longest statement says nothing of training, and no shorter one speaks for it.
  EXPECT_EQ(
      usage("User-agent: *\nContent-Usage: / train-ai=n\nContent-Usage: /a search=n\n", "/a").says,
      kUnknown);
  EXPECT_EQ(usage("User-agent: *\nContent-Usage: /*.html$ train-ai=n\n", "/x/y.html").says,
            kRefused);
  EXPECT_EQ(usage("User-agent: *\nContent-Usage: /*.html$ train-ai=n\n", "/x/y.htmls").says,
            kUnknown);
  EXPECT_EQ(usage("User-agent: *\nContent-Usage: /%61%20b train-ai=n\n", "/a%20b").says, kRefused);
}

TEST(UsageRules, LinesWithoutPathAndWithOddBlanksAreForTheSite) {
  EXPECT_EQ(usage("User-agent: *\n content-USAGE :\ttrain-ai=n # why\n", "/x").says, kRefused);
  EXPECT_EQ(usage("\xEF\xBB\xBFUser-agent: *\r\nContent-Usage: /x\t\ttrain-ai=n\r\n", "/x").says,
            kRefused);
  EXPECT_EQ(usage("User-agent: *\nContent-Usage: /x\n", "/x").says, kUnknown);
  EXPECT_EQ(usage("Content-Usage: train-ai=n\nUser-agent: *\nDisallow:\n", "/x").says, kUnknown);
  EXPECT_EQ(usage("User-agent: *\nDisallow: /\n", "/x").rule, nullptr);
}

TEST(UsageRules, AreRulesOfTheirGroup) {
  constexpr std::string_view kFile =
      "User-agent: A\nContent-Usage: train-ai=n\nUser-agent: B\nDisallow: /b\n";
  EXPECT_EQ(usage(kFile, "/x", {"A"}).says, kRefused);
  EXPECT_EQ(usage(kFile, "/x", {"B"}).says, kUnknown);
  EXPECT_EQ(
      usage("User-agent: A\nUser-agent: B\nSitemap: s\nContent-Usage: train-ai=n\n", "/x", {"B"})
          .says,
      kRefused);
  // A group of its own replaces the global one here too.
  EXPECT_EQ(
      usage("User-agent: *\nContent-Usage: train-ai=n\n\nUser-agent: A\nAllow: /\n", "/x", {"A"})
          .says,
      kUnknown);
}

TEST(UsageRules, ContentSignalIsReadApart) {
  constexpr std::string_view kFile =
      "User-Agent: *\nContent-Signal: search=yes, ai-train=no\nContent-signal: /free ai-train=yes\n"
      "Content-Usage: train-ai=y\nAllow: /\n";
  EXPECT_EQ(usage(kFile, "/x", {"*"}, AiSignal::content_signal).says, kRefused);
  EXPECT_EQ(usage(kFile, "/free/x", {"*"}, AiSignal::content_signal).says, kGranted);
  EXPECT_EQ(usage(kFile, "/x").says, kGranted);
}

Preference tdm(std::string_view json, const std::string& path) {
  return TdmFile(json).ask(RobotsTarget("https://h.example" + path)).says;
}

TEST(TdmFile, FirstMatchingLocationDecides) {
  constexpr std::string_view kFile =
      R"([{"location":"/directory-a/","tdm-reservation":1},)"
      R"({"location":"/directory-b/html/","tdm-reservation":1,"tdm-policy":"https://p/policy.json"},)"
      R"({"location":"/directory-b/images/*.jpg","tdm-reservation":0}])";
  EXPECT_EQ(tdm(kFile, "/directory-a/x.pdf"), kRefused);
  EXPECT_EQ(tdm(kFile, "/directory-b/html/x"), kRefused);
  EXPECT_EQ(tdm(kFile, "/directory-b/images/x.jpg"), kGranted);
  EXPECT_EQ(tdm(kFile, "/directory-c/"), kUnknown);
  EXPECT_EQ(tdm(R"([{"location":"/a","tdm-reservation":0},{"location":"/ab","tdm-reservation":1}])",
                "/ab"),
            kGranted);
  EXPECT_EQ(
      tdm(R"([{"location":"/this/path/exactly$","tdm-reservation":1}])", "/this/path/exactly"),
      kRefused);
  EXPECT_EQ(tdm(R"([{"location":"/path/foo-%24","tdm-reservation":1}])", "/path/foo-$"), kRefused);
}

TEST(TdmFile, ProtocolErrorsAreUnset) {
  for (const char* file :
       {"", "{}", "[", R"({"location":"/","tdm-reservation":1})", R"([{"tdm-reservation":1}])",
        R"([{"location":"/","tdm-reservation":"1"}])", R"([{"location":"/","tdm-reservation":2}])",
        R"([{"location":"/","tdm-reservation":1.0}])", R"([{"location":"/"}])",
        R"([{"location":"","tdm-reservation":1}])", R"([{"location":["/"],"tdm-reservation":1}])",
        R"([[{"location":"/","tdm-reservation":1}]])"}) {
    EXPECT_EQ(tdm(file, "/x"), kUnknown) << file;
  }
  // A rule whose value is an error matches all the same.
  EXPECT_EQ(
      tdm(R"([{"location":"/","tdm-reservation":9},{"location":"/","tdm-reservation":1}])", "/x"),
      kUnknown);
  const std::string rule = R"([{"location":"/","tdm-reservation":1})";
  EXPECT_EQ(tdm(rule + std::string(kRobotsLimitBytes - rule.size() - 1, ' ') + "]", "/x"),
            kRefused);
  EXPECT_EQ(tdm(rule + std::string(kRobotsLimitBytes - rule.size(), ' ') + "]", "/x"), kUnknown);
}

}  // namespace
}  // namespace ballast
