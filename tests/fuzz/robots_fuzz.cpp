// Any bytes are a robots.txt; the first line of the input is the URL to ask for. In every
// mode the compiled policy and the single question must agree, and a decision must name a line that
// exists.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/robots_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string_view url = input.substr(0, end);
  const std::string_view content =
      end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  using ballast::RobotsMode;
  for (RobotsMode mode : {RobotsMode::rfc, RobotsMode::google, RobotsMode::protego}) {
    const ballast::RobotsPolicy policy(content, {"GPTBot"}, mode);
    const ballast::RobotsVerdict verdict = policy.decide(ballast::RobotsTarget(url, mode));
    const ballast::RobotsDecision decision = ballast::decide_robots(content, "gptbot", url, mode);
    BALLAST_CHECK(verdict.allowed == decision.allowed);
    BALLAST_CHECK(decision.allowed || decision.line > 0);
  }
  return 0;
}
