// The ranks of one run as the trainer sees them: its device, its transport, the watchdog over the
// others, and how they come to one mind. Rank 0 leads: it alone writes the run's files and speaks.
// What can fail on one rank alone goes through agree(), what only one rank may decide through
// lead(); both end in the same error on every rank. Alone, both cost nothing. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kernels/comm/tcp_watchdog.h"
#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/follower_file_system.h"
#include "libcore/io/json.h"
#include "libcore/tensor/backend.h"
#include "libcore/tensor/comm.h"

namespace ballast {

class World {
 public:
  // Opens device and transport; waits for the other ranks. Messages carry the rank from here on.
  // From here on a lost rank ends this process too, with exit code 4. `any_ranks`: sums must not
  // depend on the number of ranks.
  static Result<std::unique_ptr<World>> open(FileSystem& fs, const std::string& device,
                                             Dtype compute, const std::string& transport,
                                             bool any_ranks, int threads);

  Backend& backend() const { return *backend_; }
  Comm& comm() const { return *comm_; }
  int rank() const { return comm_->rank(); }
  int size() const { return comm_->size(); }
  bool alone() const { return size() == 1; }
  bool leads() const { return rank() == 0; }
  // For the run's files: the real one for the leader, for others one that keeps no change.
  FileSystem& files() { return leads() ? disk_ : followers_files_; }
  FileSystem& disk() { return disk_; }

  // The result of this rank, unless any rank failed: then the error of the lowest one that did.
  template <class T>
  Result<T> agree(Result<T> mine) {
    if (alone()) return mine;
    if (std::optional<Error> error = share_error(mine.ok() ? nullptr : &mine.error())) {
      return std::move(*error);
    }
    return mine;
  }
  // The leader's decision, on every rank.
  Result<Json> lead(const std::function<Result<Json>()>& decide);
  // Everyone gives a text; all get all of them, by rank. Collective.
  std::vector<std::string> gather(const std::string& text);

  // All ranks are done alike: none waits for this one any more.
  void leave();
  // This rank ends with `error`. Says so to the others unless they end with the same one, and
  // returns what this rank should say, if anything.
  std::optional<Error> end_with(const Error& error);
  // What agree() does when a collective has already told the ranks that one of them failed.
  std::optional<Error> share_error(const Error* mine);

 private:
  World(FileSystem& fs, std::unique_ptr<Backend> backend, std::unique_ptr<Comm> comm);
  std::string broadcast(std::string text, int root);

  FileSystem& disk_;
  FollowerFileSystem followers_files_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Comm> comm_;          // before the backend that it uses
  std::unique_ptr<Watchdog> watchdog_;  // before the transport that it aborts
  bool error_is_shared_ = false;
};

}  // namespace ballast
