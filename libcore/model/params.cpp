#include "libcore/model/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

struct View {
  std::string name;
  int64_t rows;
  double std;
};

// A one-dimensional parameter: `size` values that begin as `value`.
struct VectorView {
  std::string name;
  int64_t size;
  double value;
};

// Lays stored tensors out one after another in the flat index, with their Hugging Face views.
class TableBuilder {
 public:
  explicit TableBuilder(ParamTable& table) : table_(table) {}

  void matrix(std::string name, ParamRole role, int layer, int64_t stored_rows, int64_t cols,
              std::vector<View> views, double lr_scale = 1) {
    next_ = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    int64_t begin = next_;
    for (View& view : views) {
      table_.specs.push_back({std::move(view.name), view.rows, cols, false, role, layer, view.std,
                              0.0, true, begin, lr_scale});
      begin += view.rows * cols;
    }
    table_.stored.push_back({std::move(name), stored_rows, cols, next_, true});
    next_ += stored_rows * cols;
  }

  // Views of one stored row, side by side.
  void vectors(std::string name, ParamRole role, int layer, std::vector<VectorView> views) {
    if (!vectors_begun_) next_ = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    vectors_begun_ = true;
    const int64_t begin = next_;
    for (VectorView& view : views) {
      table_.specs.push_back(
          {std::move(view.name), 1, view.size, true, role, layer, 0.0, view.value, false, next_});
      next_ += view.size;
    }
    table_.stored.push_back({std::move(name), 1, next_ - begin, begin, false});
  }

  void norm(const std::string& name, const std::string& view, int layer, int64_t cols,
            NormKind kind) {
    vectors(name, ParamRole::norm, layer, {{view + ".weight", cols, 1.0}});
    if (kind == NormKind::layer)
      vectors(name + ".bias", ParamRole::norm, layer, {{view + ".bias", cols, 0.0}});
  }

  void finish() {
    table_.flat_size = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    for (const ParamSpec& spec : table_.specs) {
      if (spec.role != ParamRole::state) table_.parameters += spec.elements();
    }
  }

 private:
  ParamTable& table_;
  int64_t next_ = 0;
  bool vectors_begun_ = false;
};

std::string stored_prefix(int64_t layer) { return fmt::format("layers.{}.", layer); }
std::string hf_prefix(int64_t layer) { return fmt::format("model.layers.{}.", layer); }

void add_block_matrices(TableBuilder& builder, const ModelConfig& c, int64_t l) {
  const std::string stored = stored_prefix(l), hf = hf_prefix(l);
  const int layer = static_cast<int>(l);
  const double ratio = c.mup_ratio(), lr_scale = 1 / ratio;
  const double std = c.initializer_range / std::sqrt(ratio);
  // Output projections of the residual branches start smaller, so that the stream's variance does
  // not grow with depth (GPT-2; Megatron's scaled initialisation).
  const double output_std = std / std::sqrt(2.0 * static_cast<double>(c.num_hidden_layers));
  builder.matrix(stored + "qkv", ParamRole::qkv, layer, c.q_rows() + 2 * c.kv_rows(), c.hidden_size,
                 {{hf + "self_attn.q_proj.weight", c.q_rows(), std},
                  {hf + "self_attn.k_proj.weight", c.kv_rows(), std},
                  {hf + "self_attn.v_proj.weight", c.kv_rows(), std}},
                 lr_scale);
  builder.matrix(stored + "proj", ParamRole::proj, layer, c.hidden_size, c.q_rows(),
                 {{hf + "self_attn.o_proj.weight", c.hidden_size, output_std}}, lr_scale);
  std::vector<View> fc1 = {{hf + "mlp.up_proj.weight", c.intermediate_size, std}};
  if (c.switches.gated())
    fc1.insert(fc1.begin(), {hf + "mlp.gate_proj.weight", c.intermediate_size, std});
  builder.matrix(stored + "fc1", ParamRole::fc1, layer, c.fc1_rows(), c.hidden_size, std::move(fc1),
                 lr_scale);
  builder.matrix(stored + "fc2", ParamRole::fc2, layer, c.hidden_size, c.intermediate_size,
                 {{hf + "mlp.down_proj.weight", c.hidden_size, output_std}}, lr_scale);
}

// The gain of a reparametrised matrix (rows, cols), and its vectors u (cols) and v (rows).
void add_sigma(TableBuilder& builder, const std::string& stored, const std::string& hf, int layer,
               int64_t rows, int64_t cols) {
  builder.vectors(stored + ".sigma_gain", ParamRole::gain, layer, {{hf + ".sigma_gain", 1, 1.0}});
  builder.vectors(stored + ".sigma_u", ParamRole::state, layer, {{hf + ".sigma_u", cols, 0.0}});
  builder.vectors(stored + ".sigma_v", ParamRole::state, layer, {{hf + ".sigma_v", rows, 0.0}});
}

void add_block_vectors(TableBuilder& builder, const ModelConfig& c, int64_t l) {
  const Switches& s = c.switches;
  const std::string stored = stored_prefix(l), hf = hf_prefix(l);
  const int layer = static_cast<int>(l);
  if (s.placement == NormPlacement::post || !s.qkv_norm)
    builder.norm(stored + "attention_norm", hf + "input_layernorm", layer, c.hidden_size, s.norm);
  builder.norm(stored + "mlp_norm", hf + "post_attention_layernorm", layer, c.hidden_size, s.norm);
  if (s.norms_heads()) {
    builder.norm(stored + "q_norm", hf + "self_attn.q_norm", layer, c.head_dim, s.norm);
    builder.norm(stored + "k_norm", hf + "self_attn.k_norm", layer, c.head_dim, s.norm);
  }
  if (s.qkv_norm)
    builder.norm(stored + "v_norm", hf + "self_attn.v_norm", layer, c.head_dim, s.norm);
  if (s.fc_norm) {
    builder.norm(stored + "proj_norm", hf + "self_attn.o_norm", layer, c.hidden_size, s.norm);
    builder.norm(stored + "fc2_norm", hf + "mlp.down_norm", layer, c.hidden_size, s.norm);
  }
  if (s.layerscale > 0) {
    builder.vectors(stored + "proj_scale", ParamRole::gain, layer,
                    {{hf + "self_attn.layer_scale", c.hidden_size, s.layerscale}});
    builder.vectors(stored + "fc2_scale", ParamRole::gain, layer,
                    {{hf + "mlp.layer_scale", c.hidden_size, s.layerscale}});
  }
  if (s.activation == Activation::xielu) {
    // Both slopes begin at 0.8: softplus(alpha_p) = 0.8, 0.5 + softplus(alpha_n) = 0.8.
    builder.vectors(stored + "act", ParamRole::gain, layer,
                    {{hf + "mlp.act_fn.alpha_p", 1, std::log(std::expm1(0.8))},
                     {hf + "mlp.act_fn.alpha_n", 1, std::log(std::expm1(0.3))}});
  }
  if (!s.sigma_reparam) return;
  const int64_t h = c.hidden_size, i = c.intermediate_size;
  add_sigma(builder, stored + "qkv", hf + "self_attn.qkv", layer, c.q_rows() + 2 * c.kv_rows(), h);
  add_sigma(builder, stored + "proj", hf + "self_attn.o_proj", layer, h, c.q_rows());
  add_sigma(builder, stored + "fc1", hf + "mlp.fc1", layer, c.fc1_rows(), h);
  add_sigma(builder, stored + "fc2", hf + "mlp.down_proj", layer, h, i);
}

}  // namespace

ParamTable make_param_table(const ModelConfig& c) {
  ParamTable table;
  TableBuilder builder(table);
  const double std = c.initializer_range;
  builder.matrix("embed", ParamRole::embedding, -1, c.padded_vocab(), c.hidden_size,
                 {{"model.embed_tokens.weight", c.vocab_size, std}});
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) add_block_matrices(builder, c, l);
  if (!c.tie_word_embeddings) {
    builder.matrix("head", ParamRole::head, -1, c.padded_vocab(), c.hidden_size,
                   {{"lm_head.weight", c.vocab_size, std}});
  }
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) add_block_vectors(builder, c, l);
  if (c.switches.placement == NormPlacement::pre)
    builder.norm("norm", "model.norm", -1, c.hidden_size, c.switches.norm);
  builder.finish();
  return table;
}

std::vector<OptimizerRange> ParamTable::optimizer_ranges() const {
  std::vector<OptimizerRange> ranges;
  for (const ParamSpec& spec : specs) {
    if (spec.role == ParamRole::state) continue;
    const auto lr_scale = static_cast<float>(spec.lr_scale);
    if (!ranges.empty() && ranges.back().end == spec.flat_begin &&
        ranges.back().decay == spec.decay && ranges.back().lr_scale == lr_scale) {
      ranges.back().end = spec.flat_end();
    } else {
      ranges.push_back({spec.flat_begin, spec.flat_end(), spec.decay, lr_scale});
    }
  }
  return ranges;
}

const ParamSpec* ParamTable::find(const std::string& name) const {
  const auto it = std::find_if(specs.begin(), specs.end(),
                               [&](const ParamSpec& spec) { return spec.name == name; });
  return it == specs.end() ? nullptr : &*it;
}

const StoredTensor* ParamTable::find_stored(const std::string& name) const {
  const auto it = std::find_if(stored.begin(), stored.end(),
                               [&](const StoredTensor& tensor) { return tensor.name == name; });
  return it == stored.end() ? nullptr : &*it;
}

const StoredTensor& ParamTable::stored_named(const std::string& name) const {
  const StoredTensor* tensor = find_stored(name);
  BALLAST_CHECK(tensor != nullptr);
  return *tensor;
}

Tensor ParamTable::view(const FlatPlaces& flat, const std::string& stored_name) const {
  const StoredTensor* s = find_stored(stored_name);
  if (flat.empty() || s == nullptr) return {};
  const Tensor run = flat.at({s->flat_begin, s->flat_begin + s->rows * s->cols});
  return make_tensor(run.data, run.dtype, s->rows, s->cols);
}

namespace {

// x / |x|, in place.
void normalise(std::vector<double>& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (double& value : x) value *= factor;
}

// v = Wu / |Wu|, u = W'v / |W'v|, kFirstIterations times, from the u that is in `flat`.
void iterate_first(const ParamTable& table, const std::string& matrix, float* flat) {
  const StoredTensor& w = table.stored_named(matrix);
  float* const u_flat = flat + table.stored_named(matrix + ".sigma_u").flat_begin;
  float* const v_flat = flat + table.stored_named(matrix + ".sigma_v").flat_begin;
  std::vector<double> u(u_flat, u_flat + w.cols), v(static_cast<size_t>(w.rows));
  for (int k = 0; k < kFirstIterations; ++k) {
    const float* row = flat + w.flat_begin;
    for (double& value : v) {
      value = std::inner_product(u.begin(), u.end(), row, 0.0);
      row += w.cols;
    }
    normalise(v);
    std::fill(u.begin(), u.end(), 0.0);
    row = flat + w.flat_begin;
    for (const double value : v) {
      for (double& sum : u) sum += value * static_cast<double>(*row++);
    }
    normalise(u);
  }
  std::transform(u.begin(), u.end(), u_flat, [](double x) { return static_cast<float>(x); });
  std::transform(v.begin(), v.end(), v_flat, [](double x) { return static_cast<float>(x); });
}

}  // namespace

void initialise_parameters(const ParamTable& table, uint64_t seed, float* flat) {
  std::fill(flat, flat + table.flat_size, 0.0f);
  for (const ParamSpec& spec : table.specs) {
    float* values = flat + spec.flat_begin;
    const bool first_u = spec.role == ParamRole::state && spec.name.ends_with(".sigma_u");
    const double std = first_u ? 1.0 : spec.init_std;
    if (std == 0.0) {
      std::fill(values, values + spec.elements(), static_cast<float>(spec.init_value));
      continue;
    }
    const uint64_t stream = xxh3_64(spec.name);
    for (int64_t i = 0; i < spec.elements(); ++i) {
      values[i] = static_cast<float>(std * random_normal(seed, stream, static_cast<uint64_t>(i)));
    }
  }
  for (const StoredTensor& stored : table.stored) {
    if (table.find_stored(stored.name + ".sigma_u") != nullptr)
      iterate_first(table, stored.name, flat);
  }
}

}  // namespace ballast
