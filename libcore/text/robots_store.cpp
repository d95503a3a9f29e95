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

// Many hosts serve the same few files.
std::shared_ptr<const RobotsPolicy> RobotsStore::compile(std::string_view content) {
  std::shared_ptr<const RobotsPolicy>& slot = by_content_[xxh3_128(as_bytes(content)).hex()];
  if (!slot) slot = std::make_shared<const RobotsPolicy>(content, agents_, mode_);
  return slot;
}

void RobotsStore::set_for_all(std::string_view content) { for_all_ = compile(content); }

void RobotsStore::add_file(const std::string& netloc, std::string_view content) {
  Entry entry{Status::rules, compile(content), {}, {}};
  exact_[netloc] = entry;
  canonical_[to_ascii_lower(netloc)] = entry;
}

void RobotsStore::keep_latest(Entries& entries, const std::string& key, const Entry& entry) {
  auto [place, added] = entries.try_emplace(key, entry);
  if (!added && entry.date >= place->second.date) place->second = entry;
}

void RobotsStore::add_capture(const Capture& capture) {
  Entry entry;
  entry.date = capture.date;
  int family = capture.status / 100;
  if (family == 2) {
    entry.status = Status::rules;
    entry.policy = compile(capture.body);
  } else if (family == 3 && !capture.location.empty()) {
    entry.status = Status::redirect;
    entry.location = resolve_location(capture.url, capture.location);
  } else if (family == 4) {
    entry.status = Status::allow_all;
  } else if (family == 5) {
    entry.status = Status::unreachable;
  }
  UrlParts parts = split_url(capture.url);
  keep_latest(exact_, std::string(parts.netloc), entry);
  keep_latest(canonical_, canonical_netloc(parts), entry);
  keep_latest(by_url_, capture.url, entry);
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
    entry.policy = next->second.policy;
    entry.location = next->second.location;
  }
}

void RobotsStore::resolve_redirects() {
  for (auto& [key, entry] : exact_) follow(entry);
  for (auto& [key, entry] : canonical_) follow(entry);
  by_url_.clear();
}

const RobotsStore::Entry* RobotsStore::find(std::string_view url) const {
  UrlParts parts = split_url(url);
  if (parts.netloc.empty()) return nullptr;
  auto exact = exact_.find(std::string(parts.netloc));
  if (exact != exact_.end()) return &exact->second;
  auto canonical = canonical_.find(canonical_netloc(parts));
  return canonical == canonical_.end() ? nullptr : &canonical->second;
}

RobotsAnswer RobotsStore::decide(std::string_view url) const {
  RobotsAnswer answer;
  const RobotsPolicy* policy = url.empty() ? nullptr : for_all_.get();
  if (policy == nullptr) {
    const Entry* entry = find(url);
    if (entry == nullptr || entry->status == Status::missing) {
      answer.outcome = RobotsOutcome::missing;
      return answer;
    }
    answer.captured = entry->date;
    if (entry->status == Status::unreachable) {
      answer.outcome = RobotsOutcome::unreachable;
      return answer;
    }
    policy = entry->policy.get();
  }
  if (policy == nullptr) return answer;  // 4xx
  answer.verdict = policy->decide(RobotsTarget(url, mode_));
  if (!answer.verdict.allowed) answer.outcome = RobotsOutcome::disallowed;
  return answer;
}

std::optional<std::unordered_set<std::string>> RobotsStore::restricted_hosts() const {
  if (for_all_) return std::nullopt;
  std::unordered_set<std::string> hosts;
  for (const Entries* entries : {&exact_, &canonical_}) {
    for (const auto& [netloc, entry] : *entries) {
      const bool rules = entry.policy && entry.policy->has_rules();
      if (rules || entry.status == Status::unreachable) hosts.insert(url_host("//" + netloc));
    }
  }
  return hosts;
}

}  // namespace ballast
