// RUN/lease.json says who runs a run: host, pid, job id, a random token, and when it was renewed.
// A lease instead of flock, because locks of shared file systems are released late or not at all.
// It is stale, and taken over, when its process is known to be dead (same host, pid gone or started
// at another time), when it belongs to an earlier start of the same batch job, or when it was not
// renewed for kLeaseExpirySeconds. One thread; renew() may be
// called from a thread of its own if nothing else uses the object. Errors: kind usage naming the
// holder, kind io.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

inline constexpr const char* kLeaseName = "lease.json";
inline constexpr int64_t kLeaseRenewSeconds = 60;
inline constexpr int64_t kLeaseExpirySeconds = 600;

struct LeaseHolder {
  std::string host;
  int64_t pid = 0;
  std::string started;  // start time of the process in the system's own units; tells reused pids
  std::string job;      // batch system's id, "ID/RESTARTS" after a requeue; empty: none
  std::string tool;     // "pretrain"
  std::string token;    // random
  int64_t renewed_us = 0;
  std::string describe() const;  // "pretrain on node7, pid 1234, job 5678"
};

// What a lease needs to know of the machine; tests replace it.
struct LeaseSystem {
  std::string host;
  int64_t pid = 0;
  std::string job;
  std::function<int64_t()> now_us;
  // Start time of a process of this host; nullopt: no such process.
  std::function<std::optional<std::string>(int64_t pid)> started;
  std::function<std::string()> token;
};
LeaseSystem this_system();

class Lease {
 public:
  // Creates RUN/lease.json or takes a stale one over. `what` is the directory called in errors.
  static Result<Lease> acquire(FileSystem& fs, const std::string& run_directory,
                               const std::string& tool, const LeaseSystem& system = this_system(),
                               const std::string& what = "run");
  ~Lease();  // releases
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;

  // Call every kLeaseRenewSeconds; cheap when it is not due yet. Kind io when somebody else took
  // the lease over: this process must stop writing into the run.
  Result<void> renew();
  Result<void> release();
  const LeaseHolder& holder() const { return holder_; }

 private:
  Lease(FileSystem& fs, std::string path, LeaseHolder holder, LeaseSystem system, std::string what);
  FileSystem* fs_;
  std::string path_;
  LeaseHolder holder_;
  LeaseSystem system_;
  std::string what_;
};

// Who holds the lease now; nullopt: nobody, or it is stale.
Result<std::optional<LeaseHolder>> lease_holder(FileSystem& fs, const std::string& run_directory,
                                                const LeaseSystem& system = this_system());
std::string lease_text(const LeaseHolder& holder);
Result<LeaseHolder> parse_lease(std::string_view text, const std::string& where);
bool is_lease_stale(const LeaseHolder& holder, const LeaseSystem& system);

}  // namespace ballast
