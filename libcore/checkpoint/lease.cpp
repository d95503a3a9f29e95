#include "libcore/checkpoint/lease.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "libcore/checkpoint/json_fields.h"
#include "libcore/io/atomic_file.h"
#include "libcore/trace/record.h"

namespace ballast {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kLeaseLimit = 65536;

// Field 22 of /proc/PID/stat, counted after the command name, which may hold anything but ends at
// the last ')'.
std::optional<std::string> start_of_process(int64_t pid) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return std::nullopt;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::string();  // alive, but nothing more is known
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return field;
}

std::string job_of_environment() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string job = variable("SLURM_JOB_ID"); !job.empty()) {
    const std::string restarts = variable("SLURM_RESTART_COUNT");
    return restarts.empty() || restarts == "0" ? job : job + "/" + restarts;
  }
  for (const char* name : {"PBS_JOBID", "LSB_JOBID", "JOB_ID"})
    if (const std::string job = variable(name); !job.empty()) return job;
  return "";
}

// A batch system starts a job again only when its earlier start is over, on whatever host that was.
bool is_earlier_start(const std::string& theirs, const std::string& ours) {
  const auto split = [](const std::string& job) {
    const size_t slash = job.find('/');
    const std::string count = slash == std::string::npos ? "0" : job.substr(slash + 1);
    return std::pair(job.substr(0, slash), std::strtol(count.c_str(), nullptr, 10));
  };
  const auto [their_job, their_start] = split(theirs);
  const auto [our_job, our_start] = split(ours);
  return !our_job.empty() && their_job == our_job && their_start < our_start;
}

// nullopt: no lease, or one that does not read; the latter is taken over like a stale one, since a
// lease is replaced atomically and only damage leaves half of it.
Result<std::optional<LeaseHolder>> read_lease(FileSystem& fs, const std::string& path) {
  std::optional<LeaseHolder> none;
  if (!fs.exists(path)) return none;
  const auto text = read_file(fs, path, kLeaseLimit);
  if (!text.ok()) return fs.exists(path) ? Result<std::optional<LeaseHolder>>(text.error()) : none;
  auto holder = parse_lease(*text, path);
  if (!holder.ok()) return none;
  return std::optional(std::move(*holder));
}

Result<void> create_lease(FileSystem& fs, const std::string& path, const LeaseHolder& holder) {
  AtomicFile file(fs, path, false);
  BALLAST_TRY(file.write(lease_text(holder)));
  return file.commit();
}

Error held_by(const LeaseHolder& holder, const std::string& path, const std::string& what) {
  return usage_error(what + " is held by " + holder.describe(), path,
                     "renewed " + format_time_us(holder.renewed_us));
}

// Moves a stale lease aside. Somebody else may have done so and created a new one since `stale` was
// read; that one is put back.
Result<void> remove_stale(FileSystem& fs, const std::string& path, const std::string& aside,
                          const std::string& stale_token, const std::string& what) {
  const auto moved = fs.rename_exclusive(path, aside);
  if (!moved.ok()) return fs.exists(path) ? Result<void>(moved.error()) : Result<void>();
  const auto now = BALLAST_TRY(read_lease(fs, aside));
  if (now && now->token != stale_token) {
    BALLAST_TRY(fs.rename_exclusive(aside, path));
    return held_by(*now, path, what);
  }
  return fs.remove(aside);
}

}  // namespace

std::string LeaseHolder::describe() const {
  return fmt::format("{} on {}, pid {}{}", tool, host, pid, job.empty() ? "" : ", job " + job);
}

LeaseSystem this_system() {
  LeaseSystem system;
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  system.host = host;
  system.pid = ::getpid();
  system.job = job_of_environment();
  system.now_us = wall_clock_us;
  system.started = start_of_process;
  system.token = [] {
    std::random_device random;
    return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
  };
  return system;
}

std::string lease_text(const LeaseHolder& holder) {
  Json json;
  json["host"] = holder.host;
  json["pid"] = holder.pid;
  json["started"] = holder.started;
  json["job"] = holder.job;
  json["tool"] = holder.tool;
  json["token"] = holder.token;
  json["renewed"] = format_time_us(holder.renewed_us);
  return to_json_text(json);
}

Result<LeaseHolder> parse_lease(std::string_view text, const std::string& where) {
  const Json json = BALLAST_TRY(parse_json(text, where));
  LeaseHolder holder;
  holder.host = BALLAST_TRY(string_member(json, "host", where));
  holder.pid = BALLAST_TRY(count_field(json, "pid", where));
  holder.started = BALLAST_TRY(string_member(json, "started", where));
  holder.job = BALLAST_TRY(string_member(json, "job", where));
  holder.tool = BALLAST_TRY(string_member(json, "tool", where));
  holder.token = BALLAST_TRY(string_member(json, "token", where));
  const std::string renewed = BALLAST_TRY(string_member(json, "renewed", where));
  holder.renewed_us = BALLAST_TRY(parse_time_us(renewed));
  return holder;
}

bool is_lease_stale(const LeaseHolder& holder, const LeaseSystem& system) {
  if (holder.host == system.host) {
    const auto started = system.started(holder.pid);
    const bool known = started && !started->empty() && !holder.started.empty();
    if (!started || (known && *started != holder.started)) return true;
    if (known) return false;  // alive: however late it is with renewing
  }
  if (is_earlier_start(holder.job, system.job)) return true;
  return system.now_us() - holder.renewed_us > kLeaseExpirySeconds * kSecond;
}

Result<std::optional<LeaseHolder>> lease_holder(FileSystem& fs, const std::string& run_directory,
                                                const LeaseSystem& system) {
  auto holder = BALLAST_TRY(read_lease(fs, join_path(run_directory, kLeaseName)));
  if (holder && is_lease_stale(*holder, system)) holder.reset();
  return holder;
}

Lease::Lease(FileSystem& fs, std::string path, LeaseHolder holder, LeaseSystem system,
             std::string what)
    : fs_(&fs),
      path_(std::move(path)),
      holder_(std::move(holder)),
      system_(std::move(system)),
      what_(std::move(what)) {}

Lease::Lease(Lease&& other) noexcept
    : fs_(std::exchange(other.fs_, nullptr)),
      path_(std::move(other.path_)),
      holder_(std::move(other.holder_)),
      system_(std::move(other.system_)),
      what_(std::move(other.what_)) {}

// A lease that stays behind is stale as soon as this process is gone.
Lease::~Lease() {
  if (fs_ != nullptr) (void)release();
}

Result<Lease> Lease::acquire(FileSystem& fs, const std::string& run_directory,
                             const std::string& tool, const LeaseSystem& system,
                             const std::string& what) {
  const std::string path = join_path(run_directory, kLeaseName);
  LeaseHolder mine;
  mine.host = system.host;
  mine.pid = system.pid;
  mine.started = system.started(system.pid).value_or("");
  mine.job = system.job;
  mine.tool = tool;
  mine.token = system.token();
  mine.renewed_us = system.now_us();
  if (fs.exists(path)) {
    const auto holder = BALLAST_TRY(read_lease(fs, path));
    if (holder && !is_lease_stale(*holder, system)) return held_by(*holder, path, what);
    BALLAST_TRY(
        remove_stale(fs, path, path + ".stale-" + mine.token, holder ? holder->token : "", what));
  }
  auto created = create_lease(fs, path, mine);
  if (!created.ok()) {
    const auto winner = BALLAST_TRY(read_lease(fs, path));
    return winner && winner->token != mine.token ? held_by(*winner, path, what)
                                                 : created.take_error();
  }
  return Lease(fs, path, std::move(mine), system, what);
}

Result<void> Lease::renew() {
  const int64_t now = system_.now_us();
  if (now - holder_.renewed_us < kLeaseRenewSeconds * kSecond) return {};
  const auto holder = BALLAST_TRY(read_lease(*fs_, path_));
  if (!holder || holder->token != holder_.token) {
    return io_error("lease of the " + what_ + " was lost", path_,
                    holder ? "taken over by " + holder->describe() : "the file is gone");
  }
  LeaseHolder renewed = holder_;
  renewed.renewed_us = now;
  AtomicFile file(*fs_, path_, true);
  BALLAST_TRY(file.write(lease_text(renewed)));
  BALLAST_TRY(file.commit());
  holder_ = std::move(renewed);
  return {};
}

Result<void> Lease::release() {
  FileSystem* fs = std::exchange(fs_, nullptr);
  if (fs == nullptr) return {};
  const auto holder = BALLAST_TRY(read_lease(*fs, path_));
  if (!holder || holder->token != holder_.token) return {};
  return fs->remove(path_);
}

}  // namespace ballast
