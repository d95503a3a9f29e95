// TCP sockets as the transport and the watchdog need them: owned descriptors, non-blocking once
// connected, made within a deadline. Errors: kind device.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "libcore/base/result.h"

namespace ballast {

// An owned file descriptor.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

using SocketClock = std::chrono::steady_clock;

Error link_error(std::string what, std::string where, std::string why);
int milliseconds_left(SocketClock::time_point deadline);

// Tries until the deadline: the other side may not listen yet.
Result<Socket> connect_to(const std::string& host, int port, SocketClock::time_point deadline);
// Listens on `port` of all interfaces, or on any free one for 0.
Result<Socket> listen_on(int port, int backlog);
Result<uint16_t> port_of(const Socket& socket);
Result<Socket> accept_from(const Socket& listener, SocketClock::time_point deadline);

}  // namespace ballast
