#include "kernels/comm/exchange_comm.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ballast {

namespace {

// a = op(a, b). NaN is sticky in a maximum, as it is in a sum.
template <class T>
void combine(T* a, const T* b, int64_t n, ReduceOp op) {
  for (int64_t i = 0; i < n; ++i) {
    if (op == ReduceOp::sum) {
      a[i] += b[i];
    } else if (b[i] > a[i] || b[i] != b[i]) {
      a[i] = b[i];
    }
  }
}

void combine(void* a, const void* b, int64_t n, Dtype dtype, ReduceOp op) {
  switch (dtype) {
    case Dtype::f32:
      return combine(static_cast<float*>(a), static_cast<const float*>(b), n, op);
    case Dtype::f64:
      return combine(static_cast<double*>(a), static_cast<const double*>(b), n, op);
    case Dtype::i32:
      return combine(static_cast<int32_t*>(a), static_cast<const int32_t*>(b), n, op);
    case Dtype::bf16:
    case Dtype::f16:
    case Dtype::u8:
      BALLAST_CHECK(false && "reductions are of f32, f64 and i32");
  }
}

char* bytes_at(const Tensor& x, int64_t element) {
  return static_cast<char*>(x.data) + element * bytes_of(x.dtype);
}

int64_t byte_count(const Tensor& x) {
  BALLAST_CHECK(x.contiguous());
  return x.elements() * bytes_of(x.dtype);
}

class ExchangeComm final : public Comm {
 public:
  // `ranks`: the link's ranks of this comm, ascending; must hold the link's own.
  ExchangeComm(std::shared_ptr<Link> link, std::vector<int> ranks)
      : link_(std::move(link)), ranks_(std::move(ranks)) {
    const auto self = std::find(ranks_.begin(), ranks_.end(), link_->rank());
    BALLAST_CHECK(self != ranks_.end());
    rank_ = static_cast<int>(self - ranks_.begin());
    find_local_ranks();
  }

  std::string name() const override { return link_->name(); }
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(ranks_.size()); }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }

  EventId all_reduce(const Tensor& x, ReduceOp op, EventId) override {
    const std::vector<int64_t> borders = equal_borders(x);
    reduce_into(bytes_at(x, borders[static_cast<size_t>(rank_)]), x, borders, op);
    gather(x, borders);
    return 0;
  }

  EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp op, EventId) override {
    BALLAST_CHECK(out.elements() * size() == x.elements() && out.dtype == x.dtype);
    byte_count(out);
    reduce_into(out.data, x, equal_borders(x), op);
    return 0;
  }

  EventId all_gather(const Tensor& out, const Tensor& x, EventId) override {
    BALLAST_CHECK(out.elements() == x.elements() * size() && out.dtype == x.dtype);
    std::memmove(bytes_at(out, x.elements() * rank_), x.data, static_cast<size_t>(byte_count(x)));
    gather(out, equal_borders(out));
    return 0;
  }

  EventId reduce_parts(const Tensor& x, std::span<const int64_t> borders, ReduceOp op,
                       EventId) override {
    check_borders(x, borders);
    reduce_into(bytes_at(x, borders[static_cast<size_t>(rank_)]), x, borders, op);
    return 0;
  }

  EventId gather_parts(const Tensor& x, std::span<const int64_t> borders, EventId) override {
    check_borders(x, borders);
    gather(x, borders);
    return 0;
  }

  EventId broadcast(const Tensor& x, int root, EventId) override {
    BALLAST_CHECK(root >= 0 && root < size());
    std::vector<Transfer> transfers;
    if (rank_ == root) {
      for (int r = 0; r < size(); ++r) {
        if (r != root) transfers.push_back({link_rank(r), x.data, byte_count(x), nullptr, 0});
      }
    } else {
      transfers.push_back({link_rank(root), nullptr, 0, x.data, byte_count(x)});
    }
    link_->exchange(transfers);
    return 0;
  }

  EventId send(const Tensor& x, int to, EventId) override {
    return point_to_point({link_rank(to), x.data, byte_count(x), nullptr, 0});
  }
  EventId receive(const Tensor& x, int from, EventId) override {
    return point_to_point({link_rank(from), nullptr, 0, x.data, byte_count(x)});
  }

  void group_begin() override {
    BALLAST_CHECK(!grouping_);
    grouping_ = true;
  }
  EventId group_end() override {
    BALLAST_CHECK(grouping_);
    grouping_ = false;
    link_->exchange(pending_);
    pending_.clear();
    return 0;
  }

  void join(EventId) override {}  // all calls have run when they return

  void barrier() override {
    double token = 0;
    all_reduce_host({&token, 1}, ReduceOp::sum);
  }

  std::unique_ptr<Comm> split(int color) override {
    std::vector<int32_t> colors(ranks_.size());
    colors[static_cast<size_t>(rank_)] = color;
    const Tensor all = make_tensor(colors.data(), Dtype::i32, 1, size());
    gather(all, equal_borders(all));
    std::vector<int> same;
    for (int r = 0; r < size(); ++r) {
      if (colors[static_cast<size_t>(r)] == color) same.push_back(link_rank(r));
    }
    return std::make_unique<ExchangeComm>(link_, std::move(same));
  }

  void abort() override { link_->abort(); }

  // Few values: everyone gets everything and adds it up.
  void all_reduce_host(std::span<double> values, ReduceOp op) override {
    const auto count = static_cast<int64_t>(values.size());
    std::vector<double> all(values.size() * ranks_.size());
    const Tensor gathered = make_tensor(all.data(), Dtype::f64, 1, count * size());
    std::copy(values.begin(), values.end(), all.begin() + rank_ * count);
    gather(gathered, equal_borders(gathered));
    combine_pairwise(all.data(), count, Dtype::f64, op);
    std::copy_n(all.begin(), values.size(), values.begin());
  }

 private:
  int link_rank(int r) const {
    BALLAST_CHECK(r >= 0 && r < size());
    return ranks_[static_cast<size_t>(r)];
  }

  std::vector<int64_t> equal_borders(const Tensor& x) const {
    std::vector<int64_t> borders;
    for (int r = 0; r <= size(); ++r) borders.push_back(x.elements() * r / size());
    return borders;
  }

  void check_borders(const Tensor& x, std::span<const int64_t> borders) const {
    BALLAST_CHECK(borders.size() == ranks_.size() + 1 &&
                  std::is_sorted(borders.begin(), borders.end()));
    BALLAST_CHECK(borders.front() == 0 && borders.back() == x.elements());
  }

  static int64_t part_bytes(const Tensor& x, std::span<const int64_t> borders, int part) {
    const auto p = static_cast<size_t>(part);
    return (borders[p + 1] - borders[p]) * bytes_of(x.dtype);
  }

  // The ranks' values of `count` elements each stand one after another; the first become the
  // result: 0+1, 2+3, ..., then 01+23, ...
  void combine_pairwise(void* values, int64_t count, Dtype dtype, ReduceOp op) const {
    const auto of_rank = [&](int r) {
      return static_cast<char*>(values) + r * count * bytes_of(dtype);
    };
    for (int distance = 1; distance < size(); distance *= 2) {
      for (int r = 0; r + distance < size(); r += 2 * distance)
        combine(of_rank(r), of_rank(r + distance), count, dtype, op);
    }
  }

  // result = this rank's part of x reduced over all ranks; may be that part itself.
  void reduce_into(void* result, const Tensor& x, std::span<const int64_t> borders, ReduceOp op) {
    byte_count(x);
    const int64_t mine = part_bytes(x, borders, rank_);
    received_.resize(static_cast<size_t>(mine * size()));
    std::vector<Transfer> transfers;
    for (int r = 0; r < size(); ++r) {
      if (r == rank_) continue;
      transfers.push_back({link_rank(r), bytes_at(x, borders[static_cast<size_t>(r)]),
                           part_bytes(x, borders, r), received_.data() + r * mine, mine});
    }
    link_->exchange(transfers);
    if (mine == 0) return;
    std::memcpy(received_.data() + rank_ * mine, bytes_at(x, borders[static_cast<size_t>(rank_)]),
                static_cast<size_t>(mine));
    combine_pairwise(received_.data(), mine / bytes_of(x.dtype), x.dtype, op);
    std::memcpy(result, received_.data(), static_cast<size_t>(mine));
  }

  // Every rank's part of x to all others.
  void gather(const Tensor& x, std::span<const int64_t> borders) {
    byte_count(x);
    char* own = bytes_at(x, borders[static_cast<size_t>(rank_)]);
    std::vector<Transfer> transfers;
    for (int r = 0; r < size(); ++r) {
      if (r == rank_) continue;
      transfers.push_back({link_rank(r), own, part_bytes(x, borders, rank_),
                           bytes_at(x, borders[static_cast<size_t>(r)]),
                           part_bytes(x, borders, r)});
    }
    link_->exchange(transfers);
  }

  EventId point_to_point(const Transfer& transfer) {
    if (grouping_) {
      pending_.push_back(transfer);
    } else {
      link_->exchange({&transfer, 1});
    }
    return 0;
  }

  void find_local_ranks() {
    constexpr size_t kNameBytes = 256;
    std::vector<char> names(kNameBytes * ranks_.size());
    char* own = names.data() + kNameBytes * static_cast<size_t>(rank_);
    ::gethostname(own, kNameBytes - 1);
    const Tensor all = make_tensor(names.data(), Dtype::u8, 1, static_cast<int64_t>(names.size()));
    gather(all, equal_borders(all));
    for (int r = 0; r < size(); ++r) {
      if (std::strncmp(names.data() + kNameBytes * static_cast<size_t>(r), own, kNameBytes) != 0) {
        continue;
      }
      ++local_size_;
      if (r < rank_) ++local_rank_;
    }
  }

  std::shared_ptr<Link> link_;
  std::vector<int> ranks_;
  int rank_ = 0, local_rank_ = 0, local_size_ = 0;
  bool grouping_ = false;
  std::vector<Transfer> pending_;
  std::vector<char> received_;  // kept, so that no step allocates
};

}  // namespace

std::unique_ptr<Comm> make_exchange_comm(std::shared_ptr<Link> link) {
  std::vector<int> ranks(static_cast<size_t>(link->size()));
  for (size_t r = 0; r < ranks.size(); ++r) ranks[r] = static_cast<int>(r);
  return std::make_unique<ExchangeComm>(std::move(link), std::move(ranks));
}

}  // namespace ballast
