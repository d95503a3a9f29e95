// What sites and pages say about training on them, beside the rules of robots.txt. Five signals,
// each read and reported for itself:
//
//   content_usage   train-ai=y|n: HTTP field and lines of robots.txt (draft-ietf-aipref-vocab and
//                   draft-ietf-aipref-attach)
//   content_signal  ai-train=yes|no: HTTP field and lines of robots.txt (contentsignals.org)
//   tdm             tdm-reservation 0|1 of TDMRep (W3C community report of 10 May 2024): <meta>,
//                   HTTP field, /.well-known/tdmrep.json; the first of these that says it counts
//   noai, noimageai  words of <meta name="robots"> and of the HTTP field X-Robots-Tag
//
// Pure. Nothing fails: what does not follow its format says nothing.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/io/http.h"
#include "libcore/io/json.h"

namespace ballast {

enum class AiSignal { content_usage, content_signal, tdm, noai, noimageai };
inline constexpr std::array<AiSignal, 5> kAiSignals = {AiSignal::content_usage,
                                                       AiSignal::content_signal, AiSignal::tdm,
                                                       AiSignal::noai, AiSignal::noimageai};
const char* ai_signal_name(AiSignal signal);  // "content_usage"

enum class Preference { unknown, granted, refused };  // the later, the stricter
const char* preference_name(Preference preference);

struct AiSignals {
  std::array<Preference, kAiSignals.size()> says{};

  Preference& operator[](AiSignal signal) { return says[static_cast<size_t>(signal)]; }
  Preference operator[](AiSignal signal) const { return says[static_cast<size_t>(signal)]; }
  void restrict(AiSignal signal, Preference preference);  // the stricter one stays
  bool any() const { return says != decltype(says){}; }
};

// The stricter of both; of `tdm` what the page says, if it says anything.
AiSignals combined_signals(const AiSignals& page, const AiSignals& host);

// {"content_usage":"refused",...} without the unknown ones, and back: names and words that are not
// ours say nothing.
Json signals_json(const AiSignals& signals);
AiSignals signals_of_json(const Json& record);

// The values of Content-Usage and Content-Signal.
Preference content_usage_preference(std::string_view dictionary);
Preference content_signal_preference(std::string_view list);
// The value of tdm-reservation in HTTP and HTML.
Preference tdm_preference(std::string_view reservation);

// `name` and `content` of a page's <meta>, names in lower case.
using MetaTags = std::vector<std::pair<std::string, std::string>>;

// What a response says of its own page. A robots field or <meta> that names a robot counts when the
// robot is one of `agents`.
AiSignals page_signals(const Fields& fields, const MetaTags& metas,
                       const std::vector<std::string>& agents);

}  // namespace ballast
