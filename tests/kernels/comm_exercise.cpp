#include "tests/kernels/comm_exercise.h"

#include <cmath>
#include <limits>
#include <vector>

namespace ballast {

namespace {

template <class T>
Tensor row(std::vector<T>& values) {
  const Dtype dtype = sizeof(T) == 8 ? Dtype::f64 : std::is_integral_v<T> ? Dtype::i32 : Dtype::f32;
  return make_tensor(values.data(), dtype, 1, static_cast<int64_t>(values.size()));
}

// Element i of rank r: distinct for all, and sums of any number of them are exact.
int64_t element(int rank, int64_t i) { return (rank + 1) * 1000 + i % 997; }

int64_t sum_of_ranks(int ranks, int64_t i) {
  int64_t sum = 0;
  for (int r = 0; r < ranks; ++r) sum += element(r, i);
  return sum;
}

template <class T>
std::vector<T> own_values(const Comm& comm, int64_t n) {
  std::vector<T> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    values[static_cast<size_t>(i)] = static_cast<T>(element(comm.rank(), i));
  }
  return values;
}

template <class T, class Wanted>
bool equal(const std::vector<T>& values, const Wanted& wanted) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != static_cast<T>(wanted(static_cast<int64_t>(i)))) return false;
  }
  return true;
}

// The results of all calls up to the event may be read.
void finish(Comm& comm, EventId event, const WaitForCompute& wait) {
  comm.join(event);
  if (wait) wait();
}

// Fewer elements than ranks, odd ones, and more than a socket buffer holds.
template <class T>
std::string reductions(Comm& comm, const char* type, const WaitForCompute& wait) {
  const int size = comm.size();
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{1001}, int64_t{1} << 20}) {
    std::vector<T> values = own_values<T>(comm, n);
    finish(comm, comm.all_reduce(row(values), ReduceOp::sum, 0), wait);
    if (!equal(values, [&](int64_t i) { return sum_of_ranks(size, i); })) {
      return std::string("all_reduce sum of ") + type;
    }
    values = own_values<T>(comm, n);
    finish(comm, comm.all_reduce(row(values), ReduceOp::max, 0), wait);
    if (!equal(values, [&](int64_t i) { return element(size - 1, i); })) {
      return std::string("all_reduce max of ") + type;
    }
  }
  return "";
}

std::string scatter_and_gather(Comm& comm, const WaitForCompute& wait) {
  const int64_t part = 33, n = part * comm.size();
  std::vector<float> values = own_values<float>(comm, n), out(static_cast<size_t>(part)),
                     all(values);
  finish(comm, comm.reduce_scatter(row(out), row(values), ReduceOp::sum, 0), wait);
  const int64_t begin = part * comm.rank();
  if (!equal(out, [&](int64_t i) { return sum_of_ranks(comm.size(), begin + i); })) {
    return "reduce_scatter";
  }
  if (values != own_values<float>(comm, n)) return "reduce_scatter changed its input";
  finish(comm, comm.all_gather(row(all), row(out), 0), wait);
  if (!equal(all, [&](int64_t i) { return sum_of_ranks(comm.size(), i); })) return "all_gather";
  return "";
}

// Parts of unequal size, one of them empty, several calls on their way at once.
std::string uneven_parts(Comm& comm, const WaitForCompute& wait) {
  const int size = comm.size();
  std::vector<int64_t> borders = {0};
  for (int r = 0; r < size; ++r) borders.push_back(borders.back() + (r == 1 ? 0 : 1000 + 77 * r));
  const int64_t n = borders.back(), begin = borders[static_cast<size_t>(comm.rank())],
                end = borders[static_cast<size_t>(comm.rank()) + 1];
  std::vector<float> first = own_values<float>(comm, n), second = first;
  comm.reduce_parts(row(first), borders, ReduceOp::sum, 0);
  const EventId last = comm.reduce_parts(row(second), borders, ReduceOp::max, 0);
  finish(comm, last, wait);
  for (int64_t i = begin; i < end; ++i) {
    if (first[static_cast<size_t>(i)] != static_cast<float>(sum_of_ranks(size, i)))
      return "reduce_parts sum";
    if (second[static_cast<size_t>(i)] != static_cast<float>(element(size - 1, i)))
      return "reduce_parts max";
  }
  finish(comm, comm.gather_parts(row(first), borders, 0), wait);
  return equal(first, [&](int64_t i) { return sum_of_ranks(size, i); }) ? "" : "gather_parts";
}

// Floats whose sum depends on the order: it must be ((0+1)+(2+3))+..., or at least one for all
// ranks and twice the same.
std::string order_of_adding(Comm& comm, const WaitForCompute& wait) {
  const auto value = [](int rank) { return 1.0f / static_cast<float>(3 + 7 * rank); };
  std::vector<float> x(5, value(comm.rank())), ranks;
  for (int r = 0; r < comm.size(); ++r) ranks.push_back(value(r));
  for (size_t distance = 1; distance < ranks.size(); distance *= 2)
    for (size_t r = 0; r + distance < ranks.size(); r += 2 * distance)
      ranks[r] += ranks[r + distance];
  finish(comm, comm.all_reduce(row(x), ReduceOp::sum, 0), wait);
  if (comm.sums() == "pairwise")
    return equal(x, [&](int64_t) { return ranks[0]; }) ? "" : "order of adding";
  std::vector<float> again(5, value(comm.rank()));
  finish(comm, comm.all_reduce(row(again), ReduceOp::sum, 0), wait);
  if (x != again) return "sums that do not repeat";
  std::vector<double> lowest = {x[0], x[4]}, highest = lowest;
  for (double& v : lowest) v = -v;
  comm.all_reduce_host(lowest, ReduceOp::max);
  comm.all_reduce_host(highest, ReduceOp::max);
  return -lowest[0] == highest[0] && -lowest[1] == highest[1] ? "" : "sums that differ by rank";
}

}  // namespace

std::string exercise_collectives(Comm& comm, const WaitForCompute& wait) {
  if (std::string wrong = reductions<float>(comm, "f32", wait); !wrong.empty()) return wrong;
  if (std::string wrong = reductions<double>(comm, "f64", wait); !wrong.empty()) return wrong;
  if (std::string wrong = reductions<int32_t>(comm, "i32", wait); !wrong.empty()) return wrong;
  if (std::string wrong = scatter_and_gather(comm, wait); !wrong.empty()) return wrong;
  if (std::string wrong = uneven_parts(comm, wait); !wrong.empty()) return wrong;
  if (std::string wrong = order_of_adding(comm, wait); !wrong.empty()) return wrong;
  for (int root = 0; root < comm.size(); ++root) {
    std::vector<float> values = own_values<float>(comm, 70000);
    finish(comm, comm.broadcast(row(values), root, 0), wait);
    if (!equal(values, [&](int64_t i) { return element(root, i); })) return "broadcast";
  }
  std::vector<double> host = {1.0 + comm.rank(), -1.0 * comm.rank()};
  comm.all_reduce_host(host, ReduceOp::sum);
  const int size = comm.size();
  if (host[0] != size * (size + 1) / 2 || host[1] != -size * (size - 1) / 2) return "host sum";
  // One rank's NaN reaches everyone, in a maximum too.
  host = {comm.rank() == size - 1 ? std::numeric_limits<double>::quiet_NaN() : 1.0};
  comm.all_reduce_host(host, ReduceOp::max);
  if (!std::isnan(host[0])) return "a NaN was lost in a maximum";
  comm.barrier();
  if (comm.local_size() != size || comm.local_rank() != comm.rank()) return "local ranks";
  return "";
}

std::string exercise_ring(Comm& comm, const WaitForCompute& wait) {
  const int next = (comm.rank() + 1) % comm.size();
  const int previous = (comm.rank() + comm.size() - 1) % comm.size();
  if (comm.size() == 1) return "";
  std::vector<float> first = own_values<float>(comm, 100000), second(first.size(), -1);
  std::vector<float> got_first(first.size()), got_second(first.size());
  comm.group_begin();
  comm.send(row(first), next, 0);
  comm.receive(row(got_first), previous, 0);
  comm.send(row(second), next, 0);
  comm.receive(row(got_second), previous, 0);
  finish(comm, comm.group_end(), wait);
  if (!equal(got_first, [&](int64_t i) { return element(previous, i); })) return "first message";
  return equal(got_second, [](int64_t) { return -1; }) ? "" : "second message";
}

std::string exercise_split(Comm& comm, const WaitForCompute& wait) {
  const int color = comm.rank() % 2;
  const std::unique_ptr<Comm> half = comm.split(color);
  if (half->size() != (comm.size() + 1 - color) / 2) return "size of a part";
  if (half->rank() != comm.rank() / 2) return "rank in a part";
  std::vector<double> ranks = {static_cast<double>(comm.rank())};
  half->all_reduce_host(ranks, ReduceOp::sum);
  double wanted = 0;
  for (int r = color; r < comm.size(); r += 2) wanted += r;
  if (ranks[0] != wanted) return "sum over a part";
  std::vector<float> values(7, static_cast<float>(comm.rank()));
  finish(*half, half->all_reduce(row(values), ReduceOp::sum, 0), wait);
  if (!equal(values, [&](int64_t) { return wanted; })) return "sum of tensors over a part";
  values.assign(7, static_cast<float>(comm.rank()));
  finish(comm, comm.all_reduce(row(values), ReduceOp::max, 0), wait);
  return equal(values, [&](int64_t) { return comm.size() - 1; }) ? "" : "the whole after a part";
}

}  // namespace ballast
