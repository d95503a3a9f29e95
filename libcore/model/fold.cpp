#include "libcore/model/fold.h"

#include <fmt/format.h>

#include <algorithm>

namespace ballast {
namespace {

// What is folded and where to: values of the old model, changed in the new one.
class Folder {
 public:
  Folder(const ModelConfig& config, const ParamTable& table, const float* master)
      : config_(config), table_(table), master_(master) {
    folded_.config = config;
    Switches& s = folded_.config.switches;
    s.sigma_reparam = false;
    s.layerscale = 0;
    s.soft_temp = 1;
    s.mup_base_width = 0;
    s.mup_base_head_dim = Switches().mup_base_head_dim;
    folded_.table = make_param_table(folded_.config);
    folded_.master.assign(static_cast<size_t>(folded_.table.flat_size), 0.0f);
    for (const ParamSpec& spec : folded_.table.specs) {
      const ParamSpec* from = table.find(spec.name);
      std::copy_n(master + from->flat_begin, spec.elements(), values(spec));
    }
  }

  Result<FoldedModel> run() {
    for (int64_t l = 0; l < config_.num_hidden_layers; ++l) {
      const std::string hf = fmt::format("model.layers.{}.", l);
      if (config_.switches.sigma_reparam) fold_sigma(l, hf);
      if (config_.switches.layerscale > 0) {
        fold_layer_scale(hf + "self_attn.layer_scale", hf + "self_attn.o_norm",
                         hf + "self_attn.o_proj.weight");
        fold_layer_scale(hf + "mlp.layer_scale", hf + "mlp.down_norm", hf + "mlp.down_proj.weight");
      }
      fold_score_scale(hf);
    }
    BALLAST_TRY(fold_logit_scale());
    return std::move(folded_);
  }

 private:
  float* values(const ParamSpec& spec) { return folded_.master.data() + spec.flat_begin; }

  void multiply(const std::string& name, double factor) {
    const ParamSpec& spec = *folded_.table.find(name);
    float* at = values(spec);
    for (int64_t i = 0; i < spec.elements(); ++i)
      at[i] = static_cast<float>(static_cast<double>(at[i]) * factor);
  }
  // Gain and, with LayerNorm, bias.
  void multiply_norm(const std::string& name, double factor) {
    multiply(name + ".weight", factor);
    if (config_.switches.norm == NormKind::layer) multiply(name + ".bias", factor);
  }

  void fold_sigma(int64_t layer, const std::string& hf) {
    struct Matrix {
      const char* stored;
      const char* sigma;
    };
    for (const Matrix& m : {Matrix{"qkv", "self_attn.qkv"}, Matrix{"proj", "self_attn.o_proj"},
                            Matrix{"fc1", "mlp.fc1"}, Matrix{"fc2", "mlp.down_proj"}}) {
      const std::string name = fmt::format("layers.{}.{}", layer, m.stored);
      const StoredTensor& w = table_.stored_named(name);
      const auto old = [&](const char* part) {
        return master_ + table_.find(hf + m.sigma + part)->flat_begin;
      };
      const float *u = old(".sigma_u"), *v = old(".sigma_v"), *row = master_ + w.flat_begin;
      double sigma = 0;
      for (int64_t i = 0; i < w.rows; ++i, row += w.cols) {
        double product = 0;
        for (int64_t j = 0; j < w.cols; ++j)
          product += static_cast<double>(row[j]) * static_cast<double>(u[j]);
        sigma += static_cast<double>(v[i]) * product;
      }
      const double factor = static_cast<double>(*old(".sigma_gain")) / sigma;
      float* to = folded_.master.data() + folded_.table.stored_named(name).flat_begin;
      for (int64_t i = 0; i < w.rows * w.cols; ++i)
        to[i] = static_cast<float>(static_cast<double>(to[i]) * factor);
    }
  }

  // Into the norm behind the matrix where there is one, else into the matrix's rows.
  void fold_layer_scale(const std::string& scale, const std::string& norm,
                        const std::string& matrix) {
    const float* gain = master_ + table_.find(scale)->flat_begin;
    const auto fold = [&](const std::string& name) {
      const ParamSpec& spec = *folded_.table.find(name);
      const int64_t per_gain = spec.elements() / config_.hidden_size;
      for (int64_t i = 0; i < spec.elements(); ++i) {
        float& value = values(spec)[i];
        value = static_cast<float>(static_cast<double>(value) *
                                   static_cast<double>(gain[i / per_gain]));
      }
    };
    if (!config_.switches.fc_norm) return fold(matrix);
    fold(norm + ".weight");
    if (config_.switches.norm == NormKind::layer) fold(norm + ".bias");
  }

  void fold_score_scale(const std::string& hf) {
    const double factor = config_.score_scale() / folded_.config.score_scale();
    if (factor == 1) return;
    if (config_.switches.norms_heads()) {
      multiply_norm(hf + "self_attn.q_norm", factor);
    } else {
      multiply(hf + "self_attn.q_proj.weight", factor);
    }
  }

  Result<void> fold_logit_scale() {
    const double factor = 1 / config_.mup_ratio();
    if (factor == 1) return {};
    if (config_.switches.placement == NormPlacement::pre) {
      multiply_norm("model.norm", factor);
    } else if (!config_.tie_word_embeddings) {
      multiply("lm_head.weight", factor);
    } else {
      return usage_error(
          "cannot fold 'mup_base_width'", "",
          "a tied head without a norm in front of it has nothing to take the factor");
    }
    return {};
  }

  const ModelConfig& config_;
  const ParamTable& table_;
  const float* master_;
  FoldedModel folded_;
};

}  // namespace

Result<FoldedModel> fold_switches(const ModelConfig& config, const ParamTable& table,
                                  const float* master) {
  return Folder(config, table, master).run();
}

}  // namespace ballast
