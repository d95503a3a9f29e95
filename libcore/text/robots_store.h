// The robots.txt of many hosts, and the verdict on a URL. Filled once, then shared by threads.
//
// The key is the authority of the URL as it stands (host and port, scheme ignored), as Apertus
// looked it up; a URL not found so is looked up by its canonical authority (lower case, no user, no
// port that the scheme implies), but not in mode `protego`.
//
// HTTP statuses follow RFC 9309 2.3.1: 2xx obeyed, redirects followed through at most five captures
// (to the latest capture of their target), 4xx allows all, 5xx is unreachable. Google's crawler
// takes 429 for unreachable too, and so does mode `google`.
//
// signals() is what the host's files say about training (host_signals.h); tdmrep.json is looked up
// by canonical authority, and what was no 2xx says nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/text/host_signals.h"
#include "libcore/text/robots_policy.h"
#include "libcore/text/url.h"

namespace ballast {

enum class RobotsOutcome {
  allowed,
  disallowed,   // by a rule
  unreachable,  // the server answered 5xx for its robots.txt
  missing,      // no robots.txt is known for the host, or the document has no URL
};
const char* robots_outcome_name(RobotsOutcome outcome);

// By mode: what Apertus could not fetch it kept, RFC 9309 and Google forbid it.
enum class RobotsUnreachable { by_mode, keep, drop };

struct RobotsSettings {
  RobotsMode mode = RobotsMode::rfc;
  // Of several captures of a host the latest decides; with this, any other that forbids the URL by
  // a rule excludes it too.
  bool any_capture = false;
  RobotsUnreachable unreachable = RobotsUnreachable::by_mode;
};

struct RobotsAnswer {
  RobotsOutcome outcome = RobotsOutcome::allowed;
  RobotsVerdict verdict;      // of `disallowed` and `allowed`
  std::string_view captured;  // date of the capture, if known
};

class RobotsStore {
 public:
  explicit RobotsStore(std::vector<std::string> agents, RobotsSettings settings = {});

  void set_for_all(std::string_view content);  // one file for every host
  void add_file(const std::string& netloc, std::string_view content);
  void add_tdm_file(const std::string& netloc, std::string_view content);
  struct Capture {
    std::string url, date, location;  // location: of a redirect
    int status = 200;                 // 0: the host did not answer
    std::string body;
  };
  // A URL that is neither /robots.txt nor /.well-known/tdmrep.json serves as the target of
  // redirects alone.
  void add_capture(const Capture& capture);
  void resolve_redirects();  // call once after the last capture

  RobotsAnswer decide(std::string_view url) const;
  HostSignals signals(std::string_view url) const;
  const std::vector<std::string>& agents() const { return agents_; }
  bool is_for_all() const { return !for_all_.empty(); }
  int64_t hosts() const { return static_cast<int64_t>(exact_.size() + tdm_.size()); }
  // Hosts (lower case, without port) that may have URLs which are disallowed or unreachable, or,
  // with `signals`, about which their files say anything; nullopt when one file counts for every
  // host.
  std::optional<std::unordered_set<std::string>> restricted_hosts(bool signals) const;

 private:
  enum class Status { rules, allow_all, unreachable, missing, redirect };
  struct RobotsText {
    RobotsPolicy policy;
    UsageRules usage;
  };
  struct Entry {
    Status status = Status::missing;
    std::shared_ptr<const RobotsText> text;  // of a robots.txt
    std::shared_ptr<const TdmFile> tdm;      // of a tdmrep.json
    std::string date;
    std::string location;  // absolute
  };
  using Captures = std::vector<Entry>;  // the latest last
  using Entries = std::unordered_map<std::string, Captures>;
  std::shared_ptr<const RobotsText> compile(std::string_view content);
  Entry entry_of(const Capture& capture);
  void keep(Captures& captures, const Entry& entry) const;
  void add_robots(std::string_view url, const Entry& entry);
  void add_tdm(std::string_view url, const Entry& entry);
  void follow(Entry& entry) const;
  const Captures* find(std::string_view url) const;
  static const Captures* find_canonical(const Entries& entries, const UrlParts& url);
  template <typename Ask>
  HostPreference strictest(const Captures* captures, Ask&& ask_entry) const;
  RobotsAnswer ask(const Entry& entry, const RobotsTarget& target) const;

  std::vector<std::string> agents_;
  RobotsSettings settings_;
  Captures for_all_;  // one, or none
  Entries exact_, canonical_;
  Entries tdm_;                                    // canonical
  bool has_signals_ = false;                       // some file says something
  std::unordered_map<std::string, Entry> by_url_;  // latest; emptied when redirects are resolved
  std::unordered_map<std::string, std::shared_ptr<const RobotsText>> by_content_;
};

// A robots.txt for all hosts; a folder of HOST.txt and HOST_PORT.txt; a WARC with captures of
// /robots.txt; or JSON Lines of captures: {"host" or "url", "robots_txt" or "content", "status",
// "date", "location"}; null or no content and no status: the host has no such file. All but the
// first may hold tdmrep.json too (HOST.tdmrep.json, or by its URL). Kind usage when no file is
// found; corrupt when a line is not of that form.
Result<std::unique_ptr<RobotsStore>> load_robots(FileSystem& fs, const std::string& path,
                                                 std::vector<std::string> agents,
                                                 RobotsSettings settings = {});

}  // namespace ballast
