#include "tools/pretrain/worst_sequences.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ballast {

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  return name;
}

std::vector<size_t> highest(std::span<const double> losses, size_t most) {
  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rating = [&](size_t i) {
    return std::isnan(losses[i]) ? std::numeric_limits<double>::infinity() : losses[i];
  };
  std::ranges::stable_sort(order, std::ranges::greater(), rating);
  order.resize(std::min(order.size(), most));
  return order;
}

Json worst_sequences(World& world, const BatchSource& data, int64_t first,
                     std::span<const WindowSum> own) {
  constexpr size_t kShown = 8;
  const size_t share = own.size(), rank = static_cast<size_t>(world.rank());
  std::vector<double> losses(share * static_cast<size_t>(world.size()), 0.0);
  for (size_t i = 0; i < share; ++i)
    losses[rank * share + i] = own[i].tokens > 0 ? own[i].loss / own[i].tokens : 0.0;
  if (!world.alone()) world.comm().all_reduce_host(losses, ReduceOp::sum);
  const std::vector<std::string> hosts = world.gather(host_name());
  const std::vector<size_t> order = highest(losses, kShown);
  Json samples = Json::array(), values = Json::array();
  for (const size_t i : order) {
    samples.push_back(data.sample_of(first + static_cast<int64_t>(i)));
    values.push_back(json_number(losses[i]));
  }
  const size_t worst = order.empty() || share == 0 ? 0 : order[0] / share;
  return Json{{"rank", worst},
              {"host", hosts[worst]},
              {"device", world.backend().description()},
              {"samples", std::move(samples)},
              {"sample_losses", std::move(values)}};
}

}  // namespace ballast
