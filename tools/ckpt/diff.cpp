#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <set>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/cli/message.h"
#include "libcore/io/utf8.h"
#include "tools/ckpt/tensor_set.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct Distance {
  int64_t elements = 0;
  int64_t differing = 0;   // other bits
  double max_abs = 0;      // over pairs of finite values
  double relative_l2 = 0;  // ||a - b|| / ||a||
  double cosine = 1;
  int64_t nonfinite_a = 0, nonfinite_b = 0;
};

Distance distance_of(const std::vector<float>& a, const std::vector<float>& b) {
  Distance d;
  d.elements = static_cast<int64_t>(a.size());
  double aa = 0, bb = 0, ab = 0, dd = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    d.differing += std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
    const bool finite_a = std::isfinite(a[i]), finite_b = std::isfinite(b[i]);
    d.nonfinite_a += !finite_a;
    d.nonfinite_b += !finite_b;
    if (!finite_a || !finite_b) continue;
    const double x = a[i], y = b[i], delta = x - y;
    d.max_abs = std::max(d.max_abs, std::abs(delta));
    aa += x * x;
    bb += y * y;
    ab += x * y;
    dd += delta * delta;
  }
  if (dd > 0) d.relative_l2 = aa > 0 ? std::sqrt(dd / aa) : INFINITY;
  if (dd > 0) d.cosine = aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
  return d;
}

// A directory or file as it is, or the address of a checkpoint.
Result<std::string> path_of(FileSystem& fs, const std::string& operand) {
  const bool run = fs.exists(checkpoint_directory(operand));
  if (fs.exists(operand) && !run) return operand;
  return BALLAST_TRY(resolve_checkpoint(fs, operand)).path;
}

class Comparison {
 public:
  explicit Comparison(bool as_json) : as_json_(as_json) {}

  void tensor(const std::string& name, const Distance& d) {
    ++compared_;
    if (d.differing == 0) return;
    ++different_;
    if (as_json_) {
      print_out(to_json_line({{"v", 1},
                              {"type", "tensor"},
                              {"name", name},
                              {"elements", d.elements},
                              {"differing", d.differing},
                              {"max_abs", json_number(d.max_abs)},
                              {"relative_l2", json_number(d.relative_l2)},
                              {"cosine", json_number(d.cosine)},
                              {"nonfinite_a", d.nonfinite_a},
                              {"nonfinite_b", d.nonfinite_b}}) +
                "\n");
    } else {
      print_out(
          fmt::format("tensor {:<56} max_abs {:<10.4g} rel_l2 {:<10.4g} cosine {:<12.9g} {}/{}{}\n",
                      printable(name), d.max_abs, d.relative_l2, d.cosine, d.differing, d.elements,
                      d.nonfinite_a + d.nonfinite_b == 0
                          ? ""
                          : fmt::format(" nonfinite {} {}", d.nonfinite_a, d.nonfinite_b)));
    }
  }

  void missing(const std::string& name, bool in_a, const std::string& what) {
    ++different_;
    if (as_json_) {
      print_out(to_json_line({{"v", 1},
                              {"type", "missing"},
                              {"name", name},
                              {"in", in_a ? "a" : "b"},
                              {"why", what}}) +
                "\n");
    } else {
      print_out(fmt::format("tensor {} {}\n", printable(name), what));
    }
  }

  void field(const StateDifference& difference) {
    ++different_;
    if (as_json_) {
      print_out(to_json_line({{"v", 1},
                              {"type", "state"},
                              {"field", difference.field},
                              {"a", difference.a},
                              {"b", difference.b}}) +
                "\n");
    } else {
      print_out(fmt::format("state  {}: {} -> {}\n", printable(difference.field),
                            difference.a.empty() ? "(none)" : printable(difference.a),
                            difference.b.empty() ? "(none)" : printable(difference.b)));
    }
  }

  int64_t compared() const { return compared_; }
  int64_t different() const { return different_; }

 private:
  bool as_json_;
  int64_t compared_ = 0;
  int64_t different_ = 0;
};

Result<void> compare_tensors(const TensorSet& a, const TensorSet& b, Comparison& comparison) {
  // Against a folder of weights only weights can be compared.
  const bool both = a.is_checkpoint() && b.is_checkpoint();
  const auto wanted = [&](const std::string& name) {
    return both || split_optim_name(name).kind.empty();
  };
  for (const auto& [name, entry] : a.entries()) {
    if (!wanted(name)) continue;
    const auto other = b.entries().find(name);
    if (other == b.entries().end()) {
      comparison.missing(name, true, "is only in the first");
    } else if (other->second.shape != entry.shape) {
      comparison.missing(
          name, true,
          fmt::format("has shape [{}] in the first, [{}] in the second",
                      fmt::join(entry.shape, ","), fmt::join(other->second.shape, ",")));
    } else {
      const std::vector<float> left = BALLAST_TRY(a.read(name));
      const std::vector<float> right = BALLAST_TRY(b.read(name));
      comparison.tensor(name, distance_of(left, right));
    }
  }
  for (const auto& [name, entry] : b.entries()) {
    if (wanted(name) && !a.entries().contains(name))
      comparison.missing(name, false, "is only in the second");
  }
  return {};
}

Result<void> compare_states(FileSystem& fs, const std::string& a, const std::string& b,
                            Comparison& comparison) {
  const LoadedCheckpoint left = BALLAST_TRY(load_checkpoint_state(fs, a));
  const LoadedCheckpoint right = BALLAST_TRY(load_checkpoint_state(fs, b));
  for (const StateDifference& difference : state_differences(left.state, right.state))
    comparison.field(difference);
  return {};
}

Result<int> diff(const std::vector<std::string>& operands, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const std::string a = BALLAST_TRY(path_of(fs, operands[0]));
  const std::string b = BALLAST_TRY(path_of(fs, operands[1]));
  const TensorSet left = BALLAST_TRY(TensorSet::open(fs, a));
  const TensorSet right = BALLAST_TRY(TensorSet::open(fs, b));
  Comparison comparison(common.json);
  BALLAST_TRY(compare_tensors(left, right, comparison));
  if (left.is_checkpoint() && right.is_checkpoint())
    BALLAST_TRY(compare_states(fs, a, b, comparison));
  if (!common.quiet)
    print_note(fmt::format("{} tensors compared, {} differences", comparison.compared(),
                           comparison.different()));
  return static_cast<int>(comparison.different() == 0 ? kExitDone : kExitNo);
}

}  // namespace

VerbRun add_diff(CLI::App& app, const CommonOptions& common) {
  auto operands = std::make_shared<std::vector<std::string>>();
  path_option(app.add_option("address", *operands,
                             "two addresses; a folder or file of safetensors weights may be one")
                  ->required()
                  ->expected(2));
  return [operands, &common] { return diff(*operands, common); };
}

}  // namespace ballast
