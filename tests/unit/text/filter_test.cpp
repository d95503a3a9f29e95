#include "libcore/text/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "libcore/io/json_counts.h"
#include "libcore/text/filter_summary.h"

namespace ballast {
namespace {

FilterOutcome filter(const InputRecord& record, const FilterOptions& options = {}) {
  FilterBuffers buffers;
  return filter_record(record, options, buffers);
}
InputRecord json(std::string line) {
  InputRecord record;
  record.line = std::move(line);
  record.where = "f:1";
  return record;
}
InputRecord warc(const std::string& type, const std::string& block, const std::string& uri) {
  InputRecord record;
  record.is_warc = true;
  record.warc.fields = {{"WARC-Type", type},
                        {"WARC-Target-URI", uri},
                        {"WARC-Record-ID", "<urn:uuid:1>"},
                        {"WARC-Date", "2025-01-01T00:00:00Z"}};
  record.warc.block = block;
  record.where = "f: record 1";
  return record;
}
InputRecord page(const std::string& status, const std::string& type, const std::string& body) {
  return warc("response", "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\n\r\n" + body,
              "http://h/p");
}

TEST(Filter, KeepsAPageWithItsOrigin) {
  FilterOutcome outcome =
      filter(page("200 OK", "text/html; charset=utf-8", "<html lang=de><p>Hallo Welt"));
  EXPECT_EQ(outcome.verdict, FilterVerdict::kept);
  EXPECT_EQ(outcome.chars, 10);
  EXPECT_EQ(outcome.line, R"({"text":"Hallo Welt","id":"<urn:uuid:1>","url":"http://h/p",)"
                          R"("date":"2025-01-01T00:00:00Z","language":"de",)"
                          R"("ballast":{"pii":{"email":0,"ip":0,"iban":0}}})"
                          "\n");
}

TEST(Filter, ReadsPlainTextAndWet) {
  EXPECT_NE(filter(page("200", "text/plain; charset=latin1", "caf\xe9")).line.find("caf\u00e9"),
            std::string::npos);
  InputRecord wet = warc("conversion", "plain <b> text", "http://h/");
  EXPECT_NE(filter(wet).line.find("\"plain <b> text\""), std::string::npos);
}

TEST(Filter, RejectsWithStageAndReason) {
  auto reason = [](const FilterOutcome& outcome) {
    EXPECT_EQ(outcome.verdict, FilterVerdict::rejected);
    EXPECT_EQ(outcome.line, "");
    return outcome.stage + ":" + outcome.reason;
  };
  EXPECT_EQ(reason(filter(page("404 no", "text/html", "x"))), "extract:http_status");
  EXPECT_EQ(reason(filter(page("200 OK", "image/png", "x"))), "extract:media_type");
  EXPECT_EQ(reason(filter(page("200 OK", "text/html", ""))), "length:empty");
  EXPECT_EQ(reason(filter(warc("response", "no http", "http://h/"))), "extract:no_http");
  EXPECT_EQ(reason(filter(page("200 OK\r\nContent-Encoding: br", "text/html", "\xff\xff"))),
            "extract:bad_body");
  EXPECT_EQ(reason(filter(json(R"({"text":""})"))), "length:empty");
  FilterOptions options;
  options.min_chars = 3;
  EXPECT_EQ(reason(filter(json(R"({"text":"\u00e9\u00e9"})"), options)), "length:too_short");
}

TEST(Filter, SignalsAreReportedAndRejectOnlyWhereObeyed) {
  const InputRecord said = page("200 OK\r\nContent-Usage: train-ai=y\r\nX-Robots-Tag: noai",
                                "text/html", "<meta name=tdm-reservation content=1>x");
  FilterOptions options;
  options.agents = {"*"};
  FilterOutcome outcome = filter(said, options);
  EXPECT_EQ(outcome.verdict, FilterVerdict::kept);
  EXPECT_NE(outcome.line.find(R"("signals":{"page":{"content_usage":"granted",)"
                              R"("tdm":"refused","noai":"refused"}})"),
            std::string::npos);
  options.obeyed = {AiSignal::content_usage, AiSignal::noimageai};
  EXPECT_EQ(filter(said, options).verdict, FilterVerdict::kept);
  options.obeyed = {AiSignal::tdm, AiSignal::noai};
  options.rejects = true;
  outcome = filter(said, options);
  EXPECT_EQ(outcome.stage + ":" + outcome.reason, "signal:tdm");
  EXPECT_NE(outcome.line.find(R"("dropped_by":"signal","reason":"tdm")"), std::string::npos);
  EXPECT_NE(outcome.line.find(R"({"text":"x")"), std::string::npos);
}

TEST(Filter, SignalsOfAnEarlierRunStandButTheHostIsAskedAnew) {
  const InputRecord line =
      json(R"({"text":"x","url":"http://h/p","ballast":{"signals":{"page":{"noai":"refused"},)"
           R"("host":{"content_usage":"refused"}}}})");
  auto reason = [&](AiSignal obeyed, const RobotsStore* robots) {
    FilterOptions options;
    options.obeyed = {obeyed};
    options.robots = robots;
    return filter(line, options).reason;
  };
  EXPECT_EQ(reason(AiSignal::noai, nullptr), "noai");
  EXPECT_EQ(reason(AiSignal::content_usage, nullptr), "content_usage");
  RobotsStore store({"*"});
  store.add_file("h", "User-agent: *\nContent-Signal: ai-train=no\n");
  EXPECT_EQ(reason(AiSignal::noai, &store), "noai");
  EXPECT_EQ(reason(AiSignal::content_usage, &store), "");
  EXPECT_EQ(reason(AiSignal::content_signal, &store), "content_signal");
  FilterOptions options;
  options.robots = &store;
  EXPECT_NE(filter(line, options)
                .line.find(R"("signals":{"page":{"noai":"refused"},)"
                           R"("host":{"content_signal":"refused"}})"),
            std::string::npos);
}

TEST(Filter, RecordsWithoutDocumentAreNamedByType) {
  FilterOutcome outcome = filter(warc("Request", "GET / HTTP/1.1\r\n\r\n", "http://h/"));
  EXPECT_EQ(outcome.verdict, FilterVerdict::other);
  EXPECT_EQ(outcome.reason, "request");
  EXPECT_EQ(filter(warc("response", "HTTP/1.1 200 OK\r\n\r\n", "http://h/robots.txt")).reason,
            "robotstxt");
  EXPECT_EQ(
      filter(warc("response", "HTTP/1.1 200 OK\r\n\r\n[]", "http://h/.well-known/tdmrep.json"))
          .reason,
      "tdmrep");
  EXPECT_EQ(filter(warc("resource", "\"-r\"", "metadata://gnu.org/software/wget/args.txt")).reason,
            "resource:metadata");
  EXPECT_EQ(filter(warc("response", "1.2.3.4", "dns:h.example")).reason, "response:dns");
}

TEST(Filter, MalformedLineCarriesItsError) {
  FilterOutcome outcome = filter(json("{\"text\":"));
  EXPECT_EQ(outcome.verdict, FilterVerdict::malformed);
  EXPECT_EQ(outcome.error.where, "f:1");
}

TEST(Filter, OptOutNamesRobotsRuleAndLine) {
  RobotsStore store({"GPTBot", "CCBot", "*"});
  store.add_capture({"http://h/robots.txt", "2025-02-03T00:00:00Z", "", 200,
                     "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /p\n"});
  store.resolve_redirects();
  FilterOptions options;
  options.robots = &store;
  options.rejects = true;
  FilterOutcome outcome = filter(page("200 OK", "text/html", "<p>x"), options);
  EXPECT_EQ(outcome.verdict, FilterVerdict::rejected);
  EXPECT_EQ(outcome.agents, (std::vector<int>{0, 1}));
  EXPECT_NE(outcome.line.find(R"("ballast":{"agents":["GPTBot","CCBot"],"rule":"Disallow: /p",)"
                              R"("line":3,"captured":"2025-02-03T00:00:00Z",)"
                              R"("dropped_by":"robots","reason":"disallowed",)"
                              R"("robots":"disallowed"})"),
            std::string::npos)
      << outcome.line;
  EXPECT_NE(outcome.line.find(R"("text":"x")"), std::string::npos);
}

TEST(Filter, HostsWithoutRobotsFollowThePolicy) {
  RobotsStore store({"*"});
  FilterOptions options;
  options.robots = &store;
  EXPECT_EQ(filter(json(R"({"text":"x","url":"http://h/"})"), options).verdict,
            FilterVerdict::kept);
  options.keep_missing = false;
  FilterOutcome outcome = filter(json(R"({"text":"x"})"), options);
  EXPECT_EQ(outcome.verdict, FilterVerdict::rejected);
  EXPECT_EQ(outcome.reason, "missing");
}

TEST(Filter, PiiModes) {
  InputRecord record = json(R"({"text":"to a@b.org","id":"i"})");
  FilterOptions options;
  EXPECT_NE(filter(record, options).line.find(R"("to <email-pii>")"), std::string::npos);
  options.pii.actions.fill(PiiAction::off);
  EXPECT_EQ(filter(record, options).line, "{\"text\":\"to a@b.org\",\"id\":\"i\"}\n");
  options.pii.actions.fill(PiiAction::drop);
  options.rejects = true;
  FilterOutcome outcome = filter(record, options);
  EXPECT_EQ(outcome.stage, "pii");
  EXPECT_NE(outcome.line.find("a@b.org"), std::string::npos);
  EXPECT_EQ(outcome.pii.email, 1);
}

TEST(Filter, QualityNamesTheRuleAndItsNumbers) {
  FilterOptions options;
  options.quality = QualityPlan::parse("gopher", "--quality").take_value();
  options.rejects = true;
  FilterOutcome outcome = filter(json(R"({"text":"just a few words","id":"i"})"), options);
  EXPECT_EQ(outcome.stage, "quality");
  EXPECT_NE(outcome.line.find(R"("ballast":{"value":4.0,"limit":50.0,"dropped_by":"quality",)"
                              R"("reason":"gopher.short_doc"})"),
            std::string::npos)
      << outcome.line;
}

TEST(Filter, QualityComesBeforePersonalDataAndRecordsWhatItRewrote) {
  FilterOptions options;
  options.quality = QualityPlan::parse("c4:min_num_sentences=1", "--quality").take_value();
  InputRecord record = json(R"({"text":"Menu\nWrite to a@b.org today.","id":"i"})");
  FilterOutcome outcome = filter(record, options);
  EXPECT_EQ(outcome.lines_dropped, 1);
  EXPECT_NE(outcome.line.find(R"({"text":"Write to <email-pii> today.","id":"i",)"
                              R"("ballast":{"quality":{"c4":{"lines":2,"kept":1,)"
                              R"("no_terminal_punct":1}},"pii":)"),
            std::string::npos)
      << outcome.line;
  options.pii.actions.fill(PiiAction::drop);
  options.rejects = true;
  EXPECT_NE(filter(record, options).line.find(R"("text":"Menu\nWrite to a@b.org)"),
            std::string::npos);
}

TEST(Filter, SecondRunAddsToTheCountsOfTheFirst) {
  FilterOutcome first = filter(json(R"({"text":"a@b.org","id":"i"})"));
  std::string line = first.line;
  line.pop_back();
  FilterOutcome second = filter(json(line));
  EXPECT_EQ(second.line, first.line);
}

TEST(FilterSummary, AccountsForEveryRecord) {
  FilterSummary summary;
  summary.add(filter(json(R"({"text":"x 1.2.3.4"})")));
  summary.add(filter(json(R"({"text":""})")));
  summary.add(filter(json("[")));
  summary.add(filter(warc("warcinfo", "", "")));
  Json record = summary.to_json({});
  EXPECT_EQ(record["records"], 4);
  EXPECT_EQ(record["kept"], 1);
  EXPECT_EQ(record["rejected"], 2);
  EXPECT_EQ(record["reasons"].dump(), R"({"input:malformed":1,"length:empty":1})");
  EXPECT_EQ(record["other_records"].dump(), R"({"warcinfo":1})");
  EXPECT_EQ(record["pii"]["ip"], 1);
}

// Of 3000 names the commonest come last and are spread over three parts, so that listing names in
// the order in which they come, or part by part, would choose others.
TEST(FilterSummary, ListsTheSameNamesInWhateverParts) {
  FilterSummary whole;
  std::array<FilterSummary, 3> parts;
  size_t documents = 0;
  for (int name = 0; name < 3000; ++name) {
    const int times = name < 2000 ? 1 : name < 2500 ? 2 : 3;
    for (int time = 0; time < times; ++time) {
      FilterOutcome outcome;
      outcome.label = name == 2999 ? "other" : "x" + std::to_string(10000 + name);
      outcome.license = "LicenseRef-" + outcome.label;
      if (name % 2 == 1) {
        outcome.verdict = FilterVerdict::rejected;
        outcome.stage = "language";
        outcome.reason = "other";
      }
      whole.add(outcome);
      parts[documents++ % 3].add(outcome);
    }
  }
  FilterSummary sum;
  for (size_t i : {2, 0, 1}) ASSERT_TRUE(add_counts(counts_json(parts[i]), sum, "part").ok());
  EXPECT_EQ(sum.to_json({}).dump(), whole.to_json({}).dump());
  EXPECT_EQ(sum.to_lines({}), whole.to_lines({}));

  const Json record = sum.to_json({});
  const Json& languages = record["languages"];
  ASSERT_EQ(languages.size(), 1001U);
  EXPECT_EQ(record["licenses"].size(), 1001U);
  EXPECT_EQ(languages.begin().key(), "other");  // three, and before "x"
  EXPECT_EQ(languages.at("other").dump(), R"({"kept":0,"rejected":3})");
  EXPECT_EQ(languages.at("x12000").dump(), R"({"kept":2,"rejected":0})");
  EXPECT_FALSE(languages.contains("x11999"));
  EXPECT_EQ(languages.at("").dump(), R"({"kept":1000,"rejected":1000})");
  const std::vector<std::string> lines = sum.to_lines({});
  EXPECT_EQ(
      std::count(lines.begin(), lines.end(), "language     2000  of other names, 1000 rejected"),
      1);
}

}  // namespace
}  // namespace ballast
