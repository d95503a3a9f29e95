// The mpi transport: a Link over MPI_COMM_WORLD, loaded as ballast_mpi.so. One thread, the one that
// drives the Comm, makes all MPI calls. MPI's own reductions are not used: their order is the
// library's choice.
#include <fmt/format.h>
#include <mpi.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <utility>
#include <vector>

#include "kernels/comm/exchange_comm.h"
#include "kernels/open_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw DeviceError(fmt::format("mpi: {}: {}", call, text));
}

class MpiLink final : public Link {
 public:
  explicit MpiLink(int timeout_s) : timeout_(timeout_s) {
    int initialized = 0, level = 0;
    MPI_Initialized(&initialized);
    if (initialized == 0) {
      check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
      owner_ = true;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }
  ~MpiLink() override {
    if (owner_ && !failed_ && !aborted_) MPI_Finalize();
  }

  std::string name() const override { return "mpi"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange(std::span<const Transfer> transfers) override {
    const bool healthy = !std::exchange(failed_, true);  // finalizing would wait for a lost peer
    move(transfers);
    failed_ = !healthy;
  }

  // Not MPI_Abort, which would end this process in the middle of whatever it does: a process that
  // exits without MPI_Finalize makes its launcher end the others.
  void abort() override { aborted_ = true; }

 private:
  void move(std::span<const Transfer> transfers) {
    std::vector<MPI_Request> requests;
    for (const Transfer& t : transfers) {
      post(requests, t.receive_bytes, [&](int64_t at, int bytes, MPI_Request* request) {
        check(MPI_Irecv(static_cast<char*>(t.receive) + at, bytes, MPI_BYTE, t.peer, 0,
                        MPI_COMM_WORLD, request),
              "MPI_Irecv");
      });
      post(requests, t.send_bytes, [&](int64_t at, int bytes, MPI_Request* request) {
        check(MPI_Isend(static_cast<const char*>(t.send) + at, bytes, MPI_BYTE, t.peer, 0,
                        MPI_COMM_WORLD, request),
              "MPI_Isend");
      });
    }
    wait_all(requests);
  }

  // Messages of at most 1 GiB: MPI counts in int.
  template <class Function>
  static void post(std::vector<MPI_Request>& requests, int64_t bytes, const Function& function) {
    constexpr int64_t kMost = int64_t{1} << 30;
    for (int64_t at = 0; at < bytes; at += kMost) {
      requests.emplace_back();
      function(at, static_cast<int>(std::min(kMost, bytes - at)), &requests.back());
    }
  }

  // Gives the core away between tests, and sleeps when it takes longer: ranks and their own compute
  // threads share the cores.
  void wait_all(std::vector<MPI_Request>& requests) {
    constexpr int kYields = 200;
    constexpr timespec kNap = {0, 50'000};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_);
    int tests = 0;
    for (int done = 0; done == 0; ++tests) {
      check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                        MPI_STATUSES_IGNORE),
            "MPI_Testall");
      if (done != 0) return;
      if (aborted_) throw DeviceError(fmt::format("mpi: rank {}: given up", rank_));
      if (std::chrono::steady_clock::now() > deadline) {
        throw DeviceError(fmt::format("mpi: rank {}: no answer within {} s", rank_, timeout_));
      }
      if (tests < kYields) {
        ::sched_yield();
      } else {
        ::nanosleep(&kNap, nullptr);
      }
    }
  }

  int timeout_;
  int rank_ = 0, size_ = 1;
  bool owner_ = false;
  bool failed_ = false;
  std::atomic<bool> aborted_ = false;
};

int timeout_from_environment() {
  const char* text = std::getenv("BALLAST_COMM_TIMEOUT");
  const int seconds = text == nullptr ? 0 : std::atoi(text);
  return seconds > 0 ? seconds : 300;
}

}  // namespace
}  // namespace ballast

extern "C" ballast::Comm* ballast_open_comm(ballast::Backend*, std::string* error) {
  try {
    auto link = std::make_shared<ballast::MpiLink>(ballast::timeout_from_environment());
    return ballast::make_exchange_comm(std::move(link)).release();
  } catch (const std::exception& failure) {
    *error = failure.what();
    return nullptr;
  }
}
