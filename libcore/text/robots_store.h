// The robots.txt of many hosts, and the verdict on a URL. Filled once, then shared by threads.
//
// The key is the authority of the URL as it stands (host and port, scheme ignored), as Apertus
// looked it up; a URL not found so is looked up by its canonical authority (lower case, no user, no
// port that the scheme implies). Of several captures of one host the latest counts. HTTP statuses
// follow RFC 9309 2.3.1: 2xx obeyed, redirects followed through at most five captures, 4xx allows
// all, 5xx forbids all.
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
#include "libcore/text/robots_policy.h"

namespace ballast {

enum class RobotsOutcome {
  allowed,
  disallowed,   // by a rule
  unreachable,  // the server answered 5xx for its robots.txt
  missing,      // no robots.txt is known for the host, or the document has no URL
};
const char* robots_outcome_name(RobotsOutcome outcome);

struct RobotsAnswer {
  RobotsOutcome outcome = RobotsOutcome::allowed;
  RobotsVerdict verdict;      // of `disallowed`
  std::string_view captured;  // date of the capture, if known
};

class RobotsStore {
 public:
  explicit RobotsStore(std::vector<std::string> agents, RobotsMode mode = RobotsMode::rfc)
      : agents_(std::move(agents)), mode_(mode) {}

  void set_for_all(std::string_view content);  // one file for every host
  void add_file(const std::string& netloc, std::string_view content);
  struct Capture {
    std::string url, date, location;  // location: of a redirect
    int status = 200;
    std::string body;
  };
  void add_capture(const Capture& capture);
  void resolve_redirects();  // call once after the last capture

  RobotsAnswer decide(std::string_view url) const;
  const std::vector<std::string>& agents() const { return agents_; }
  int64_t hosts() const { return static_cast<int64_t>(exact_.size()); }
  // Hosts (lower case, without port) that may have URLs which are disallowed or unreachable;
  // nullopt when one file counts for every host.
  std::optional<std::unordered_set<std::string>> restricted_hosts() const;

 private:
  enum class Status { rules, allow_all, unreachable, missing, redirect };
  struct Entry {
    Status status = Status::missing;
    std::shared_ptr<const RobotsPolicy> policy;
    std::string date;
    std::string location;  // absolute
  };
  using Entries = std::unordered_map<std::string, Entry>;
  std::shared_ptr<const RobotsPolicy> compile(std::string_view content);
  static void keep_latest(Entries& entries, const std::string& key, const Entry& entry);
  void follow(Entry& entry) const;
  const Entry* find(std::string_view url) const;

  std::vector<std::string> agents_;
  RobotsMode mode_;
  std::shared_ptr<const RobotsPolicy> for_all_;
  Entries exact_, canonical_;
  Entries by_url_;  // for redirects; emptied when they are resolved
  std::unordered_map<std::string, std::shared_ptr<const RobotsPolicy>> by_content_;
};

// A robots.txt for all hosts, a folder of HOST.txt and HOST_PORT.txt, or a WARC with captures of
// /robots.txt. Kind usage when a folder or WARC holds none.
Result<std::unique_ptr<RobotsStore>> load_robots(FileSystem& fs, const std::string& path,
                                                 std::vector<std::string> agents,
                                                 RobotsMode mode = RobotsMode::rfc);

}  // namespace ballast
