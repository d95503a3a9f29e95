// The transports, with inputs chosen so that every order of adding gives one exactly representable
// result: any difference is a wrong element, never rounding. Ranks are threads of this process over
// loopback sockets.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "kernels/comm/async_comm.h"
#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/self_comm.h"
#include "kernels/comm/staged_comm.h"
#include "kernels/comm/tcp_link.h"
#include "kernels/comm/tcp_watchdog.h"
#include "kernels/launch.h"
#include "libcore/base/device_error.h"
#include "tests/kernels/comm_exercise.h"
#include "tests/kernels/free_port.h"
#include "tests/kernels/values.h"
#include "tests/support/environment_guard.h"

namespace ballast {
namespace {

using Wrap = std::function<std::unique_ptr<Comm>(std::unique_ptr<Comm>)>;

// body(comm) on every rank of a tcp world, each in a thread; `async`: through AsyncComm.
void with_ranks(int size, int timeout_s, const std::function<void(Comm&)>& body, bool async = false,
                const Wrap& wrap = {}) {
  const int port = free_port();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto open = [&]() -> Result<std::unique_ptr<Comm>> {
        const TcpPlace place = {rank, size, "127.0.0.1", port, timeout_s};
        return make_exchange_comm(BALLAST_TRY(connect_tcp(place)));
      };
      Result<std::unique_ptr<Comm>> opened = async ? make_async_comm(open) : open();
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      std::unique_ptr<Comm> comm = opened.take_value();
      if (wrap) comm = wrap(std::move(comm));
      body(*comm);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class TcpComm : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, TcpComm, testing::Values(1, 2, 3, 4));

TEST_P(TcpComm, CollectivesGiveTheExactAnswer) {
  with_ranks(GetParam(), 30, [](Comm& comm) { EXPECT_EQ(exercise_collectives(comm), ""); });
}

TEST_P(TcpComm, TheSameInAThreadOfItsOwn) {
  with_ranks(
      GetParam(), 30,
      [](Comm& comm) {
        EXPECT_EQ(exercise_collectives(comm), "");
        EXPECT_EQ(exercise_ring(comm), "");
        EXPECT_EQ(exercise_split(comm), "");
      },
      true);
}

TEST_P(TcpComm, TheSameForMemoryOfADevice) {
  const std::unique_ptr<Backend> backend = open_cpu(1);
  for (const bool async : {false, true}) {
    const auto staged = [&](std::unique_ptr<Comm> comm) {
      return make_staged_comm(*backend, std::move(comm));
    };
    with_ranks(
        GetParam(), 60,
        [](Comm& comm) {
          EXPECT_EQ(exercise_collectives(comm), "");
          EXPECT_EQ(exercise_ring(comm), "");
          EXPECT_EQ(exercise_split(comm), "");
        },
        async, staged);
  }
}

TEST_P(TcpComm, PointToPointRing) {
  with_ranks(GetParam(), 30, [](Comm& comm) { EXPECT_EQ(exercise_ring(comm), ""); });
}

TEST_P(TcpComm, SplitByParity) {
  with_ranks(GetParam(), 30, [](Comm& comm) { EXPECT_EQ(exercise_split(comm), ""); });
}

TEST(TcpCommFailure, AbortOnOneRankEndsTheOthers) {
  std::atomic<int> failed = 0;
  with_ranks(3, 30, [&](Comm& comm) {
    comm.barrier();
    if (comm.rank() == 1) {
      comm.abort();
      return;
    }
    try {
      comm.barrier();
    } catch (const DeviceError& error) {
      EXPECT_NE(std::string(error.what()).find("rank"), std::string::npos);
      ++failed;
    }
  });
  EXPECT_EQ(failed, 2);
}

TEST(TcpCommFailure, ASilentRankIsNoticedWithinTheTimeout) {
  with_ranks(2, 1, [](Comm& comm) {
    float value = 0;
    const Tensor x = make_tensor(&value, Dtype::f32, 1, 1);
    // Both wait for a message that nobody sends.
    EXPECT_THROW(comm.receive(x, 1 - comm.rank(), 0), DeviceError);
  });
}

TEST(TcpCommFailure, NobodyAtTheMasterIsAnError) {
  const Result<std::shared_ptr<Link>> link = connect_tcp({1, 2, "127.0.0.1", free_port(), 1});
  ASSERT_FALSE(link.ok());
  EXPECT_EQ(link.error().kind, ErrorKind::device);
}

TEST(AsyncComm, WhatFailsInItsThreadIsThrownByJoinAndByAllThatFollows) {
  with_ranks(
      2, 1,
      [](Comm& comm) {
        float value = 0;
        const Tensor x = make_tensor(&value, Dtype::f32, 1, 1);
        const EventId never = comm.receive(x, 1 - comm.rank(), 0);  // nobody sends
        EXPECT_THROW(comm.join(never), DeviceError);
        EXPECT_THROW(comm.barrier(), DeviceError);
      },
      true);
}

TEST(AsyncComm, AFailureToOpenIsAnError) {
  const auto comm = make_async_comm(
      []() -> Result<std::unique_ptr<Comm>> { return usage_error("no such transport"); });
  ASSERT_FALSE(comm.ok());
  EXPECT_EQ(comm.error().kind, ErrorKind::usage);
}

// Three ranks with watchdogs; `leaver` does something else than wait for the others.
void with_watchdogs(const std::function<void(Watchdog&)>& leaver, const std::string& expected) {
  std::atomic<int> told = 0, ended = 0;
  with_ranks(
      3, 60,
      [&](Comm& comm) {
        WatchdogOptions options;
        options.beat = std::chrono::milliseconds(20);
        options.grace = std::chrono::milliseconds(0);
        options.end_process = [&](const LostRank&) { ++ended; };
        Result<std::unique_ptr<Watchdog>> watchdog = Watchdog::start(comm, options);
        ASSERT_TRUE(watchdog.ok()) << watchdog.error().message();
        if (comm.rank() == 1) {
          leaver(**watchdog);
          watchdog->reset();
          return;
        }
        EXPECT_THROW(comm.barrier(), DeviceError);  // rank 1 never comes
        const auto lost = (*watchdog)->verdict(std::chrono::seconds(30));
        ASSERT_TRUE(lost.has_value());
        EXPECT_EQ(lost->rank, 1);
        EXPECT_EQ(lost->text, expected);
        ++told;
        while (ended < 2) std::this_thread::yield();  // the grace is over on both
      },
      true);
  EXPECT_EQ(told, 2);
}

TEST(Watchdog, ARankThatVanishesEndsTheOthersWithItsName) {
  with_watchdogs([](Watchdog&) {}, "lost rank 1 (its connection was closed)");
}

TEST(Watchdog, ARankThatGivesUpSaysSo) {
  with_watchdogs([](Watchdog& w) { w.give_up(); }, "rank 1 ended with an error");
}

TEST(Watchdog, RanksLeaveInAnyOrder) {
  for (int first = 0; first < 3; ++first) {
    with_ranks(
        3, 30,
        [&](Comm& comm) {
          WatchdogOptions options;
          options.beat = std::chrono::milliseconds(5);
          options.end_process = [](const LostRank& lost) { ADD_FAILURE() << lost.text; };
          Result<std::unique_ptr<Watchdog>> watchdog = Watchdog::start(comm, options);
          ASSERT_TRUE(watchdog.ok()) << watchdog.error().message();
          comm.barrier();
          if (comm.rank() == first) (*watchdog)->leave();
          comm.barrier();
          EXPECT_FALSE((*watchdog)->verdict({}).has_value());
          if (comm.rank() != first) (*watchdog)->leave();
        },
        true);
  }
}

TEST(Watchdog, SilenceIsALoss) {
  with_ranks(
      2, 60,
      [&](Comm& comm) {
        WatchdogOptions options;
        // Rank 1 never beats again after the start, and waits for as long as it takes.
        options.beat = comm.rank() == 1 ? std::chrono::hours(1) : std::chrono::milliseconds(20);
        options.patience = std::chrono::milliseconds(comm.rank() == 1 ? 600000 : 300);
        options.end_process = [](const LostRank&) {};
        Result<std::unique_ptr<Watchdog>> watchdog = Watchdog::start(comm, options);
        ASSERT_TRUE(watchdog.ok()) << watchdog.error().message();
        const auto lost = (*watchdog)->verdict(std::chrono::seconds(30));
        ASSERT_TRUE(lost.has_value());
        EXPECT_EQ(lost->rank, 1);
        const std::string patience = comm.rank() == 0 ? "0.3" : "600";
        EXPECT_EQ(lost->text, "lost rank 1 (silent for " + patience + " s)");
      },
      true);
}

TEST(LaunchPlace, KnowsWhoStartedIt) {
  EXPECT_EQ(launch_place()->transport, "self");
  {
    EnvironmentGuard e;
    e.set("BALLAST_WORLD_SIZE", "4");
    e.set("BALLAST_RANK", "3");
    e.set("BALLAST_MASTER", "127.0.0.1:5");
    const LaunchPlace place = *launch_place();
    EXPECT_EQ(place.transport, "tcp");
    EXPECT_EQ(place.rank, 3);
    EXPECT_EQ(place.size, 4);
    EXPECT_EQ(place.local_size, 4);
    EXPECT_EQ(place.local_rank, 3);
    e.set("BALLAST_RANK", "4");
    EXPECT_EQ(launch_place().error().kind, ErrorKind::usage);
  }
  {
    EnvironmentGuard e;
    e.set("OMPI_COMM_WORLD_SIZE", "6");
    e.set("OMPI_COMM_WORLD_RANK", "5");
    e.set("OMPI_COMM_WORLD_LOCAL_SIZE", "2");
    e.set("OMPI_COMM_WORLD_LOCAL_RANK", "1");
    EXPECT_EQ(launch_place()->transport, "mpi");
    EXPECT_EQ(launch_place()->local_size, 2);
    EXPECT_EQ(launch_place()->local_rank, 1);
  }
  EnvironmentGuard e;
  e.set("SLURM_NTASKS", "3");
  e.set("SLURM_PROCID", "2");
  EXPECT_EQ(launch_place()->transport, "self");  // a batch script: srun started nothing yet
  e.set("SLURM_STEP_ID", "0");
  e.set("SLURM_STEP_TASKS_PER_NODE", "1,2");
  e.set("SLURM_NODEID", "1");
  e.set("SLURM_LOCALID", "1");
  EXPECT_EQ(launch_place()->transport, "tcp");
  EXPECT_EQ(launch_place()->local_size, 2);
  e.set("SLURM_CPUS_PER_TASK", "1");
  EXPECT_EQ(default_threads(*launch_place()), 1);
  e.set("PMIX_RANK", "2");
  EXPECT_EQ(launch_place()->transport, "mpi");
}

TEST(LaunchPlace, CountListsOfSlurm) {
  EXPECT_EQ(tasks_of_node("4", 0), 4);
  EXPECT_EQ(tasks_of_node("4(x2),3", 1), 4);
  EXPECT_EQ(tasks_of_node("4(x2),3", 2), 3);
  EXPECT_EQ(tasks_of_node("4(x2),3", 3), 0);
  for (const char* bad : {"", "x", "4(x", "4(xy)"}) EXPECT_EQ(tasks_of_node(bad, 5), 0) << bad;
}

TEST(TcpPlace, FirstHostOfASlurmList) {
  EXPECT_EQ(*first_host("login1"), "login1");
  EXPECT_EQ(*first_host("a1,b2"), "a1");
  EXPECT_EQ(*first_host("gpu[003-007,12],login"), "gpu003");
  EXPECT_EQ(*first_host("gpu[12,14]-ib,x[1-2]"), "gpu12-ib");
  for (const char* bad : {"", "[1-2]", "a[]", "a[1-2", ",a"}) {
    EXPECT_FALSE(first_host(bad).ok()) << bad;
  }
}

TEST(TcpPlace, FromOurVariablesAndFromSlurm) {
  {
    EnvironmentGuard environment;
    environment.set("BALLAST_RANK", "2");
    environment.set("BALLAST_WORLD_SIZE", "4");
    environment.set("BALLAST_MASTER", "head:4711");
    const TcpPlace place = *tcp_place_from_environment();
    EXPECT_EQ(place.rank, 2);
    EXPECT_EQ(place.size, 4);
    EXPECT_EQ(place.host, "head");
    EXPECT_EQ(place.port, 4711);
    environment.set("BALLAST_RANK", "4");
    EXPECT_FALSE(tcp_place_from_environment().ok());
    environment.set("BALLAST_RANK", "1x");
    EXPECT_EQ(tcp_place_from_environment().error().kind, ErrorKind::usage);
    environment.set("BALLAST_RANK", "1");
    environment.set("BALLAST_MASTER", "head:70000");
    EXPECT_FALSE(tcp_place_from_environment().ok());
  }
  EnvironmentGuard slurm;
  slurm.set("SLURM_PROCID", "1");
  slurm.set("SLURM_NTASKS", "2");
  slurm.set("SLURM_STEP_NODELIST", "n[07-08]");
  slurm.set("SLURM_JOB_ID", "1234");
  slurm.set("SLURM_STEP_ID", "0");
  const TcpPlace place = *tcp_place_from_environment();
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.host, "n07");
  EXPECT_GE(place.port, 20000);
  EXPECT_LT(place.port, 32000);
}

TEST(SelfComm, DoesEverythingAlone) {
  const std::unique_ptr<Backend> backend = open_cpu(1);
  Result<std::unique_ptr<Comm>> comm = open_comm("self", *backend);
  ASSERT_TRUE(comm.ok());
  EXPECT_EQ(exercise_collectives(**comm), "");
  EXPECT_EQ(exercise_split(**comm), "");
  float value = 0;
  EXPECT_THROW((*comm)->send(make_tensor(&value, Dtype::f32, 1, 1), 0, 0), DeviceError);
}

TEST(OpenComm, RefusesWhatIsNotBuiltByName) {
  const std::unique_ptr<Backend> backend = open_cpu(1);
  for (const char* name : {"nccl", "pigeon"}) {
    const Result<std::unique_ptr<Comm>> comm = open_comm(name, *backend);
    ASSERT_FALSE(comm.ok());
    EXPECT_EQ(comm.error().kind, ErrorKind::usage);
    EXPECT_NE(comm.error().message().find(name), std::string::npos);
  }
  for (const char* name : {"cuda", "cuda:1", "tpu"}) {
    const Result<std::unique_ptr<Backend>> device = open_backend(name, {});
    ASSERT_FALSE(device.ok());
    EXPECT_NE(device.error().message().find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace ballast
