// Comm: the only seam to ranks. SUM and MAX over ranks, point to point, sub-groups. Collectives
// take an event they wait for and return one of this Comm: what they write may be read, and what
// they read may change, only after join(event). Calls that return nothing have run when they
// return, and so have all calls before them. Every rank must make the same calls in the same order.
// A failing peer or link throws DeviceError within the timeout, from the call or from join(). One
// host thread drives a Comm.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "libcore/tensor/backend.h"
#include "libcore/tensor/tensor.h"

namespace ballast {

enum class ReduceOp : uint8_t { sum, max };

class Comm {
 public:
  virtual ~Comm() = default;
  virtual std::string name() const = 0;  // "self", "tcp", "mpi", "nccl"
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host
  virtual int local_size() const = 0;
  // Who adds what to what. "pairwise": 2, 4 or 8 ranks are the upper part of one tree of additions,
  // ((0+1)+(2+3))+((4+5)+(6+7)). nccl has an order of its own, that of its rings, and says here
  // what it depends on besides the ranks; it cannot give bits that do not depend on their number.
  virtual std::string sums() const { return "pairwise"; }

  // In place. Sums are taken in an order fixed by the rank count (and by sums()), so that all ranks
  // get the same bits and a run repeats. nccl may lose a NaN in a maximum.
  virtual EventId all_reduce(const Tensor& x, ReduceOp op, EventId after) = 0;
  // out (1, n / size): this rank's part of the reduced x (1, n).
  virtual EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp op,
                                 EventId after) = 0;
  virtual EventId all_gather(const Tensor& out, const Tensor& x, EventId after) = 0;
  // The same in place for parts of any size: part r of x (1, n) is [borders[r], borders[r + 1])
  // elements, with size + 1 ascending borders from 0 to n. Afterwards rank r holds the reduced part
  // r, the rest of x is unspecified; and every rank's part reaches all others.
  virtual EventId reduce_parts(const Tensor& x, std::span<const int64_t> borders, ReduceOp op,
                               EventId after) = 0;
  virtual EventId gather_parts(const Tensor& x, std::span<const int64_t> borders,
                               EventId after) = 0;
  virtual EventId broadcast(const Tensor& x, int root, EventId after) = 0;
  virtual EventId send(const Tensor& x, int to, EventId after) = 0;
  virtual EventId receive(const Tensor& x, int from, EventId after) = 0;
  // Calls between begin and end may be joined into one operation and only run at end: wait for the
  // event of group_end().
  virtual void group_begin() = 0;
  virtual EventId group_end() = 0;
  // Later work on the compute stream runs after `event`; on the CPU the host waits.
  virtual void join(EventId event) = 0;
  virtual void barrier() = 0;
  // Ranks with the same colour form a Comm, ordered by rank of this one.
  virtual std::unique_ptr<Comm> split(int color) = 0;
  // Gives up: peers blocked in a collective fail instead of hanging. The only call that another
  // thread may make.
  virtual void abort() = 0;

  // Host scalars: what the laws decide on. Calls on device memory before it may still run.
  virtual void all_reduce_host(std::span<double> values, ReduceOp op) = 0;
  // The same ranks for tensors in host memory, whatever the device. Lives as long as this one.
  virtual Comm& host() { return *this; }
};

}  // namespace ballast
