#include "libcore/text/robots_store.h"

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/base/hash.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

constexpr int kMaxRedirects = 5;  // RFC 9309 2.3.1.2

// A Location against the URL that answered with it.
std::string resolve_location(const std::string& base, std::string_view location) {
  UrlParts from = split_url(base);
  std::string origin = std::string(from.scheme) + "://" + std::string(from.netloc);
  if (location.starts_with("//")) return std::string(from.scheme) + ":" + std::string(location);
  if (location.starts_with('/')) return origin + std::string(location);
  if (!split_url(location).netloc.empty()) return std::string(location);
  return origin + "/" + std::string(location);
}

}  // namespace

const char* robots_outcome_name(RobotsOutcome outcome) {
  switch (outcome) {
    case RobotsOutcome::allowed:
      return "allowed";
    case RobotsOutcome::disallowed:
      return "disallowed";
    case RobotsOutcome::unreachable:
      return "unreachable";
    case RobotsOutcome::missing:
      return "missing";
  }
  return "";
}

RobotsStore::RobotsStore(std::vector<std::string> agents, RobotsSettings settings)
    : agents_(std::move(agents)), settings_(settings) {
  if (settings_.unreachable != RobotsUnreachable::by_mode) return;
  settings_.unreachable =
      settings_.mode == RobotsMode::protego ? RobotsUnreachable::keep : RobotsUnreachable::drop;
}

// Many hosts serve the same few files.
std::shared_ptr<const RobotsStore::RobotsText> RobotsStore::compile(std::string_view content) {
  std::shared_ptr<const RobotsText>& slot = by_content_[xxh3_128(as_bytes(content)).hex()];
  if (!slot) {
    slot = std::make_shared<const RobotsText>(
        RobotsText{RobotsPolicy(content, agents_, settings_.mode), UsageRules(content, agents_)});
    has_signals_ = has_signals_ || !slot->usage.empty();
  }
  return slot;
}

void RobotsStore::set_for_all(std::string_view content) {
  for_all_ = {{Status::rules, compile(content), {}, {}, {}}};
}

void RobotsStore::add_file(const std::string& netloc, std::string_view content) {
  add_robots("//" + netloc, {Status::rules, compile(content), {}, {}, {}});
}

void RobotsStore::add_tdm_file(const std::string& netloc, std::string_view content) {
  add_tdm("//" + netloc, {Status::rules, {}, std::make_shared<const TdmFile>(content), {}, {}});
}

// Captures of one date keep their order, so that the last one counts.
void RobotsStore::keep(Captures& captures, const Entry& entry) const {
  auto later = [](const Entry& a, const Entry& b) { return a.date < b.date; };
  if (settings_.any_capture || captures.empty()) {
    captures.insert(std::upper_bound(captures.begin(), captures.end(), entry, later), entry);
  } else if (entry.date >= captures.back().date) {
    captures.back() = entry;
  }
}

void RobotsStore::add_robots(std::string_view url, const Entry& entry) {
  UrlParts parts = split_url(url);
  keep(exact_[std::string(parts.netloc)], entry);
  keep(canonical_[canonical_netloc(parts)], entry);
}

void RobotsStore::add_tdm(std::string_view url, const Entry& entry) {
  keep(tdm_[canonical_netloc(split_url(url))], entry);
  has_signals_ = true;
}

RobotsStore::Entry RobotsStore::entry_of(const Capture& capture) {
  Entry entry;
  entry.date = capture.date;
  const int family = capture.status / 100;
  const bool busy = capture.status == 429 && settings_.mode == RobotsMode::google;
  if (family == 2) {
    entry.status = Status::rules;
    if (split_url(capture.url).target == kTdmPath) {
      entry.tdm = std::make_shared<const TdmFile>(capture.body);
    } else {
      entry.text = compile(capture.body);
    }
  } else if (family == 3 && !capture.location.empty()) {
    entry.status = Status::redirect;
    entry.location = resolve_location(capture.url, capture.location);
  } else if (family == 5 || capture.status == 0 || busy) {
    entry.status = Status::unreachable;
  } else if (family == 4) {
    entry.status = Status::allow_all;
  }
  return entry;
}

void RobotsStore::add_capture(const Capture& capture) {
  Entry entry = entry_of(capture);
  const std::string_view target = split_url(capture.url).target;
  if (target == kRobotsPath) add_robots(capture.url, entry);
  if (target == kTdmPath) add_tdm(capture.url, entry);
  auto [place, added] = by_url_.try_emplace(capture.url, entry);
  if (!added && entry.date >= place->second.date) place->second = std::move(entry);
}

// A chain that leaves the captures, or is too long, leaves the host without known rules.
void RobotsStore::follow(Entry& entry) const {
  for (int hop = 0; entry.status == Status::redirect; ++hop) {
    auto next = by_url_.find(entry.location);
    if (hop == kMaxRedirects || next == by_url_.end()) {
      entry.status = Status::missing;
      return;
    }
    entry.status = next->second.status;
    entry.text = next->second.text;
    entry.tdm = next->second.tdm;
    entry.location = next->second.location;
  }
}

void RobotsStore::resolve_redirects() {
  for (Entries* entries : {&exact_, &canonical_, &tdm_}) {
    for (auto& [key, captures] : *entries) {
      for (Entry& entry : captures) follow(entry);
    }
  }
  by_url_.clear();
}

const RobotsStore::Captures* RobotsStore::find(std::string_view url) const {
  if (!for_all_.empty()) return url.empty() ? nullptr : &for_all_;
  UrlParts parts = split_url(url);
  if (parts.netloc.empty()) return nullptr;
  auto exact = exact_.find(std::string(parts.netloc));
  if (exact != exact_.end()) return &exact->second;
  if (settings_.mode == RobotsMode::protego) return nullptr;
  return find_canonical(canonical_, parts);
}

const RobotsStore::Captures* RobotsStore::find_canonical(const Entries& entries,
                                                         const UrlParts& url) {
  auto found = entries.find(canonical_netloc(url));
  return found == entries.end() ? nullptr : &found->second;
}

RobotsAnswer RobotsStore::ask(const Entry& entry, const RobotsTarget& target) const {
  RobotsAnswer answer;
  answer.captured = entry.date;
  if (entry.status == Status::missing) answer.outcome = RobotsOutcome::missing;
  if (entry.status == Status::unreachable && settings_.unreachable == RobotsUnreachable::drop) {
    answer.outcome = RobotsOutcome::unreachable;
  }
  if (entry.text == nullptr) return answer;
  answer.verdict = entry.text->policy.decide(target);
  if (!answer.verdict.allowed) answer.outcome = RobotsOutcome::disallowed;
  return answer;
}

RobotsAnswer RobotsStore::decide(std::string_view url) const {
  const Captures* captures = find(url);
  if (captures == nullptr) return {RobotsOutcome::missing, {}, {}};
  const RobotsTarget target(url, settings_.mode);
  RobotsAnswer latest = ask(captures->back(), target);
  for (auto entry = captures->rbegin() + 1; entry != captures->rend(); ++entry) {
    if (latest.outcome == RobotsOutcome::disallowed) break;
    if (entry->text == (entry - 1)->text) continue;  // has answered
    RobotsAnswer earlier = ask(*entry, target);
    if (earlier.outcome == RobotsOutcome::disallowed) return earlier;
  }
  return latest;
}

// `ask_entry` of the latest capture, or the strictest of all.
template <typename Ask>
HostPreference RobotsStore::strictest(const Captures* captures, Ask&& ask_entry) const {
  HostPreference found;
  if (captures == nullptr) return found;
  for (auto entry = captures->rbegin(); entry != captures->rend(); ++entry) {
    found.restrict(ask_entry(*entry));
    if (!settings_.any_capture) break;
  }
  return found;
}

HostSignals RobotsStore::signals(std::string_view url) const {
  HostSignals found;
  if (!has_signals_) return found;
  const RobotsTarget target(url);
  const Captures* texts = find(url);
  for (const AiSignal signal : {AiSignal::content_usage, AiSignal::content_signal}) {
    found[signal] = strictest(texts, [&](const Entry& entry) {
      return entry.text ? entry.text->usage.ask(signal, target) : HostPreference();
    });
  }
  found[AiSignal::tdm] = strictest(find_canonical(tdm_, split_url(url)), [&](const Entry& entry) {
    return entry.tdm ? entry.tdm->ask(target) : HostPreference();
  });
  return found;
}

std::optional<std::unordered_set<std::string>> RobotsStore::restricted_hosts(bool signals) const {
  if (!for_all_.empty()) return std::nullopt;
  auto restricts = [signals](const Entry& entry) {
    if (entry.status == Status::unreachable) return true;
    if (entry.text && entry.text->policy.has_rules()) return true;
    return signals &&
           ((entry.text && !entry.text->usage.empty()) || (entry.tdm && !entry.tdm->empty()));
  };
  std::unordered_set<std::string> hosts;
  for (const Entries* entries : {&exact_, &canonical_, &tdm_}) {
    if (entries == &tdm_ && !signals) continue;
    for (const auto& [netloc, captures] : *entries) {
      if (std::any_of(captures.begin(), captures.end(), restricts)) {
        hosts.insert(url_host("//" + netloc));
      }
    }
  }
  return hosts;
}

}  // namespace ballast
