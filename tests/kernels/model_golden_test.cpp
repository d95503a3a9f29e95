// Loss and every parameter's gradient of small models against PyTorch's float64 autograd
// (tests/golden/model/make_golden.py): the float64 reference to 1e-10, the CPU backend to 1e-5, at
// every recompute level.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "kernels/open_backend.h"
#include "libcore/io/json.h"
#include "libcore/model/model.h"
#include "tests/support/ref_backend.h"

namespace ballast {
namespace {

Json load_golden(const std::string& name) {
  const std::string path =
      std::string(BALLAST_SOURCE_DIR) + "/tests/golden/model/model_" + name + ".json";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return parse_json(text.str(), path).take_value();
}

// The formula of make_golden.py; vectors of power iterations stand in the golden.
std::vector<double> parameters(const ParamTable& table, const Json& golden) {
  std::vector<double> flat(static_cast<size_t>(table.flat_size), 0.0);
  for (size_t k = 0; k < table.specs.size(); ++k) {
    const ParamSpec& spec = table.specs[k];
    const auto index = static_cast<double>(k);
    if (spec.role == ParamRole::state) {
      for (int64_t j = 0; j < spec.elements(); ++j)
        flat[static_cast<size_t>(spec.flat_begin + j)] =
            golden["state"][spec.name][static_cast<size_t>(j)].get<double>();
      continue;
    }
    for (int64_t j = 0; j < spec.elements(); ++j) {
      const auto i = static_cast<double>(j);
      const double wave = std::sin(0.61803 * (index + 1) * i + 0.9 * index) +
                          0.5 * std::cos(1.7320508 * i + 0.3 * index);
      flat[static_cast<size_t>(spec.flat_begin + j)] =
          spec.one_dimensional ? 1.0 + 0.2 * wave
                               : 0.6 / std::sqrt(static_cast<double>(spec.cols)) * wave;
    }
  }
  return flat;
}

struct Outcome {
  double loss = 0, mean_square_lse = 0;
  std::vector<double> grads, params_after;  // params_after: with the iteration after an update
};

template <class T>
Outcome run_model(Backend& backend, const Json& golden, Recompute recompute) {
  const ModelConfig config = parse_model_config(golden["config"], "golden").take_value();
  const ParamTable table = make_param_table(config);
  const auto b = golden["batch"].get<int64_t>(), t = golden["seq_len"].get<int64_t>(), n = b * t;
  const Dtype type = sizeof(T) == 8 ? Dtype::f64 : Dtype::f32;
  const auto carve = [&](Arena& arena, std::vector<Tensor>& out) {
    for (int k = 0; k < 2; ++k) out.push_back(arena.take(type, 1, table.flat_size));
    for (int k = 0; k < 2; ++k) out.push_back(arena.take(Dtype::i32, 1, n));
    for (int k = 0; k < 3; ++k) out.push_back(arena.take(type, 1, n));
    out.push_back(arena.take(Dtype::i32, b, t));
  };
  Arena plan;
  std::vector<Tensor> counted, x;
  carve(plan, counted);
  const ModelShape shape = {b, t, recompute, true};
  Model(backend, plan, config, table, shape);
  Arena arena(backend, plan.peak_bytes());
  carve(arena, x);
  Model model(backend, arena, config, table, shape);
  const std::vector<double> params = parameters(table, golden);
  for (size_t i = 0; i < params.size(); ++i) x[0].as<T>()[i] = static_cast<T>(params[i]);
  backend.zero(x[1].data, table.flat_size * static_cast<int64_t>(sizeof(T)));
  double count = 0;
  for (const Json& m : golden["mask"]) count += m.get<double>();
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    x[2].as<int32_t>()[i] = golden["tokens"][i].get<int32_t>();
    x[3].as<int32_t>()[i] = golden["labels"][i].get<int32_t>();
    x[4].as<T>()[i] = static_cast<T>(golden["mask"][i].get<double>() / count);
    x[7].as<int32_t>()[i] = golden["doc_start"][i].get<int32_t>();
  }
  model.bind(x[0], x[1]);
  model.prepare_weights();
  model.forward_backward({x[2], x[3], x[4], x[7]}, x[5], x[6], golden["z_loss"].get<float>());
  Outcome out;
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    out.loss += static_cast<double>(x[5].as<T>()[i]) / count;
    out.mean_square_lse += std::pow(static_cast<double>(x[6].as<T>()[i]), 2) / count;
  }
  model.after_update();
  for (int64_t i = 0; i < table.flat_size; ++i) {
    out.grads.push_back(static_cast<double>(x[1].as<T>()[i]));
    out.params_after.push_back(static_cast<double>(x[0].as<T>()[i]));
  }
  return out;
}

void compare(const Json& golden, const Outcome& out, double tolerance) {
  const ParamTable table =
      make_param_table(parse_model_config(golden["config"], "golden").take_value());
  EXPECT_NEAR(out.loss, golden["loss"].get<double>(), tolerance * golden["loss"].get<double>());
  const auto square = golden["mean_square_lse"].get<double>();
  EXPECT_NEAR(out.mean_square_lse, square, tolerance * square);
  double global = 0;
  for (const auto& [name, g] : golden["gradients"].items())
    global += std::pow(g["norm"].get<double>(), 2);
  for (const ParamSpec& spec : table.specs) {
    const double* grad = out.grads.data() + spec.flat_begin;
    if (spec.role == ParamRole::state) {
      const double* after = out.params_after.data() + spec.flat_begin;
      for (int64_t i = 0; i < spec.elements(); ++i) {
        EXPECT_EQ(grad[i], 0) << spec.name;
        EXPECT_NEAR(after[i],
                    golden["state_after"][spec.name].at(static_cast<size_t>(i)).get<double>(),
                    tolerance)
            << spec.name;
      }
      continue;
    }
    ASSERT_TRUE(golden["gradients"].contains(spec.name)) << spec.name;
    const Json& g = golden["gradients"][spec.name];
    const double scale = std::max(g["norm"].get<double>(), 1e-6 * std::sqrt(global));
    double squares = 0;
    for (int64_t i = 0; i < spec.elements(); ++i) squares += grad[i] * grad[i];
    EXPECT_NEAR(std::sqrt(squares), g["norm"].get<double>(), tolerance * scale) << spec.name;
    for (int k = 0; k < 3; ++k) {
      double inner = 0, length = 0;
      for (int64_t i = 0; i < spec.elements(); ++i) {
        const double probe = std::cos((0.37 + 0.11 * k) * static_cast<double>(i) + 0.5 * k);
        inner += grad[i] * probe;
        length += probe * probe;
      }
      EXPECT_NEAR(inner, g["probes"][static_cast<size_t>(k)].get<double>(),
                  tolerance * scale * std::sqrt(length))
          << spec.name;
    }
    for (size_t i = 0; i < g["first"].size(); ++i) {
      EXPECT_NEAR(grad[i], g["first"][i].get<double>(), tolerance * scale) << spec.name << " " << i;
    }
  }
}

class ModelGolden : public testing::TestWithParam<const char*> {};

TEST_P(ModelGolden, ReferenceAgreesWithAutograd) {
  const Json golden = load_golden(GetParam());
  RefBackend backend;
  for (Recompute level : {Recompute::none, Recompute::norms, Recompute::block}) {
    compare(golden, run_model<double>(backend, golden, level), 1e-10);
  }
}

TEST_P(ModelGolden, CpuAgreesWithAutogradAndIsBitEqualAtEveryRecomputeLevel) {
  const Json golden = load_golden(GetParam());
  setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 1);
  auto backend = open_backend("cpu", {.threads = 2});
  ASSERT_TRUE(backend.ok()) << backend.error().message();
  const Outcome kept = run_model<float>(**backend, golden, Recompute::none);
  compare(golden, kept, 1e-5);
  for (Recompute level : {Recompute::norms, Recompute::block}) {
    const Outcome again = run_model<float>(**backend, golden, level);
    EXPECT_EQ(again.loss, kept.loss);
    EXPECT_EQ(again.grads, kept.grads);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ModelGolden,
                         testing::Values("tied_gqa", "untied_mha", "odd_head"));

INSTANTIATE_TEST_SUITE_P(Switches, ModelGolden,
                         testing::Values("layer_norm", "post_norm", "post_layer_norm", "gelu",
                                         "squared_relu", "xielu", "llama3_rope", "sigma_reparam",
                                         "soft_temp", "soft_cap", "soft_clip", "layerscale",
                                         "qk_norm", "qk_norm_cap", "qkv_norm", "qk_fc_norm",
                                         "mup"));

INSTANTIATE_TEST_SUITE_P(Combinations, ModelGolden,
                         testing::Values("nvidia_layer_norm", "post_everything", "apertus",
                                         "nemotron", "sigma_scale_mup"));

// Every pair of values of the switches that can stand together, in one of them.
INSTANTIATE_TEST_SUITE_P(Pairs, ModelGolden,
                         testing::Values("pairs_00", "pairs_01", "pairs_02", "pairs_03", "pairs_04",
                                         "pairs_05", "pairs_06", "pairs_07", "pairs_08", "pairs_09",
                                         "pairs_10", "pairs_11", "pairs_12", "pairs_13",
                                         "pairs_14"));

}  // namespace
}  // namespace ballast
