// What strangers say about training: the input is a robots.txt, a tdmrep.json, a field of HTTP and
// a path at once. A rule that decides must exist, nothing may be said where nothing was read, and
// what is said is written and read back to the same thing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/text/host_signals.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view head = input.substr(0, input.find('\n'));
  const ballast::RobotsTarget target(head);
  const std::vector<std::string> agents = {"GPTBot", "*"};

  const ballast::UsageRules usage(input, agents);
  const ballast::TdmFile tdm(input);
  ballast::HostSignals host;
  for (const ballast::AiSignal signal :
       {ballast::AiSignal::content_usage, ballast::AiSignal::content_signal}) {
    host[signal] = usage.ask(signal, target);
  }
  host[ballast::AiSignal::tdm] = tdm.ask(target);
  for (const ballast::HostPreference& preference : host.of) {
    BALLAST_CHECK(preference.says == ballast::Preference::unknown || preference.rule != nullptr);
  }
  BALLAST_CHECK(!(usage.empty() && tdm.empty()) || !host.says().any());

  const std::string field(head);
  const ballast::AiSignals page =
      ballast::page_signals({{"Content-Usage", field},
                             {"Content-Signal", field},
                             {"X-Robots-Tag", field},
                             {"tdm-reservation", field}},
                            {{"robots", field}, {"tdm-reservation", field}}, agents);
  const ballast::AiSignals both = ballast::combined_signals(page, host.says());
  BALLAST_CHECK(ballast::signals_of_json(ballast::signals_json(both)).says == both.says);
  return 0;
}
