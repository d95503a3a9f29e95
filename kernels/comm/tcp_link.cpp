#include "kernels/comm/tcp_link.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "kernels/comm/tcp_socket.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

using Clock = std::chrono::steady_clock;

// The state of one transfer over its connection.
struct Progress {
  Transfer transfer;
  int fd;
  int64_t sent = 0, received = 0;
  bool sending() const { return sent < transfer.send_bytes; }
  bool receiving() const { return received < transfer.receive_bytes; }
};

// Moves what can be moved now; returns the bytes, or nothing when the connection is gone.
std::optional<int64_t> advance(Progress& p) {
  int64_t moved = 0;
  if (p.sending()) {
    const ssize_t n = ::send(p.fd, static_cast<const char*>(p.transfer.send) + p.sent,
                             static_cast<size_t>(p.transfer.send_bytes - p.sent), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
    if (n > 0) p.sent += n, moved += n;
  }
  if (p.receiving()) {
    const ssize_t n = ::recv(p.fd, static_cast<char*>(p.transfer.receive) + p.received,
                             static_cast<size_t>(p.transfer.receive_bytes - p.received), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return std::nullopt;
    if (n > 0) p.received += n, moved += n;
  }
  return moved;
}

// Runs transfers until all are done. `timeout` counts from the last byte that moved.
Result<void> run(std::vector<Progress> work, std::chrono::seconds timeout) {
  Clock::time_point deadline = Clock::now() + timeout;
  std::vector<pollfd> polls;
  for (;;) {
    // Of several transfers with one peer, only the first unfinished one each way may move.
    polls.clear();
    for (Progress& p : work) {
      if (!p.sending() && !p.receiving()) continue;
      polls.push_back(
          {p.fd, static_cast<short>((p.sending() ? POLLOUT : 0) | (p.receiving() ? POLLIN : 0)),
           0});
    }
    if (polls.empty()) return {};
    ::poll(polls.data(), polls.size(), milliseconds_left(deadline));
    int64_t moved = 0;
    std::vector<int> send_busy, receive_busy;
    for (Progress& p : work) {
      const auto busy = [&](const std::vector<int>& list) {
        return std::find(list.begin(), list.end(), p.fd) != list.end();
      };
      Progress part = p;
      if (busy(send_busy)) part.transfer.send_bytes = part.sent;
      if (busy(receive_busy)) part.transfer.receive_bytes = part.received;
      const std::optional<int64_t> n = advance(part);
      if (!n) {
        return link_error(fmt::format("lost rank {}", p.transfer.peer), "",
                          "its connection was closed");
      }
      p.sent = part.sent;
      p.received = part.received;
      moved += *n;
      if (p.sending()) send_busy.push_back(p.fd);
      if (p.receiving()) receive_busy.push_back(p.fd);
    }
    if (moved > 0) deadline = Clock::now() + timeout;
    if (moved == 0 && milliseconds_left(deadline) == 0) {
      const auto stuck = std::find_if(
          work.begin(), work.end(), [](const Progress& p) { return p.sending() || p.receiving(); });
      return link_error(fmt::format("no answer from rank {}", stuck->transfer.peer), "",
                        fmt::format("nothing moved for {} s", timeout.count()));
    }
  }
}

class TcpLink final : public Link {
 public:
  TcpLink(const TcpPlace& place, std::vector<Socket> peers)
      : place_(place), peers_(std::move(peers)) {}

  std::string name() const override { return "tcp"; }
  int rank() const override { return place_.rank; }
  int size() const override { return place_.size; }

  void exchange(std::span<const Transfer> transfers) override {
    std::vector<Progress> work;
    for (const Transfer& transfer : transfers) {
      BALLAST_CHECK(transfer.peer != place_.rank);
      work.push_back({transfer, peers_[static_cast<size_t>(transfer.peer)].fd()});
    }
    const Result<void> done = run(std::move(work), std::chrono::seconds(place_.timeout_s));
    if (!done.ok()) {
      throw DeviceError("tcp: " + done.error().message());
    }
  }

  void abort() override {
    for (const Socket& peer : peers_) {
      if (peer.open()) ::shutdown(peer.fd(), SHUT_RDWR);
    }
  }

 private:
  TcpPlace place_;
  std::vector<Socket> peers_;  // by rank; this rank's own is closed
};

// A numeric address and port, as exchanged at the start.
struct Address {
  std::array<char, 64> host{};
  uint16_t port = 0;
};

// What a rank says first on a new connection. `magic` keeps strangers and other worlds out.
struct Hello {
  uint32_t magic = 0x42545031;
  int32_t rank = 0, size = 0;
  uint16_t port = 0;
};

class Meeting {
 public:
  explicit Meeting(const TcpPlace& place)
      : place_(place),
        deadline_(Clock::now() + std::chrono::seconds(place.timeout_s)),
        peers_(static_cast<size_t>(place.size)),
        addresses_(static_cast<size_t>(place.size)) {}

  Result<std::shared_ptr<Link>> hold() {
    const bool first = place_.rank == 0;
    Socket listener = BALLAST_TRY(listen_on(first ? place_.port : 0, place_.size));
    if (first) {
      BALLAST_TRY(gather(listener));
    } else {
      const uint16_t port = BALLAST_TRY(port_of(listener));
      BALLAST_TRY(report(port));
      // Lower ranks are called, higher ones call.
      for (int r = 1; r < place_.rank; ++r) BALLAST_TRY(call(r));
      for (int r = place_.rank + 1; r < place_.size; ++r) BALLAST_TRY(answer(listener));
    }
    return std::shared_ptr<Link>(std::make_shared<TcpLink>(place_, std::move(peers_)));
  }

 private:
  Result<void> transfer(const Socket& socket, const void* send, size_t send_bytes, void* receive,
                        size_t receive_bytes) {
    const auto left = std::chrono::seconds(1 + milliseconds_left(deadline_) / 1000);
    return run(
        {{{0, send, static_cast<int64_t>(send_bytes), receive, static_cast<int64_t>(receive_bytes)},
          socket.fd()}},
        left);
  }

  // Takes the next caller and puts it at its rank.
  Result<void> answer(const Socket& listener) {
    Socket socket = BALLAST_TRY(accept_from(listener, deadline_));
    Hello hello;
    BALLAST_TRY(transfer(socket, nullptr, 0, &hello, sizeof(hello)));
    if (hello.magic != Hello().magic || hello.size != place_.size || hello.rank <= place_.rank ||
        hello.rank >= place_.size || peers_[static_cast<size_t>(hello.rank)].open()) {
      return link_error("a stranger called", fmt::format("rank {} of {}", hello.rank, hello.size),
                        fmt::format("this is rank {} of {}", place_.rank, place_.size));
    }
    addresses_[static_cast<size_t>(hello.rank)] = address_of(socket, hello.port);
    peers_[static_cast<size_t>(hello.rank)] = std::move(socket);
    return {};
  }

  Result<void> call(int rank) {
    const Address& address = addresses_[static_cast<size_t>(rank)];
    Socket socket = BALLAST_TRY(connect_to(address.host.data(), address.port, deadline_));
    Hello hello;
    hello.rank = place_.rank;
    hello.size = place_.size;
    BALLAST_TRY(transfer(socket, &hello, sizeof(hello), nullptr, 0));
    peers_[static_cast<size_t>(rank)] = std::move(socket);
    return {};
  }

  // Rank 0: hears from everyone, then tells everyone where all are.
  Result<void> gather(const Socket& listener) {
    for (int r = 1; r < place_.size; ++r) BALLAST_TRY(answer(listener));
    for (int r = 1; r < place_.size; ++r) {
      BALLAST_TRY(transfer(peers_[static_cast<size_t>(r)], addresses_.data(),
                           addresses_.size() * sizeof(Address), nullptr, 0));
    }
    return {};
  }

  Result<void> report(uint16_t port) {
    Socket socket = BALLAST_TRY(connect_to(place_.host, place_.port, deadline_));
    Hello hello;
    hello.rank = place_.rank;
    hello.size = place_.size;
    hello.port = port;
    BALLAST_TRY(transfer(socket, &hello, sizeof(hello), addresses_.data(),
                         addresses_.size() * sizeof(Address)));
    for (Address& address : addresses_) address.host.back() = '\0';
    peers_[0] = std::move(socket);
    return {};
  }

  static Address address_of(const Socket& socket, uint16_t port) {
    Address result;
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    if (::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) == 0) {
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, result.host.data(),
                    result.host.size(), nullptr, 0, NI_NUMERICHOST);
    }
    result.port = port;
    return result;
  }

  TcpPlace place_;
  Clock::time_point deadline_;
  std::vector<Socket> peers_;
  std::vector<Address> addresses_;
};

}  // namespace

Result<std::shared_ptr<Link>> connect_tcp(const TcpPlace& place) { return Meeting(place).hold(); }

}  // namespace ballast
