#include "libcore/text/ai_signals.h"

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/text/structured_dictionary.h"

namespace ballast {
namespace {

// Calls `take` with each part between commas, without blanks at its ends.
template <typename Take>
void split_commas(std::string_view list, Take&& take) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    take(trim_blanks(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

// Fields of one name are one list (RFC 9110 5.3).
std::string joined_field(const Fields& fields, std::string_view name) {
  std::string joined;
  for (const auto& [key, value] : fields) {
    if (!ascii_equal(key, name)) continue;
    if (!joined.empty()) joined += ", ";
    joined += value;
  }
  return joined;
}

bool names_one_of(const std::vector<std::string>& agents, std::string_view name) {
  return std::any_of(agents.begin(), agents.end(),
                     [name](const std::string& agent) { return ascii_equal(agent, name); });
}

// Directives of robots fields whose values stand after a colon; any other word there is a robot.
bool takes_value(std::string_view word) {
  for (std::string_view known :
       {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}) {
    if (ascii_equal(word, known)) return true;
  }
  return false;
}

void read_directive(std::string_view word, AiSignals& signals) {
  for (const AiSignal signal : {AiSignal::noai, AiSignal::noimageai}) {
    if (ascii_equal(word, ai_signal_name(signal))) signals.restrict(signal, Preference::refused);
  }
}

// `noai, noindex`, or `somebot: noai, noindex`: a name holds to the end of the field or to the next
// name.
void read_robots_tag(std::string_view field, const std::vector<std::string>& agents,
                     AiSignals& signals) {
  bool meant = true;
  split_commas(field, [&](std::string_view word) {
    const size_t colon = word.find(':');
    if (colon != std::string_view::npos) {
      const std::string_view name = trim_blanks(word.substr(0, colon));
      if (takes_value(name)) return;
      meant = name == "*" || names_one_of(agents, name);
      word = trim_blanks(word.substr(colon + 1));
    }
    if (meant) read_directive(word, signals);
  });
}

}  // namespace

const char* ai_signal_name(AiSignal signal) {
  switch (signal) {
    case AiSignal::content_usage:
      return "content_usage";
    case AiSignal::content_signal:
      return "content_signal";
    case AiSignal::tdm:
      return "tdm";
    case AiSignal::noai:
      return "noai";
    case AiSignal::noimageai:
      return "noimageai";
  }
  return "";
}

const char* preference_name(Preference preference) {
  switch (preference) {
    case Preference::unknown:
      return "unknown";
    case Preference::granted:
      return "granted";
    case Preference::refused:
      return "refused";
  }
  return "";
}

void AiSignals::restrict(AiSignal signal, Preference preference) {
  (*this)[signal] = std::max((*this)[signal], preference);
}

AiSignals combined_signals(const AiSignals& page, const AiSignals& host) {
  AiSignals both = page;
  for (const AiSignal signal : kAiSignals) {
    const bool overrides = signal == AiSignal::tdm && page[signal] != Preference::unknown;
    if (!overrides) both.restrict(signal, host[signal]);
  }
  return both;
}

Json signals_json(const AiSignals& signals) {
  Json record = Json::object();
  for (const AiSignal signal : kAiSignals) {
    if (signals[signal] == Preference::unknown) continue;
    record[ai_signal_name(signal)] = preference_name(signals[signal]);
  }
  return record;
}

AiSignals signals_of_json(const Json& record) {
  AiSignals signals;
  if (!record.is_object()) return signals;
  for (const AiSignal signal : kAiSignals) {
    const auto found = record.find(ai_signal_name(signal));
    for (const Preference known : {Preference::granted, Preference::refused}) {
      if (found != record.end() && *found == preference_name(known)) signals[signal] = known;
    }
  }
  return signals;
}

Preference content_usage_preference(std::string_view dictionary) {
  const auto parsed = parse_token_dictionary(dictionary);
  if (!parsed) return Preference::unknown;
  const auto found = parsed->find("train-ai");
  if (found == parsed->end()) return Preference::unknown;
  return found->second == "n"   ? Preference::refused
         : found->second == "y" ? Preference::granted
                                : Preference::unknown;
}

Preference content_signal_preference(std::string_view list) {
  AiSignals found;
  split_commas(list, [&](std::string_view pair) {
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return;
    if (!ascii_equal(trim_blanks(pair.substr(0, equals)), "ai-train")) return;
    const std::string_view value = trim_blanks(pair.substr(equals + 1));
    if (ascii_equal(value, "no")) found.restrict(AiSignal::content_signal, Preference::refused);
    if (ascii_equal(value, "yes")) found.restrict(AiSignal::content_signal, Preference::granted);
  });
  return found[AiSignal::content_signal];
}

Preference tdm_preference(std::string_view reservation) {
  reservation = trim_blanks(reservation);
  return reservation == "1"   ? Preference::refused
         : reservation == "0" ? Preference::granted
                              : Preference::unknown;
}

AiSignals page_signals(const Fields& fields, const MetaTags& metas,
                       const std::vector<std::string>& agents) {
  AiSignals signals;
  signals[AiSignal::content_usage] =
      content_usage_preference(joined_field(fields, "Content-Usage"));
  signals[AiSignal::content_signal] =
      content_signal_preference(joined_field(fields, "Content-Signal"));
  for (const auto& [name, value] : fields) {
    if (ascii_equal(name, "X-Robots-Tag")) read_robots_tag(value, agents, signals);
    if (ascii_equal(name, "tdm-reservation"))
      signals.restrict(AiSignal::tdm, tdm_preference(value));
  }
  Preference tdm = Preference::unknown;
  for (const auto& [name, content] : metas) {
    if (name == "tdm-reservation") tdm = std::max(tdm, tdm_preference(content));
    if (name != "robots" && !names_one_of(agents, name)) continue;
    split_commas(content, [&](std::string_view word) { read_directive(word, signals); });
  }
  if (tdm != Preference::unknown) signals[AiSignal::tdm] = tdm;
  return signals;
}

}  // namespace ballast
