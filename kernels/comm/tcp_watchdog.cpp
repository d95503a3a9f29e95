#include "kernels/comm/tcp_watchdog.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/comm/tcp_socket.h"

namespace ballast {

namespace {

using Clock = SocketClock;

enum class Word : uint32_t { beat, leaves, gave_up, lost };
enum class How : uint32_t { closed, silent, error };

struct Message {
  Word word = Word::beat;
  int32_t rank = 0;  // lost: who
  How how = How::closed;
};

struct Greeting {
  uint64_t token = 0;
  int32_t rank = 0;
};

// Where the hub listens, in a text of fixed size that can be broadcast.
struct HubAddress {
  std::array<char, 4096> hosts{};  // separated by spaces
  uint64_t token = 0;
  int32_t port = 0;
};

std::string addresses_of_this_host() {
  std::string hosts;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return hosts;
  for (const ifaddrs* a = list; a != nullptr; a = a->ifa_next) {
    if (a->ifa_addr == nullptr || (a->ifa_flags & (IFF_LOOPBACK | IFF_UP)) != IFF_UP) continue;
    const int family = a->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> text{};
    const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(a->ifa_addr, length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) ==
        0)
      hosts += std::string(text.data()) + " ";
  }
  ::freeifaddrs(list);
  return hosts;
}

struct Peer {
  int rank = 0;
  Socket socket;
  Clock::time_point heard = Clock::now();
  bool here = true;        // false: it has left, or is lost
  std::string unfinished;  // of a message
};

std::string describe(const Message& lost, double patience_s) {
  switch (lost.how) {
    case How::closed:
      return fmt::format("lost rank {} (its connection was closed)", lost.rank);
    case How::silent:
      return fmt::format("lost rank {} (silent for {:g} s)", lost.rank, patience_s);
    case How::error:
      return fmt::format("rank {} ended with an error", lost.rank);
  }
  return "";
}

class TcpWatchdog final : public Watchdog {
 public:
  TcpWatchdog(Comm& comm, const WatchdogOptions& options, std::vector<Peer> peers)
      : comm_(comm),
        rank_(comm.rank()),
        options_(options),
        peers_(std::move(peers)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { loop(); }) {}
  ~TcpWatchdog() override { stop(); }

  std::optional<LostRank> verdict(std::chrono::milliseconds wait) override {
    std::unique_lock lock(mutex_);
    judged_.wait_for(lock, wait, [&] { return verdict_.has_value(); });
    return verdict_;
  }
  void leave() override {
    stop();
    tell_all({Word::leaves, rank_, How::closed});
  }
  void give_up() override {
    stop();
    tell_all(rank_ == 0 ? Message{Word::lost, 0, How::error}
                        : Message{Word::gave_up, rank_, How::error});
  }

 private:
  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    const uint64_t one = 1;
    (void)!::write(wake_.fd(), &one, sizeof(one));
    thread_.join();
  }

  void loop() {
    Clock::time_point next_beat = Clock::now();
    while (!stopping_) {
      wait_until(std::min(next_beat, deadline_));
      for (Peer& peer : peers_)
        if (peer.here) hear(peer);
      if (Clock::now() >= next_beat) {
        next_beat = Clock::now() + options_.beat;
        tell_all({Word::beat, rank_, How::closed});
      }
      for (Peer& peer : peers_)
        if (peer.here && Clock::now() - peer.heard > options_.patience)
          condemn({Word::lost, peer.rank, How::silent});
      if (Clock::now() >= deadline_ && !stopping_) {
        deadline_ = Clock::time_point::max();
        options_.end_process(*verdict({}));
      }
    }
  }

  void wait_until(Clock::time_point until) {
    std::vector<pollfd> polls = {{wake_.fd(), POLLIN, 0}};
    for (const Peer& peer : peers_)
      if (peer.here) polls.push_back({peer.socket.fd(), POLLIN, 0});
    ::poll(polls.data(), polls.size(), milliseconds_left(until) + 1);
  }

  void hear(Peer& peer) {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t n = ::recv(peer.socket.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n <= 0) return condemn({Word::lost, peer.rank, How::closed});
      peer.heard = Clock::now();
      peer.unfinished.append(buffer.data(), static_cast<size_t>(n));
      while (peer.here && peer.unfinished.size() >= sizeof(Message)) {
        Message message;
        std::memcpy(&message, peer.unfinished.data(), sizeof(message));
        peer.unfinished.erase(0, sizeof(message));
        obey(peer, message);
      }
      if (!peer.here) return;
    }
  }

  void obey(Peer& peer, const Message& message) {
    if (message.word == Word::leaves) peer.here = false;
    if (message.word == Word::gave_up) condemn({Word::lost, peer.rank, How::error});
    if (message.word == Word::lost) condemn(message);
  }

  // The first loss is the verdict; what follows from it is no news.
  void condemn(const Message& lost) {
    const bool first = !std::exchange(condemned_, true);
    if (first && rank_ == 0) tell_all(lost);  // the lost one too: it may only have been silent
    for (Peer& peer : peers_)
      if (peer.rank == lost.rank) peer.here = false;
    if (!first) return;
    {
      const std::lock_guard lock(mutex_);
      const double patience = std::chrono::duration<double>(options_.patience).count();
      verdict_ = LostRank{lost.rank, describe(lost, patience)};
    }
    judged_.notify_all();
    deadline_ = Clock::now() + options_.grace;
    comm_.abort();
  }

  // A message that does not fit into the socket's buffer is lost; its reader is gone or hangs.
  void tell_all(const Message& message) {
    for (const Peer& peer : peers_)
      if (peer.here) (void)!::send(peer.socket.fd(), &message, sizeof(message), MSG_NOSIGNAL);
  }

  Comm& comm_;
  const int rank_;
  const WatchdogOptions options_;
  std::vector<Peer> peers_;  // of the thread, once it runs
  Socket wake_;
  std::atomic<bool> stopping_ = false;
  bool condemned_ = false;                                 // of the thread
  Clock::time_point deadline_ = Clock::time_point::max();  // of the process; of the thread
  std::mutex mutex_;
  std::condition_variable judged_;
  std::optional<LostRank> verdict_;
  std::thread thread_;  // last: it uses the others
};

constexpr std::chrono::seconds kMeetingTime{60};

// Sends or receives one small struct whole.
template <class T, class Call>
bool transfer(const Socket& socket, T& value, short event, Clock::time_point deadline,
              const Call& call) {
  size_t done = 0;
  while (done < sizeof(T)) {
    pollfd waiting{socket.fd(), event, 0};
    if (::poll(&waiting, 1, milliseconds_left(deadline)) <= 0) return false;
    const ssize_t n =
        call(socket.fd(), reinterpret_cast<char*>(&value) + done, sizeof(T) - done, MSG_NOSIGNAL);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) done += static_cast<size_t>(n);
  }
  return true;
}

Result<std::vector<Peer>> gather_ranks(const Socket& listener, int size, uint64_t token) {
  const auto deadline = Clock::now() + kMeetingTime;
  std::vector<Peer> peers;
  std::vector<bool> seen(static_cast<size_t>(size));
  while (static_cast<int>(peers.size()) < size - 1) {
    Socket socket = BALLAST_TRY(accept_from(listener, deadline));
    Greeting greeting;
    const bool heard = transfer(socket, greeting, POLLIN, deadline, ::recv);
    // A stranger, or a scanner of ports: not ours.
    if (!heard || greeting.token != token || greeting.rank < 1 || greeting.rank >= size ||
        seen[static_cast<size_t>(greeting.rank)])
      continue;
    seen[static_cast<size_t>(greeting.rank)] = true;
    peers.push_back({greeting.rank, std::move(socket), Clock::now(), true, ""});
  }
  return peers;
}

Result<std::vector<Peer>> report_to_hub(const HubAddress& hub, int rank) {
  const auto deadline = Clock::now() + kMeetingTime;
  const std::string hosts = hub.hosts.data();
  while (milliseconds_left(deadline) > 0) {
    for (size_t at = 0, space = 0; (space = hosts.find(' ', at)) != hosts.npos; at = space + 1) {
      const auto one = std::min(deadline, Clock::now() + std::chrono::seconds(2));
      auto socket = connect_to(hosts.substr(at, space - at), hub.port, one);
      Greeting greeting = {hub.token, rank};
      if (!socket.ok() || !transfer(*socket, greeting, POLLOUT, deadline, ::send)) continue;
      std::vector<Peer> peers;
      peers.push_back({0, socket.take_value(), Clock::now(), true, ""});
      return peers;
    }
  }
  return link_error("cannot reach the watchdog of rank 0",
                    fmt::format("{}port {}", hosts, hub.port), "none of its addresses answers");
}

}  // namespace

Result<std::unique_ptr<Watchdog>> Watchdog::start(Comm& comm, const WatchdogOptions& options) {
  HubAddress hub;
  Socket listener;
  if (comm.rank() == 0) {
    listener = BALLAST_TRY(listen_on(0, comm.size()));
    hub.port = BALLAST_TRY(port_of(listener));
    const std::string hosts =
        comm.local_size() == comm.size() ? "127.0.0.1 " : addresses_of_this_host();
    std::copy_n(hosts.begin(), std::min(hosts.size(), hub.hosts.size() - 1), hub.hosts.begin());
    std::random_device random;
    hub.token = uint64_t{random()} << 32 | random();
  }
  Comm& host = comm.host();
  host.join(host.broadcast(make_tensor(&hub, Dtype::u8, 1, sizeof(hub)), 0, 0));
  std::vector<Peer> peers =
      BALLAST_TRY(comm.rank() == 0 ? gather_ranks(listener, comm.size(), hub.token)
                                   : report_to_hub(hub, comm.rank()));
  return std::unique_ptr<Watchdog>(std::make_unique<TcpWatchdog>(comm, options, std::move(peers)));
}

Result<WatchdogOptions> watchdog_options_from_environment() {
  WatchdogOptions options;
  const char* text = std::getenv("BALLAST_HEARTBEAT_TIMEOUT");
  if (text == nullptr || *text == '\0') return options;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (*end != '\0' || !(seconds >= 2) || seconds > 1e6)
    return usage_error("cannot use BALLAST_HEARTBEAT_TIMEOUT", text, "seconds from 2 to 1000000");
  options.patience = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
  return options;
}

}  // namespace ballast
