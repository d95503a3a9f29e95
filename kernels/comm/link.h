// Link: how bytes move between the ranks of a run; what a transport has to implement. ExchangeComm
// builds every collective on it, so that sums run in one order whatever the transport.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ballast {

// One message each way with a peer; zero bytes: none that way.
struct Transfer {
  int peer = 0;
  const void* send = nullptr;
  int64_t send_bytes = 0;
  void* receive = nullptr;
  int64_t receive_bytes = 0;
};

class Link {
 public:
  virtual ~Link() = default;
  virtual std::string name() const = 0;  // "tcp", "mpi"
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Runs all transfers at once, in any interleaving; messages between two ranks keep their order.
  // Throws DeviceError when a peer is gone or nothing moves within the timeout.
  virtual void exchange(std::span<const Transfer> transfers) = 0;
  // Peers that wait in an exchange with this rank fail.
  virtual void abort() = 0;
};

}  // namespace ballast
