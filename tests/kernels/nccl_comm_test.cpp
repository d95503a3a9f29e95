// The nccl transport on the emulated device, over a stand-in for NCCL (tests/support): what it asks
// of the library, in which order, and how it gets away when something goes wrong. Ranks are threads
// of this process.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "kernels/comm/async_comm.h"
#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/tcp_link.h"
#include "kernels/nccl_settings.h"
#include "kernels/open_nccl.h"
#include "kernels/plugin.h"
#include "libcore/base/device_error.h"
#include "tests/kernels/comm_exercise.h"
#include "tests/kernels/free_port.h"
#include "tests/kernels/values.h"
#include "tests/support/environment_guard.h"

namespace ballast {
namespace {

// One rank on a device of its own.
struct Rank {
  Backend& backend;
  Comm& comm;
  void wait() const { backend.synchronize(backend.record(StreamId::compute)); }
  std::string exercise(std::string (*what)(Comm&, const WaitForCompute&)) const {
    return what(comm, [this] { wait(); });
  }
};

std::unique_ptr<Backend> open_emulation() {
  ::setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 1);
  Result<std::unique_ptr<Backend>> backend = open_backend("emu", {.threads = 1});
  EXPECT_TRUE(backend.ok()) << backend.error().message();
  return backend.take_value();
}

class Nccl : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 1);
    if (!plugin_present("nccl")) GTEST_SKIP() << "this build found no header of NCCL";
    if (!plugin_present("emu")) GTEST_SKIP() << "this build has no emulation";
    environment_.set("BALLAST_NCCL", BALLAST_NCCL_STAND_IN);
  }

  // opened(rank, comm or error) on every rank, each in a thread.
  using Opened = std::function<void(int rank, Backend&, Result<std::unique_ptr<Comm>>)>;
  void open_ranks(int size, const Opened& opened) {
    const int port = free_port();
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        const std::unique_ptr<Backend> backend = open_emulation();
        const auto connect = [&]() -> Result<std::unique_ptr<Comm>> {
          const TcpPlace place = {rank, size, "127.0.0.1", port, 30};
          return make_exchange_comm(BALLAST_TRY(connect_tcp(place)));
        };
        Result<std::unique_ptr<Comm>> host = make_async_comm(connect);
        ASSERT_TRUE(host.ok()) << host.error().message();
        opened(rank, *backend, open_over(*backend, host.take_value()));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void with_ranks(int size, const std::function<void(Rank)>& body) {
    open_ranks(size, [&](int, Backend& backend, Result<std::unique_ptr<Comm>> comm) {
      ASSERT_TRUE(comm.ok()) << comm.error().message();
      body({backend, **comm});
    });
  }

  // A rank that another one's fault, or its own, has reached: it hears of it and does not hang.
  void all_fail(int size, const char* fault, const std::function<void(Rank)>& body) {
    environment_.set("BALLAST_STAND_IN_FAULT", fault);
    with_ranks(size, [&](Rank rank) {
      EXPECT_THROW(
          {
            body(rank);
            rank.comm.barrier();
          },
          DeviceError);
      EXPECT_THROW(rank.comm.barrier(), DeviceError);
      double value[1] = {0};
      EXPECT_THROW(rank.comm.all_reduce_host(value, ReduceOp::sum), DeviceError);
      rank.comm.abort();
    });
  }

  Result<std::unique_ptr<Comm>> open_over(Backend& backend, std::unique_ptr<Comm> host) {
    NcclOpening opening = BALLAST_TRY(prepare_nccl(backend, *host, {"settings", ""}));
    opening.timeout_s = timeout_s_;
    return open_nccl(opening, std::move(host));
  }

  std::string refusal() {
    std::string text;
    open_ranks(1, [&](int, Backend&, Result<std::unique_ptr<Comm>> comm) {
      ASSERT_FALSE(comm.ok());
      EXPECT_EQ(comm.error().kind, ErrorKind::device);
      text = comm.error().message();
    });
    return text;
  }

  EnvironmentGuard environment_;
  int timeout_s_ = 60;
};

class NcclSizes : public Nccl, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, NcclSizes, testing::Values(1, 2, 3, 4));

TEST_P(NcclSizes, CollectivesGiveTheExactAnswer) {
  with_ranks(GetParam(), [](Rank rank) {
    EXPECT_EQ(rank.comm.name(), "nccl");
    EXPECT_NE(rank.comm.sums().find("test library"), std::string::npos);
    EXPECT_EQ(rank.exercise(exercise_collectives), "");
  });
}

TEST_P(NcclSizes, PointToPointRing) {
  with_ranks(GetParam(), [](Rank rank) { EXPECT_EQ(rank.exercise(exercise_ring), ""); });
}

TEST_P(NcclSizes, SplitByParity) {
  with_ranks(GetParam(), [](Rank rank) { EXPECT_EQ(rank.exercise(exercise_split), ""); });
}

TEST_P(NcclSizes, EqualPartsAndSumsOfBf16) {
  with_ranks(GetParam(), [](Rank rank) {
    const int size = rank.comm.size(), me = rank.comm.rank();
    std::vector<uint16_t> ones(static_cast<size_t>(4 * size), 0x3f80);  // 1.0
    std::vector<int64_t> borders;
    for (int r = 0; r <= size; ++r) borders.push_back(4 * r);
    const Tensor x = make_tensor(ones.data(), Dtype::bf16, 1, 4 * size);
    rank.comm.reduce_parts(x, borders, ReduceOp::sum, 0);
    rank.comm.join(rank.comm.gather_parts(x, borders, 0));
    rank.wait();
    const std::vector<uint16_t> counts = {0, 0x3f80, 0x4000, 0x4040, 0x4080};
    EXPECT_EQ(ones, std::vector<uint16_t>(ones.size(), counts[static_cast<size_t>(size)])) << me;
  });
}

// A collective reads what the compute stream has written before its event, and the compute stream
// reads what the collective has written: streams of the emulation run nothing before somebody
// waits.
TEST_F(Nccl, EventsOrderTheStreams) {
  with_ranks(2, [](Rank rank) {
    std::vector<float> host(64, static_cast<float>(rank.comm.rank() + 1)), back(64);
    void* data = rank.backend.allocate(64 * 4, true);
    const Tensor x = make_tensor(data, Dtype::f32, 1, 64);
    rank.backend.copy_in(data, host.data(), 64 * 4, StreamId::compute);
    const EventId written = rank.backend.record(StreamId::compute);
    rank.comm.join(rank.comm.all_reduce(x, ReduceOp::sum, written));
    rank.backend.copy_out(back.data(), data, 64 * 4, StreamId::compute);
    rank.wait();
    EXPECT_EQ(back, std::vector<float>(64, 3.0f));
    rank.backend.release(data);
  });
}

TEST_F(Nccl, RegisteredMemoryIsTheLibrarysAndOutlivesTheTransport) {
  open_ranks(2, [](int, Backend& backend, Result<std::unique_ptr<Comm>> comm) {
    ASSERT_TRUE(comm.ok()) << comm.error().message();
    auto* registered = static_cast<unsigned char*>(backend.allocate(100, true));
    void* plain = backend.allocate(100, false);
    EXPECT_EQ(registered[0], 0xb5);
    EXPECT_EQ(registered[99], 0xb5);
    backend.release(plain);
    comm->reset();
    backend.release(registered);
    void* later = backend.allocate(100, true);
    backend.release(later);
  });
}

TEST_F(Nccl, AbortOnOneRankEndsTheOthers) {
  with_ranks(3, [](Rank rank) {
    rank.comm.barrier();
    if (rank.comm.rank() == 1) return rank.comm.abort();
    std::vector<float> x(10);
    EXPECT_THROW(
        {
          rank.comm.join(
              rank.comm.all_reduce(make_tensor(x.data(), Dtype::f32, 1, 10), ReduceOp::sum, 0));
          rank.wait();
          rank.comm.barrier();
        },
        DeviceError);
  });
}

TEST_F(Nccl, AbortFromAnotherThreadFreesAWaitingHost) {
  with_ranks(2, [](Rank rank) {
    rank.comm.barrier();
    float value = 0;
    const Tensor x = make_tensor(&value, Dtype::f32, 1, 1);
    rank.comm.join(rank.comm.receive(x, 1 - rank.comm.rank(), 0));  // nobody sends
    std::thread watchdog([&] { rank.comm.abort(); });
    rank.wait();
    watchdog.join();
    EXPECT_THROW(rank.comm.barrier(), DeviceError);
  });
}

TEST_F(Nccl, ASilentRankIsNoticedWithinTheTimeout) {
  timeout_s_ = 1;
  with_ranks(2, [](Rank rank) {
    float value = 0;
    const Tensor x = make_tensor(&value, Dtype::f32, 1, 1);
    rank.comm.join(rank.comm.receive(x, 1 - rank.comm.rank(), 0));  // nobody sends
    rank.wait();
    try {
      rank.comm.barrier();
      ADD_FAILURE() << "no error";
    } catch (const DeviceError& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.find("within 1 s") != text.npos || text.find("remote") != text.npos) << text;
    }
  });
}

void sum_three_times(Rank rank) {
  std::vector<float> x(100);
  for (int i = 0; i < 3; ++i)
    rank.comm.join(
        rank.comm.all_reduce(make_tensor(x.data(), Dtype::f32, 1, 100), ReduceOp::sum, 0));
  rank.wait();
}

TEST_F(Nccl, ACallThatFailsEndsAllRanks) {
  all_fail(2, "1:ncclAllReduce@2:error", sum_three_times);
}

TEST_F(Nccl, AnErrorThatIsReportedLaterEndsAllRanks) {
  all_fail(2, "0:ncclAllReduce@3:late", sum_three_times);
}

TEST_F(Nccl, AnOperationThatHangsEndsAllRanks) {
  timeout_s_ = 1;
  all_fail(2, "1:ncclAllReduce@3:hang", sum_three_times);
}

TEST_F(Nccl, AFailureInAGroupEndsAllRanks) {
  all_fail(2, "1:ncclReduce@2:error", [](Rank rank) {
    std::vector<float> x(5);
    const std::vector<int64_t> borders = {0, 2, 5};
    rank.comm.join(
        rank.comm.reduce_parts(make_tensor(x.data(), Dtype::f32, 1, 5), borders, ReduceOp::sum, 0));
    rank.wait();
  });
}

TEST_F(Nccl, AFailureToBeginIsAnErrorOnAllRanks) {
  timeout_s_ = 1;
  for (const char* fault :
       {"1:ncclCommInitRankConfig@1:error", "0:ncclCommInitRankConfig@1:hang"}) {
    environment_.set("BALLAST_STAND_IN_FAULT", fault);
    open_ranks(2, [](int, Backend&, const Result<std::unique_ptr<Comm>>& comm) {
      ASSERT_FALSE(comm.ok());
      EXPECT_EQ(comm.error().kind, ErrorKind::device);
      EXPECT_NE(comm.error().message().find("ncclCommInitRankConfig"), std::string::npos);
    });
  }
}

TEST_F(Nccl, AMissingLibraryIsNamed) {
  environment_.set("BALLAST_NCCL", "/nonexistent/libnccl.so.2");
  const std::string text = refusal();
  EXPECT_NE(text.find("cannot load NCCL"), std::string::npos) << text;
  EXPECT_NE(text.find("/nonexistent/libnccl.so.2"), std::string::npos) << text;
  EXPECT_NE(text.find("BALLAST_NCCL"), std::string::npos) << text;
}

TEST_F(Nccl, ALibraryThatLacksCallsIsNamedWithThem) {
  environment_.set("BALLAST_NCCL", BALLAST_NCCL_FRAGMENT);
  const std::string text = refusal();
  EXPECT_NE(text.find("version 2.28.9; it has no ncclCommInitRankConfig"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("ncclGetUniqueId"), std::string::npos) << text;
}

TEST_F(Nccl, OtherVersionsAreRefusedByName) {
  for (const auto& [code, name] :
       {std::pair("2708", "2.7.8"), {"21405", "2.14.5"}, {"30000", "3.0.0"}}) {
    environment_.set("BALLAST_STAND_IN_VERSION", code);
    EXPECT_NE(refusal().find(std::string("version ") + name + "; 2.18.1 or a later 2.x is needed"),
              std::string::npos)
        << name;
  }
}

TEST_F(Nccl, TheRealLibraryIsLoadedAndKeptFromTheEmulatedDevice) {
  void* real = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (real == nullptr) GTEST_SKIP() << "no NCCL on this machine";
  ::dlclose(real);
  environment_.set("BALLAST_NCCL", "libnccl.so.2");
  EXPECT_NE(refusal().find("NCCL cannot work on the emulated device"), std::string::npos);
}

class NcclSettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"NCCL_ALGO", "NCCL_PROTO", "NCCL_MIN_CTAS", "NCCL_MAX_CTAS",
                             "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS"})
      environment_.unset(name);
  }
  EnvironmentGuard environment_;
};

TEST_F(NcclSettingsTest, WhatNobodyHasSetIsSetAndSaid) {
  const Result<NcclSettings> settings = settle_nccl_environment();
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->all, "NCCL_ALGO=Ring, NCCL_PROTO=Simple, NCCL_MIN_CTAS=16, NCCL_MAX_CTAS=16");
  EXPECT_EQ(settings->made, settings->all);
  EXPECT_STREQ(std::getenv("NCCL_ALGO"), "Ring");
  EXPECT_STREQ(std::getenv("NCCL_MAX_CTAS"), "16");
}

TEST_F(NcclSettingsTest, WhatSomebodyHasSetStays) {
  environment_.set("NCCL_ALGO", "^NVLS,NVLSTree,CollnetDirect,CollnetChain,PAT");
  environment_.set("NCCL_PROTO", "LL128");
  environment_.set("NCCL_MIN_NCHANNELS", "8");
  environment_.set("NCCL_MAX_NCHANNELS", "8");
  const Result<NcclSettings> settings = settle_nccl_environment();
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->made, "");
  EXPECT_STREQ(std::getenv("NCCL_PROTO"), "LL128");
  EXPECT_EQ(std::getenv("NCCL_MIN_CTAS"), nullptr);
  EXPECT_NE(settings->all.find("NCCL_MAX_NCHANNELS=8"), std::string::npos);
}

TEST_F(NcclSettingsTest, WhatDoesNotRepeatIsRefusedByName) {
  const auto refused = [](const char* name, const char* value) {
    EnvironmentGuard environment;
    for (const char* other : {"NCCL_ALGO", "NCCL_PROTO", "NCCL_MIN_CTAS", "NCCL_MAX_CTAS"})
      environment.unset(other);
    environment.set(name, value);
    const Result<NcclSettings> settings = settle_nccl_environment();
    ASSERT_FALSE(settings.ok()) << name << "=" << value;
    EXPECT_EQ(settings.error().kind, ErrorKind::usage);
    EXPECT_EQ(settings.error().message().find(std::string(name) + "=" + value), 0u);
  };
  for (const char* value : {"NVLS", "Ring,NVLS", "collnetdirect", "^NVLS", "allreduce:ring",
                            "ring;allreduce:nvlstree", "ring,", "PAT"})
    refused("NCCL_ALGO", value);
  for (const char* value : {"Simple,LL", "^LL", "LL256", "simple;allreduce:ll,ll128"})
    refused("NCCL_PROTO", value);
  refused("NCCL_MIN_CTAS", "4");
  refused("NCCL_MAX_CTAS", "32");
  for (const char* value : {"ring", "Tree", "ring,tree;broadcast:ring"}) {
    environment_.set("NCCL_ALGO", value);
    EXPECT_TRUE(settle_nccl_environment().ok()) << value;
  }
}

}  // namespace
}  // namespace ballast
