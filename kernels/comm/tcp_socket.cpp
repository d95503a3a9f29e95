#include "kernels/comm/tcp_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ballast {

namespace {

void set_up(int fd) {
  const int one = 1;  // small messages at once; a refusal only costs time
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// One attempt of at most two seconds: an address that drops packets must not use up the time of the
// others. Returns an errno, 0 when connected.
int connect_within(int fd, const addrinfo& address, SocketClock::time_point deadline) {
  set_up(fd);
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{fd, POLLOUT, 0};
  if (::poll(&waiting, 1, std::min(2000, milliseconds_left(deadline))) != 1) return ETIMEDOUT;
  int code = 0;
  socklen_t length = sizeof(code);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length);
  return code;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Error link_error(std::string what, std::string where, std::string why) {
  return {ErrorKind::device, std::move(what), std::move(where), std::move(why)};
}

int milliseconds_left(SocketClock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SocketClock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
}

Result<Socket> connect_to(const std::string& host, int port, SocketClock::time_point deadline) {
  const std::string where = fmt::format("{}:{}", host, port);
  std::string why = "timed out";
  while (milliseconds_left(deadline) > 0) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
        code != 0) {
      return link_error("cannot find the address of a rank", where, ::gai_strerror(code));
    }
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
      Socket socket(::socket(a->ai_family, a->ai_socktype, a->ai_protocol));
      const int code = socket.open() ? connect_within(socket.fd(), *a, deadline) : errno;
      if (code == 0) {
        ::freeaddrinfo(found);
        return socket;
      }
      why = std::strerror(code);
    }
    ::freeaddrinfo(found);
    ::poll(nullptr, 0, 20);  // the other rank may not listen yet
  }
  return link_error("cannot reach a rank", where, why);
}

Result<Socket> listen_on(int port, int backlog) {
  for (const int family : {AF_INET6, AF_INET}) {  // IPv6 sockets take IPv4 calls too
    Socket socket(::socket(family, SOCK_STREAM, 0));
    if (!socket.open()) continue;
    const int one = 1, zero = 0;
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    six.sin6_port = four.sin_port = htons(static_cast<uint16_t>(port));
    four.sin_family = AF_INET;
    if (family == AF_INET6) {
      ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    const bool bound =
        family == AF_INET6
            ? ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&six), sizeof(six)) == 0
            : ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&four), sizeof(four)) == 0;
    if (bound && ::listen(socket.fd(), backlog) == 0) return socket;
  }
  return link_error("cannot listen", std::to_string(port), std::strerror(errno));
}

Result<uint16_t> port_of(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return link_error("cannot read a socket's port", "", std::strerror(errno));
  }
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

Result<Socket> accept_from(const Socket& listener, SocketClock::time_point deadline) {
  pollfd poll_one{listener.fd(), POLLIN, 0};
  ::poll(&poll_one, 1, milliseconds_left(deadline));
  if ((poll_one.revents & POLLIN) == 0) {
    return link_error("not all ranks came", "", "timed out while waiting for them");
  }
  Socket socket(::accept(listener.fd(), nullptr, nullptr));
  if (!socket.open()) return link_error("cannot accept a rank", "", std::strerror(errno));
  set_up(socket.fd());
  return socket;
}

}  // namespace ballast
