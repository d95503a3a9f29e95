// Robots decisions per second, the 15 Apertus robots asked at once: a file of the usual size, one
// with thousands of rules, one of wildcards; and compiling each, in every mode (0 rfc, 1 google,
// 2 protego). robots_peers.py asks the peers the same. Personal data and HTML follow, as
// bytes per second. Run it on a quiet machine.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "libcore/text/html.h"
#include "libcore/text/pii.h"
#include "libcore/text/robots_policy.h"

namespace ballast {
namespace {

std::string robots_txt(int64_t rules, bool wildcards) {
  std::string text = "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\nAllow: /public/\n\n";
  text += "User-agent: *\n";
  for (int64_t i = 0; i < rules; ++i) {
    text += "Disallow: /" + std::string(wildcards ? "*/" : "section") + std::to_string(i) +
            (wildcards ? "*.php$\n" : "/private/\n");
  }
  return text + "Sitemap: https://h.example/sitemap.xml\n";
}

std::vector<std::string> urls() {
  std::vector<std::string> list;
  for (int i = 0; i < 256; ++i) {
    list.push_back("https://h.example/section" + std::to_string(i) +
                   (i % 3 == 0 ? "/private/page.php" : "/article/a-long-title-of-a-page.html") +
                   "?id=" + std::to_string(i * 7919));
  }
  return list;
}

void compile_robots(benchmark::State& state) {
  const std::string text = robots_txt(state.range(0), state.range(1) != 0);
  const auto mode = static_cast<RobotsMode>(state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(RobotsPolicy(text, apertus_agents(), mode));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void decide_robots_urls(benchmark::State& state) {
  const auto mode = static_cast<RobotsMode>(state.range(2));
  const RobotsPolicy policy(robots_txt(state.range(0), state.range(1) != 0), apertus_agents(),
                            mode);
  const std::vector<std::string> list = urls();
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.decide(RobotsTarget(list[next++ % list.size()], mode)));
  }
  state.SetItemsProcessed(state.iterations());
}

std::string prose(int64_t bytes, bool markup) {
  std::string text;
  for (int64_t i = 0; static_cast<int64_t>(text.size()) < bytes; ++i) {
    if (markup) text += "<p class=\"para\">";
    text += "Version 2.6 of the package costs 19.99 and is kept by its users, see chapter 3. ";
    if (i % 100 == 0) text += "Write to user" + std::to_string(i) + "@example.org. ";
    if (markup) text += "<a href=\"#x\">More</a></p>\n";
  }
  return text;
}

void redact_prose(benchmark::State& state) {
  const std::string text = prose(state.range(0), false);
  for (auto _ : state) {
    std::string copy = text;
    benchmark::DoNotOptimize(redact_pii(copy));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void extract_prose(benchmark::State& state) {
  const std::string html = prose(state.range(0), true);
  for (auto _ : state) benchmark::DoNotOptimize(extract_html(html, "bench"));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(html.size()));
}

void all_files_and_modes(benchmark::internal::Benchmark* bench) {
  for (int64_t mode : {0, 1, 2})
    bench->Args({30, 0, mode})->Args({5000, 0, mode})->Args({300, 1, mode});
}

BENCHMARK(compile_robots)->Apply(all_files_and_modes);
BENCHMARK(decide_robots_urls)->Apply(all_files_and_modes);
BENCHMARK(redact_prose)->Arg(4096);
BENCHMARK(extract_prose)->Arg(32768);

}  // namespace
}  // namespace ballast

BENCHMARK_MAIN();
