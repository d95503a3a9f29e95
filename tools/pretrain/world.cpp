#include "tools/pretrain/world.h"

#include <fmt/format.h>
#include <unistd.h>

#include "kernels/launch.h"
#include "kernels/open_backend.h"
#include "libcore/cli/exit_code.h"
#include "libcore/cli/message.h"
#include "libcore/io/utf8.h"
#include "tools/pretrain/rendezvous_signals.h"

namespace ballast {
namespace {

Tensor bytes_tensor(std::string& text) {
  return make_tensor(text.data(), Dtype::u8, 1, static_cast<int64_t>(text.size()));
}

std::string error_text(const Error& error) {
  return to_json_line(Json{{"kind", static_cast<int>(error.kind)},
                           {"what", printable(error.what)},
                           {"where", printable(error.where)},
                           {"why", printable(error.why)}});
}

Error parse_error(const std::string& text, int rank) {
  const auto json = parse_json(text, "an error");
  BALLAST_CHECK(json.ok());
  Error error = {static_cast<ErrorKind>(json->at("kind").get<int>()), json->at("what"),
                 json->at("where"), json->at("why")};
  if (rank != 0) error.what = fmt::format("rank {}: {}", rank, error.what);
  return error;
}

// One rank says what happened to all of them: the leader, or everyone else when it is the lost one.
bool speaks(int rank, const LostRank& lost) { return rank == 0 || lost.rank == 0; }

}  // namespace

World::World(FileSystem& fs, std::unique_ptr<Backend> backend, std::unique_ptr<Comm> comm)
    : disk_(fs), followers_files_(fs), backend_(std::move(backend)), comm_(std::move(comm)) {}

Result<std::unique_ptr<World>> World::open(FileSystem& fs, const std::string& device, Dtype compute,
                                           const std::string& transport, bool any_ranks,
                                           int threads) {
  const LaunchPlace place = BALLAST_TRY(launch_place());
  if (place.size > 1) set_message_rank(place.rank);
  std::optional<RendezvousSignals> signals(
      std::in_place, place.size > 1 ? "stopped while waiting for the other ranks" : "");
  auto backend =
      BALLAST_TRY(open_backend(device, {.threads = threads > 0 ? threads : default_threads(place),
                                        .local_rank = place.local_rank,
                                        .compute = compute}));
  const CommOptions options = {.any_ranks = any_ranks,
                               .note = [](const std::string& text) { print_note(text); },
                               .warn = [](const std::string& text) { print_warning(text); }};
  auto comm = BALLAST_TRY(open_comm(transport, *backend, options));
  signals.reset();
  std::unique_ptr<World> world(new World(fs, std::move(backend), std::move(comm)));
  if (!world->alone()) {
    WatchdogOptions watching = BALLAST_TRY(watchdog_options_from_environment());
    watching.end_process = [rank = world->rank()](const LostRank& lost) {
      if (speaks(rank, lost)) print_error({ErrorKind::device, lost.text, {}, {}});
      ::_exit(kExitDevice);
    };
    world->watchdog_ = BALLAST_TRY(Watchdog::start(*world->comm_, watching));
  }
  return world;
}

void World::leave() {
  if (watchdog_ != nullptr) watchdog_->leave();
}

std::optional<Error> World::end_with(const Error& error) {
  if (alone()) return error;
  if (error_is_shared_) {
    comm_->barrier();
    leave();
    return leads() ? std::optional(error) : std::nullopt;
  }
  // The transport may know sooner than the watchdog that somebody is lost, but not who was first.
  constexpr std::chrono::seconds kHearsay{3};
  if (error.kind == ErrorKind::device) {
    if (const std::optional<LostRank> lost = watchdog_->verdict(kHearsay)) {
      if (!speaks(rank(), *lost)) return std::nullopt;
      return Error{ErrorKind::device, lost->text, {}, {}};
    }
  }
  watchdog_->give_up();
  comm_->abort();
  return error;
}

std::string World::broadcast(std::string text, int root) {
  double size[1] = {rank() == root ? static_cast<double>(text.size()) : 0.0};
  comm_->all_reduce_host(size, ReduceOp::sum);
  text.resize(static_cast<size_t>(size[0]));
  Comm& host = comm_->host();
  if (!text.empty()) host.join(host.broadcast(bytes_tensor(text), root, 0));
  return text;
}

std::vector<std::string> World::gather(const std::string& text) {
  std::vector<double> sizes(static_cast<size_t>(size()));
  sizes[static_cast<size_t>(rank())] = static_cast<double>(text.size());
  comm_->all_reduce_host(sizes, ReduceOp::sum);
  std::vector<std::string> all;
  std::vector<int64_t> borders = {0};
  for (const double bytes : sizes) borders.push_back(borders.back() + static_cast<int64_t>(bytes));
  std::string joined(static_cast<size_t>(borders.back()), '\0');
  const auto own = static_cast<size_t>(borders[static_cast<size_t>(rank())]);
  joined.replace(own, text.size(), text);
  comm_->host().join(comm_->host().gather_parts(bytes_tensor(joined), borders, 0));
  for (size_t r = 0; r < sizes.size(); ++r)
    all.push_back(joined.substr(static_cast<size_t>(borders[r]), static_cast<size_t>(sizes[r])));
  return all;
}

std::optional<Error> World::share_error(const Error* mine) {
  double first[1] = {mine == nullptr ? 0.0 : static_cast<double>(size() - rank())};
  comm_->all_reduce_host(first, ReduceOp::max);
  if (first[0] == 0) return std::nullopt;
  const int root = size() - static_cast<int>(first[0]);
  const std::string text = broadcast(rank() == root ? error_text(*mine) : "", root);
  error_is_shared_ = true;
  return parse_error(text, root);
}

Result<Json> World::lead(const std::function<Result<Json>()>& decide) {
  if (alone()) return decide();
  Result<Json> decision = leads() ? decide() : Result<Json>(Json());
  decision = BALLAST_TRY(agree(std::move(decision)));
  return parse_json(broadcast(leads() ? to_json_line(*decision) : "", 0), "the leader's decision");
}

}  // namespace ballast
