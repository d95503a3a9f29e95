#include "libcore/text/robots_store.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

constexpr const char* kBlockAll = "User-agent: *\nDisallow: /\n";

RobotsStore::Capture capture(std::string url, int status, std::string body,
                             std::string date = "2025-01-01T00:00:00Z") {
  return {std::move(url), std::move(date), "", status, std::move(body)};
}
RobotsOutcome outcome(const RobotsStore& store, std::string_view url) {
  return store.decide(url).outcome;
}

TEST(RobotsStore, LooksHostsUpByAuthority) {
  RobotsStore store({"*"});
  store.add_file("h.example:81", kBlockAll);
  EXPECT_EQ(outcome(store, "http://h.example:81/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(store, "http://h.example/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(store, "http://www.h.example:81/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(store, ""), RobotsOutcome::missing);
  EXPECT_EQ(outcome(store, "no url"), RobotsOutcome::missing);
}

TEST(RobotsStore, SpellingOfTheAuthorityIsNoWayRoundAnOptOut) {
  RobotsStore store({"*"});
  store.add_file("h.example", kBlockAll);
  EXPECT_EQ(outcome(store, "http://H.Example/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(store, "http://h.example:80/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(store, "https://u@h.example:443/x"), RobotsOutcome::disallowed);
}

TEST(RobotsStore, LatestCaptureWinsInAnyOrder) {
  RobotsStore store({"*"});
  store.add_capture(capture("http://h/robots.txt", 200, kBlockAll, "2025-01-02T00:00:00Z"));
  store.add_capture(capture("http://h/robots.txt", 200, "", "2024-01-02T00:00:00Z"));
  store.resolve_redirects();
  RobotsAnswer answer = store.decide("http://h/x");
  EXPECT_EQ(answer.outcome, RobotsOutcome::disallowed);
  EXPECT_EQ(answer.captured, "2025-01-02T00:00:00Z");
}

TEST(RobotsStore, StatusFollowsTheRfc) {
  RobotsStore store({"*"});
  store.add_capture(capture("http://gone/robots.txt", 404, kBlockAll));
  store.add_capture(capture("http://busy/robots.txt", 429, kBlockAll));
  store.add_capture(capture("http://broken/robots.txt", 503, ""));
  store.resolve_redirects();
  EXPECT_EQ(outcome(store, "http://gone/x"), RobotsOutcome::allowed);
  EXPECT_EQ(outcome(store, "http://busy/x"), RobotsOutcome::allowed);
  EXPECT_EQ(outcome(store, "http://broken/x"), RobotsOutcome::unreachable);
}

TEST(RobotsStore, RedirectsAreFollowedThroughTheCaptures) {
  RobotsStore store({"*"});
  auto redirect = [&](const std::string& from, const std::string& to) {
    RobotsStore::Capture step = capture(from, 301, "");
    step.location = to;
    store.add_capture(step);
  };
  redirect("http://a/robots.txt", "//b/robots.txt");
  redirect("http://b/robots.txt", "https://c/robots.txt");
  store.add_capture(capture("https://c/robots.txt", 200, kBlockAll));
  redirect("http://lost/robots.txt", "http://elsewhere/robots.txt");
  redirect("http://loop/robots.txt", "/robots.txt");
  store.resolve_redirects();
  EXPECT_EQ(outcome(store, "http://a/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(store, "http://lost/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(store, "http://loop/x"), RobotsOutcome::missing);
}

RobotsSettings settings(RobotsMode mode) {
  RobotsSettings made;
  made.mode = mode;
  return made;
}

TEST(RobotsStore, StatusesGoByModeUnlessSaid) {
  auto outcome_of = [](RobotsSettings made, int status) {
    RobotsStore store({"*"}, made);
    store.add_capture(capture("http://h/robots.txt", status, ""));
    store.resolve_redirects();
    return outcome(store, "http://h/x");
  };
  for (int status : {500, 503, 0}) {
    EXPECT_EQ(outcome_of(settings(RobotsMode::rfc), status), RobotsOutcome::unreachable);
    EXPECT_EQ(outcome_of(settings(RobotsMode::google), status), RobotsOutcome::unreachable);
    EXPECT_EQ(outcome_of(settings(RobotsMode::protego), status), RobotsOutcome::allowed);
  }
  EXPECT_EQ(outcome_of(settings(RobotsMode::google), 429), RobotsOutcome::unreachable);
  EXPECT_EQ(outcome_of(settings(RobotsMode::protego), 404), RobotsOutcome::allowed);
  RobotsSettings made = settings(RobotsMode::rfc);
  made.unreachable = RobotsUnreachable::keep;
  EXPECT_EQ(outcome_of(made, 503), RobotsOutcome::allowed);
  made = settings(RobotsMode::protego);
  made.unreachable = RobotsUnreachable::drop;
  EXPECT_EQ(outcome_of(made, 503), RobotsOutcome::unreachable);
}

TEST(RobotsStore, ModeProtegoKnowsAHostByItsSpellingAlone) {
  RobotsStore store({"*"}, settings(RobotsMode::protego));
  store.add_file("h.example", kBlockAll);
  EXPECT_EQ(outcome(store, "http://h.example/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(store, "http://H.example/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(store, "http://h.example:80/x"), RobotsOutcome::missing);
}

TEST(RobotsStore, AnyCaptureMayForbidAndTheLatestThatDoesIsNamed) {
  RobotsSettings made;
  made.any_capture = true;
  RobotsStore store({"*"}, made);
  auto rule = [](const std::string& path) { return "User-agent: *\nDisallow: " + path + "\n"; };
  store.add_capture(capture("http://h/robots.txt", 200, rule("/b"), "2024-06-01"));
  store.add_capture(capture("http://h/robots.txt", 200, "", "2025-01-01"));
  store.add_capture(capture("http://h/robots.txt", 200, rule("/"), "2023-01-01"));
  store.add_capture(capture("http://h/robots.txt", 503, "", "2022-01-01"));
  store.resolve_redirects();
  EXPECT_EQ(store.decide("http://h/b").captured, "2024-06-01");
  RobotsAnswer answer = store.decide("http://h/x");
  EXPECT_EQ(answer.outcome, RobotsOutcome::disallowed);
  EXPECT_EQ(answer.captured, "2023-01-01");
  EXPECT_EQ(store.decide("http://h/robots.txt").captured, "2025-01-01");
  EXPECT_EQ(*store.restricted_hosts(false), std::unordered_set<std::string>{"h"});
}

FileSystem& disk() { return posix_file_system(); }

void put(const std::string& path, std::string_view content) {
  auto file = disk().create_exclusive(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append(as_bytes(content)).ok());
  ASSERT_TRUE((*file)->close().ok());
}

TEST(RobotsStore, LoadsAFolderByHostAndPort) {
  TemporaryDirectory dir;
  ASSERT_TRUE(disk().make_directories(dir / "robots").ok());
  put(dir / "robots/h.example.txt", kBlockAll);
  put(dir / "robots/h.example_8080.txt", "User-agent: *\nDisallow: /p\n");
  put(dir / "robots/README", kBlockAll);
  auto store = load_robots(disk(), dir / "robots", {"*"});
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->hosts(), 2);
  EXPECT_EQ(outcome(**store, "http://h.example/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(**store, "http://h.example:8080/x"), RobotsOutcome::allowed);
  EXPECT_EQ(outcome(**store, "http://h.example:8080/p"), RobotsOutcome::disallowed);
}

TEST(RobotsStore, RefusesAFolderOrWarcWithoutRobots) {
  TemporaryDirectory dir;
  ASSERT_TRUE(disk().make_directories(dir / "robots").ok());
  put(dir / "robots/README", "x");
  put(dir / "a.warc", "WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n");
  EXPECT_EQ(load_robots(disk(), dir / "robots", {"*"}).error().kind, ErrorKind::usage);
  EXPECT_EQ(load_robots(disk(), dir / "a.warc", {"*"}).error().kind, ErrorKind::usage);
  EXPECT_EQ(load_robots(disk(), dir / "absent", {"*"}).error().kind, ErrorKind::io);
}

TEST(RobotsStore, OneFileCountsForAllHosts) {
  TemporaryDirectory dir;
  put(dir / "robots.txt", kBlockAll);
  auto store = load_robots(disk(), dir / "robots.txt", {"GPTBot"});
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(outcome(**store, "http://any/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(**store, ""), RobotsOutcome::missing);
}

TEST(RobotsStore, ReadsCapturesOfBothKindsFromAWarc) {
  auto record = [](const std::string& type, const std::string& uri, const std::string& block) {
    return "WARC/1.0\r\nWARC-Type: " + type + "\r\nWARC-Target-URI: " + uri +
           "\r\nContent-Length: " + std::to_string(block.size()) + "\r\n\r\n" + block + "\r\n\r\n";
  };
  std::string http = std::string("HTTP/1.1 200 OK\r\n\r\n") + kBlockAll;
  TemporaryDirectory dir;
  put(dir / "r.warc",
      record("response", "<http://a/robots.txt>", http) +
          record("response", "http://b/other.txt", http) +
          record("robotstxt", "http://c/robots.txt", kBlockAll) +
          record("request", "http://d/robots.txt", "GET /robots.txt HTTP/1.1\r\n\r\n") +
          record("response", "http://e/robots.txt", "HTTP/1.1 500 no\r\n\r\n"));
  auto store = load_robots(disk(), dir / "r.warc", {"*"});
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(outcome(**store, "http://a/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(**store, "http://b/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(**store, "http://c/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(**store, "http://d/x"), RobotsOutcome::missing);
  EXPECT_EQ(outcome(**store, "http://e/x"), RobotsOutcome::unreachable);
}

TEST(RobotsStore, ReadsCapturesFromJsonLines) {
  TemporaryDirectory dir;
  put(dir / "r.jsonl",
      "{\"host\":\"a:81\",\"robots_txt\":\"User-agent: *\\nDisallow: "
      "/\\n\",\"date\":\"2025-01-01\"}\n"
      "\n"
      "{\"url\":\"http://b/robots.txt\",\"content\":null}\n"
      "{\"url\":\"http://c/robots.txt\",\"status\":503,\"other\":[1]}\n"
      "{\"host\":\"d\",\"status\":301,\"location\":\"http://a:81/robots.txt\"}\n"
      "{\"host\":\"e\",\"status\":404,\"robots_txt\":\"User-agent: *\\nDisallow: /\"}\n"
      "{\"host\":\"f\",\"status\":0}");
  auto store = load_robots(disk(), dir / "r.jsonl", {"*"});
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->decide("http://a:81/x").captured, "2025-01-01");
  EXPECT_EQ(outcome(**store, "http://b/x"), RobotsOutcome::allowed);
  EXPECT_EQ(outcome(**store, "http://c/x"), RobotsOutcome::unreachable);
  EXPECT_EQ(outcome(**store, "https://d/x"), RobotsOutcome::missing);  // https://a is not known
  EXPECT_EQ(outcome(**store, "http://e/x"), RobotsOutcome::allowed);
  EXPECT_EQ(outcome(**store, "http://f/x"), RobotsOutcome::unreachable);
  EXPECT_EQ(outcome(**store, "http://g/x"), RobotsOutcome::missing);
}

TEST(RobotsStore, JsonLinesMayBeginWithBlanksAndAnotherPathServesRedirectsOnly) {
  TemporaryDirectory dir;
  put(dir / "r.jsonl",
      "\n  {\"host\":\"a\",\"status\":301,\"location\":\"/r\"}\n"
      "{\"url\":\"https://a/r\",\"content\":\"User-agent: *\\nDisallow: /x\"}\n"
      "{\"url\":\"https://b/r\",\"content\":\"User-agent: *\\nDisallow: /x\"}\n");
  auto store = load_robots(disk(), dir / "r.jsonl", {"*"});
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ(outcome(**store, "https://a/x"), RobotsOutcome::disallowed);
  EXPECT_EQ(outcome(**store, "https://b/x"), RobotsOutcome::missing);
  put(dir / "none.jsonl", "{\"url\":\"https://b/r\",\"content\":\"\"}\n");
  EXPECT_EQ(load_robots(disk(), dir / "none.jsonl", {"*"}).error().kind, ErrorKind::usage);
}

TEST(RobotsStore, RefusesJsonLinesThatAreNoCaptures) {
  TemporaryDirectory dir;
  int number = 0;
  for (const char* line :
       {"{\"robots_txt\":\"\"}", "{\"host\":\"\"}", "{\"url\":\"no url\"}", "{\"host\":1}",
        "{\"host\":\"h\",\"status\":\"200\"}", "{\"host\":\"h\",\"status\":99}",
        "{\"host\":\"h\",\"content\":[]}", "{\"host\":", "{\"host\":\"https://h\"}",
        "{\"host\":\"h\",\"date\":\"20250101\"}"}) {
    std::string path = dir / ("bad" + std::to_string(number++));
    put(path, "{\"host\":\"fine\"}\n" + std::string(line) + "\n");
    auto store = load_robots(disk(), path, {"*"});
    ASSERT_FALSE(store.ok()) << line;
    EXPECT_EQ(store.error().kind, ErrorKind::corrupt);
    EXPECT_NE(store.error().message().find(":2"), std::string::npos) << store.error().message();
  }
}

TEST(RobotsStore, SignalsComeFromRobotsTxtAndFromTheTdmFile) {
  TemporaryDirectory dir;
  put(dir / "r.jsonl",
      "{\"host\":\"a\",\"content\":\"User-agent: *\\nContent-Usage: train-ai=n\"}\n"
      "{\"url\":\"https://a/.well-known/tdmrep.json\",\"content\":"
      "\"[{\\\"location\\\":\\\"/t\\\",\\\"tdm-reservation\\\":1}]\"}\n"
      "{\"url\":\"http://b/.well-known/tdmrep.json\",\"status\":301,"
      "\"location\":\"https://a/.well-known/tdmrep.json\"}\n");
  auto store = load_robots(disk(), dir / "r.jsonl", {"*"});
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ(outcome(**store, "http://a/t"), RobotsOutcome::allowed);
  HostSignals signals = (*store)->signals("http://a/t");
  EXPECT_EQ(signals[AiSignal::content_usage].says, Preference::refused);
  EXPECT_EQ(signals[AiSignal::content_signal].says, Preference::unknown);
  EXPECT_EQ(signals[AiSignal::tdm].says, Preference::refused);
  EXPECT_EQ(signals[AiSignal::tdm].rule->spelling, "tdmrep.json: /t");
  EXPECT_EQ((*store)->signals("http://a/x")[AiSignal::tdm].says, Preference::unknown);
  EXPECT_EQ((*store)->signals("http://B/t")[AiSignal::tdm].says, Preference::refused);
  EXPECT_EQ(outcome(**store, "http://b/t"), RobotsOutcome::missing);
  EXPECT_TRUE((*store)->restricted_hosts(false)->empty());
  EXPECT_EQ(*(*store)->restricted_hosts(true), (std::unordered_set<std::string>{"a", "b"}));
}

TEST(RobotsStore, SignalsFollowTheLatestCaptureOrTheStrictest) {
  for (const bool any : {false, true}) {
    RobotsSettings made;
    made.any_capture = any;
    RobotsStore store({"*"}, made);
    const std::string robots = "User-agent: *\nContent-Signal: ai-train=";
    store.add_capture(capture("http://h/robots.txt", 200, robots + "no", "2024-01-01"));
    store.add_capture(capture("http://h/robots.txt", 200, robots + "yes", "2025-01-01"));
    store.add_capture(capture("http://g/robots.txt", 200, robots + "no", "2024-01-01"));
    store.add_capture(capture("http://g/robots.txt", 404, "", "2025-01-01"));
    store.resolve_redirects();
    auto says = [&](const char* url) { return store.signals(url)[AiSignal::content_signal].says; };
    EXPECT_EQ(says("http://h/x"), any ? Preference::refused : Preference::granted);
    EXPECT_EQ(says("http://g/x"), any ? Preference::refused : Preference::unknown);
  }
}

TEST(RobotsStore, FolderMayHoldTdmFiles) {
  TemporaryDirectory dir;
  ASSERT_TRUE(disk().make_directories(dir / "robots").ok());
  put(dir / "robots/h_81.tdmrep.json", "[{\"location\":\"/\",\"tdm-reservation\":1}]");
  auto store = load_robots(disk(), dir / "robots", {"*"});
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->signals("http://h:81/x")[AiSignal::tdm].says, Preference::refused);
  EXPECT_EQ((*store)->signals("http://h/x")[AiSignal::tdm].says, Preference::unknown);
}

TEST(RobotsStore, SaysWhichHostsItMayRestrict) {
  RobotsStore store({"GPTBot"});
  store.add_file("A.example:81", "User-agent: GPTBot\nDisallow: /x\n");
  store.add_file("b.example", "User-agent: Other\nDisallow: /\n");
  store.add_capture(capture("https://c.example/robots.txt", 503, ""));
  store.add_capture(capture("https://d.example/robots.txt", 404, ""));
  store.resolve_redirects();
  EXPECT_EQ(*store.restricted_hosts(false),
            (std::unordered_set<std::string>{"a.example", "c.example"}));
  store.set_for_all(kBlockAll);
  EXPECT_FALSE(store.restricted_hosts(false).has_value());
}

}  // namespace
}  // namespace ballast
