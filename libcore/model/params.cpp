#include "libcore/model/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

struct View {
  std::string name;
  int64_t rows;
  double std;
};

// Lays stored tensors out one after another in the flat index, with their Hugging Face views.
class TableBuilder {
 public:
  explicit TableBuilder(ParamTable& table) : table_(table) {}

  void matrix(std::string name, ParamRole role, int layer, int64_t stored_rows, int64_t cols,
              std::vector<View> views) {
    next_ = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    int64_t begin = next_;
    for (View& view : views) {
      table_.specs.push_back(
          {std::move(view.name), view.rows, cols, false, role, layer, view.std, 0.0, true, begin});
      begin += view.rows * cols;
    }
    table_.stored.push_back({std::move(name), stored_rows, cols, next_, true});
    next_ += stored_rows * cols;
  }

  void gain(std::string name, std::string view, int layer, int64_t cols) {
    if (!gains_begun_) next_ = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    gains_begun_ = true;
    table_.specs.push_back(
        {std::move(view), 1, cols, true, ParamRole::norm, layer, 0.0, 1.0, false, next_});
    table_.stored.push_back({std::move(name), 1, cols, next_, false});
    next_ += cols;
  }

  void finish() {
    table_.flat_size = (next_ + kFlatBlock - 1) / kFlatBlock * kFlatBlock;
    for (const ParamSpec& spec : table_.specs) table_.parameters += spec.elements();
  }

 private:
  ParamTable& table_;
  int64_t next_ = 0;
  bool gains_begun_ = false;
};

}  // namespace

ParamTable make_param_table(const ModelConfig& c) {
  ParamTable table;
  TableBuilder builder(table);
  const double std = c.initializer_range;
  // Output projections of the residual branches start smaller, so that the stream's variance does
  // not grow with depth (GPT-2; Megatron's scaled initialisation).
  const double output_std = std / std::sqrt(2.0 * static_cast<double>(c.num_hidden_layers));
  builder.matrix("embed", ParamRole::embedding, -1, c.padded_vocab(), c.hidden_size,
                 {{"model.embed_tokens.weight", c.vocab_size, std}});
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) {
    const std::string stored = fmt::format("layers.{}.", l),
                      hf = fmt::format("model.layers.{}.", l);
    const int layer = static_cast<int>(l);
    builder.matrix(stored + "qkv", ParamRole::qkv, layer, c.q_rows() + 2 * c.kv_rows(),
                   c.hidden_size,
                   {{hf + "self_attn.q_proj.weight", c.q_rows(), std},
                    {hf + "self_attn.k_proj.weight", c.kv_rows(), std},
                    {hf + "self_attn.v_proj.weight", c.kv_rows(), std}});
    builder.matrix(stored + "proj", ParamRole::proj, layer, c.hidden_size, c.q_rows(),
                   {{hf + "self_attn.o_proj.weight", c.hidden_size, output_std}});
    builder.matrix(stored + "fc1", ParamRole::fc1, layer, 2 * c.intermediate_size, c.hidden_size,
                   {{hf + "mlp.gate_proj.weight", c.intermediate_size, std},
                    {hf + "mlp.up_proj.weight", c.intermediate_size, std}});
    builder.matrix(stored + "fc2", ParamRole::fc2, layer, c.hidden_size, c.intermediate_size,
                   {{hf + "mlp.down_proj.weight", c.hidden_size, output_std}});
  }
  if (!c.tie_word_embeddings) {
    builder.matrix("head", ParamRole::head, -1, c.padded_vocab(), c.hidden_size,
                   {{"lm_head.weight", c.vocab_size, std}});
  }
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) {
    const std::string stored = fmt::format("layers.{}.", l),
                      hf = fmt::format("model.layers.{}.", l);
    builder.gain(stored + "attention_norm", hf + "input_layernorm.weight", static_cast<int>(l),
                 c.hidden_size);
    builder.gain(stored + "mlp_norm", hf + "post_attention_layernorm.weight", static_cast<int>(l),
                 c.hidden_size);
  }
  builder.gain("norm", "model.norm.weight", -1, c.hidden_size);
  builder.finish();
  return table;
}

std::vector<OptimizerRange> ParamTable::optimizer_ranges() const {
  std::vector<OptimizerRange> ranges;
  for (const ParamSpec& spec : specs) {
    if (!ranges.empty() && ranges.back().end == spec.flat_begin &&
        ranges.back().decay == spec.decay) {
      ranges.back().end = spec.flat_end();
    } else {
      ranges.push_back({spec.flat_begin, spec.flat_end(), spec.decay, 1.0f});
    }
  }
  return ranges;
}

const ParamSpec* ParamTable::find(const std::string& name) const {
  const auto it = std::find_if(specs.begin(), specs.end(),
                               [&](const ParamSpec& spec) { return spec.name == name; });
  return it == specs.end() ? nullptr : &*it;
}

const StoredTensor& ParamTable::stored_named(const std::string& name) const {
  const auto it = std::find_if(stored.begin(), stored.end(),
                               [&](const StoredTensor& tensor) { return tensor.name == name; });
  BALLAST_CHECK(it != stored.end());
  return *it;
}

void initialise_parameters(const ParamTable& table, uint64_t seed, float* flat) {
  std::fill(flat, flat + table.flat_size, 0.0f);
  for (const ParamSpec& spec : table.specs) {
    float* values = flat + spec.flat_begin;
    if (spec.init_std == 0.0) {
      std::fill(values, values + spec.elements(), static_cast<float>(spec.init_value));
      continue;
    }
    const uint64_t stream = xxh3_64(spec.name);
    for (int64_t i = 0; i < spec.elements(); ++i) {
      values[i] =
          static_cast<float>(spec.init_std * random_normal(seed, stream, static_cast<uint64_t>(i)));
    }
  }
}

}  // namespace ballast
