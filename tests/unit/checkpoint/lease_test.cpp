#include "libcore/checkpoint/lease.h"

#include <gtest/gtest.h>

#include <map>

#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

// Two hosts, a clock that moves when told, and processes that can die.
struct World {
  int64_t now_us = int64_t{1'700'000'000} * 1'000'000;
  std::map<int64_t, std::string> processes = {{10, "start-10"}, {11, "start-11"}};
  int tokens = 0;
  LeaseSystem system(const std::string& host, int64_t pid) {
    LeaseSystem made;
    made.host = host;
    made.pid = pid;
    made.job = "77";
    made.now_us = [this] { return now_us; };
    made.started = [this](int64_t asked) -> std::optional<std::string> {
      const auto it = processes.find(asked);
      if (it == processes.end()) return std::nullopt;
      return it->second;
    };
    made.token = [this] { return "token-" + std::to_string(++tokens); };
    return made;
  }
  void pass(int64_t seconds) { now_us += seconds * 1'000'000; }
};

class Leases : public ::testing::Test {
 protected:
  Leases() { EXPECT_TRUE(fs.make_directories("run").ok()); }
  Result<Lease> acquire(const std::string& host, int64_t pid) {
    return Lease::acquire(fs, "run", "pretrain", world.system(host, pid));
  }
  World world;
  MemoryFileSystem fs;
};

TEST_F(Leases, AreHeldByOne) {
  auto first = acquire("a", 10);
  ASSERT_TRUE(first.ok()) << first.error().message();
  const auto second = acquire("a", 11);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::usage);
  EXPECT_NE(second.error().message().find("held by pretrain on a, pid 10, job 77"),
            std::string::npos)
      << second.error().message();
  EXPECT_FALSE(acquire("b", 11).ok());
  EXPECT_EQ((*lease_holder(fs, "run", world.system("b", 11)))->pid, 10);
  ASSERT_TRUE(first->release().ok());
  EXPECT_FALSE(lease_holder(fs, "run", world.system("b", 11))->has_value());
  EXPECT_TRUE(acquire("b", 11).ok());
}

TEST_F(Leases, OfAnEarlierStartOfTheSameJobAreTakenOver) {
  LeaseSystem lost = world.system("a", 10);
  {
    auto held = Lease::acquire(fs, "run", "pretrain", lost);
    ASSERT_TRUE(held.ok());
    LeaseSystem again = world.system("b", 11);
    for (const char* job : {"77", "78/1", "", "7/1"}) {
      again.job = job;
      EXPECT_FALSE(Lease::acquire(fs, "run", "pretrain", again).ok()) << job;
    }
    again.job = "77/1";
    EXPECT_TRUE(Lease::acquire(fs, "run", "pretrain", again).ok());
  }
}

TEST_F(Leases, AreReleasedByTheDestructor) {
  { const auto lease = acquire("a", 10); }
  EXPECT_FALSE(fs.exists("run/lease.json"));
}

TEST_F(Leases, OfADeadProcessOnThisHostAreTakenOver) {
  auto first = acquire("a", 10);
  world.processes.erase(10);
  auto second = acquire("a", 11);
  ASSERT_TRUE(second.ok()) << second.error().message();
  world.pass(kLeaseRenewSeconds + 1);
  EXPECT_FALSE(first->renew().ok());
  EXPECT_TRUE(second->renew().ok());
  ASSERT_TRUE(first->release().ok());  // not its lease any more
  EXPECT_TRUE(fs.exists("run/lease.json"));
}

TEST_F(Leases, SeeThatAPidWasReused) {
  auto first = acquire("a", 10);
  world.processes[10] = "another start";
  EXPECT_TRUE(acquire("a", 11).ok());
}

TEST_F(Leases, OfAnotherHostExpire) {
  auto first = acquire("a", 10);
  world.processes.erase(10);  // says nothing about another host's processes
  world.pass(kLeaseExpirySeconds - 1);
  EXPECT_FALSE(acquire("b", 11).ok());
  world.pass(2);
  EXPECT_TRUE(acquire("b", 11).ok());
}

TEST_F(Leases, StayWhileTheyAreRenewed) {
  auto first = acquire("a", 10);
  for (int i = 0; i < 20; ++i) {
    world.pass(kLeaseRenewSeconds);
    ASSERT_TRUE(first->renew().ok());
    EXPECT_FALSE(acquire("b", 11).ok());
  }
}

TEST_F(Leases, OfALiveLocalProcessNeverExpire) {
  auto first = acquire("a", 10);
  world.pass(100 * kLeaseExpirySeconds);  // suspended, or a very long step
  EXPECT_FALSE(acquire("a", 11).ok());
}

TEST_F(Leases, ThatDoNotReadAreTakenOver) {
  {
    auto file = *fs.create_exclusive("run/lease.json");
    ASSERT_TRUE(file->append(as_bytes("{\"host\":")).ok());
    ASSERT_TRUE(file->close().ok());
  }
  EXPECT_TRUE(acquire("a", 10).ok());
}

TEST(Lease, KnowsThisProcess) {
  const LeaseSystem system = this_system();
  EXPECT_FALSE(system.host.empty());
  EXPECT_TRUE(system.started(system.pid).has_value());
  EXPECT_FALSE(system.started(system.pid)->empty());
  EXPECT_EQ(system.started(system.pid), system.started(system.pid));
  EXPECT_NE(system.token(), system.token());
}

}  // namespace
}  // namespace ballast
