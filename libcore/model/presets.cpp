#include "libcore/model/presets.h"

namespace ballast {
namespace {

struct Shape {
  int64_t vocab, hidden, intermediate, layers, heads, kv_heads, context;
  bool tied;
};

ModelConfig model_of(const Shape& s) {
  ModelConfig c;
  c.vocab_size = s.vocab;
  c.hidden_size = s.hidden;
  c.intermediate_size = s.intermediate;
  c.num_hidden_layers = s.layers;
  c.num_attention_heads = s.heads;
  c.num_key_value_heads = s.kv_heads;
  c.head_dim = s.hidden / s.heads;
  c.max_position_embeddings = s.context;
  c.tie_word_embeddings = s.tied;
  return c;
}

// Apertus technical report, tables 1 and 2: no gate, xIELU, QK-norm, untied, llama3 RoPE scaling.
ModelConfig apertus_of(const Shape& s) {
  ModelConfig c = model_of(s);
  c.rope_theta = 500000.0;
  c.rope_scaling = {.factor = 8.0, .low = 1.0, .high = 4.0, .original = 8192};
  c.initializer_range = 0.008944;
  c.switches.activation = Activation::xielu;
  c.switches.qk_norm = true;
  return c;
}

// Rybakov et al. (arXiv 2410.16682), section 2: LayerNorm, squared ReLU, no biases in matrices.
ModelConfig nvidia_of(const Shape& s) {
  ModelConfig c = model_of(s);
  c.switches.norm = NormKind::layer;
  c.switches.activation = Activation::squared_relu;
  return c;
}

// Haegele et al. (arXiv 2405.18392) and Schaipp et al. (2501.18965): 50,000 steps of 200 x 512.
std::vector<std::pair<std::string, std::string>> schedule_paper_recipe() {
  return {{"optimizer", "adamw:beta1=0.9,beta2=0.95,eps=1e-8,decay=0.1"},
          {"schedule", "wsd:warmup=300steps,cooldown=20%,shape=linear"},
          {"clip", "fixed:1.0"},
          {"lr", "1e-3"},
          {"seq-len", "512"},
          {"batch-tokens", "102400"},
          {"steps", "50000"}};
}

// Samples of 4,096 tokens: warm-up 4,096,000, cooldown the last 403,905,806 of 3,662,109,375. The
// rate stays when the batch doubles.
std::vector<std::pair<std::string, std::string>> apertus_recipe(const std::string& lr,
                                                                const std::string& batch_tokens) {
  return {{"optimizer",
           "ademamix:beta1=0.9,beta2=0.999,beta3=0.9999,alpha=8,alpha_warmup=100000,"
           "beta3_warmup=100000,eps=1e-8,decay=0.1"},
          {"schedule", "wsd:warmup=16777216000,cooldown=1654398181376,shape=1-sqrt,final=0.1"},
          {"clip", "fixed:0.1"},
          {"lr", lr},
          {"goldfish", "k=50,h=50,mode=apertus"},
          {"seq-len", "4096"},
          {"batch-tokens", batch_tokens},
          {"tokens", "15T"}};
}

std::vector<Preset> make_presets() {
  std::vector<Preset> all;
  all.push_back({"demo-3m",
                 "LLaMA of 3.2M for the demo",
                 model_of({8192, 192, 512, 4, 6, 3, 1024, true}),
                 {}});
  all.push_back({"llama-14m",
                 "LLaMA of 13.8M for measurements",
                 model_of({8192, 384, 1024, 6, 6, 6, 1024, true}),
                 {}});
  all.push_back({"llama-124m",
                 "LLaMA in GPT-2's small shape",
                 model_of({32000, 768, 2048, 12, 12, 12, 2048, true}),
                 {}});
  all.push_back({"emu",
                 "as small as an emulated device needs",
                 model_of({512, 128, 256, 2, 2, 2, 64, true}),
                 {}});
  all.push_back({"lab-llama",
                 "0.9M LLaMA for tables over many runs",
                 model_of({1024, 128, 344, 4, 4, 4, 512, true}),
                 {}});
  all.push_back({"lab-nvidia",
                 "nvidia-830m in small: LayerNorm, squared ReLU, untied",
                 nvidia_of({1024, 128, 512, 4, 4, 4, 512, false}),
                 {}});
  all.push_back({"lab-apertus",
                 "apertus-8b in small: xIELU, QK-norm, untied",
                 apertus_of({1024, 128, 688, 4, 4, 2, 512, false}),
                 {}});
  all.push_back({"zclip-1b",
                 "ZClip's 1B LLaMA (Kumar et al., arXiv 2504.02507)",
                 model_of({65536, 2048, 5440, 16, 16, 16, 2048, false}),
                 {{"optimizer", "adamw:beta1=0.9,beta2=0.999,eps=1e-7,decay=0.01"},
                  {"schedule", "cosine:warmup=1%"},
                  {"clip", "zclip:mode=reciprocal,z=2.5,alpha=0.97,warmup=25"},
                  {"lr", "1e-3"},
                  {"seq-len", "2048"},
                  {"batch-tokens", "4194304"},
                  {"tokens", "50B"}}});
  all.push_back({"nvidia-830m",
                 "the 830M model of the nine methods (Rybakov et al., arXiv 2410.16682)",
                 nvidia_of({256000, 1024, 4096, 24, 16, 16, 4096, false}),
                 {{"optimizer", "adamw:beta1=0.9,beta2=0.95,eps=1e-8,decay=0.1"},
                  {"schedule", "cosine:warmup=500002816"},
                  {"clip", "fixed:1.0"},
                  {"lr", "3e-4"},
                  {"seq-len", "4096"},
                  {"batch-tokens", "2097152"},
                  {"tokens", "200B"}}});
  all.push_back({"schedules-124m", "the schedule papers' 124M (arXiv 2405.18392, 2501.18965)",
                 model_of({50304, 768, 2048, 12, 12, 12, 1024, true}), schedule_paper_recipe()});
  all.push_back({"schedules-210m", "the schedule papers' 210M",
                 model_of({50304, 768, 2048, 24, 12, 12, 1024, true}), schedule_paper_recipe()});
  all.push_back({"course-50m",
                 "50M with the usual prevention set: AdamW 0.9/0.95, decay 0.1, clip 1; shape and "
                 "lengths are ours",
                 model_of({32000, 512, 1536, 10, 8, 8, 2048, true}),
                 {{"optimizer", "adamw:beta1=0.9,beta2=0.95,eps=1e-8,decay=0.1"},
                  {"schedule", "cosine:warmup=1%"},
                  {"clip", "fixed:1.0"},
                  {"lr", "6e-4"},
                  {"seq-len", "1024"},
                  {"batch-tokens", "262144"},
                  {"micro-batch", "4"},
                  {"tokens", "1B"},
                  {"ckpt-every", "30m"}}});
  all.push_back({"apertus-8b",
                 "Apertus 8B (technical report, tables 1 and 2, and its launch scripts)",
                 apertus_of({131072, 4096, 21504, 32, 32, 8, 4096, false}),
                 apertus_recipe("1.1e-4", "0:4194304,7038042112000:8388608")});
  all.push_back({"apertus-70b",
                 "Apertus 70B (technical report, tables 1 and 2, and its launch scripts)",
                 apertus_of({131072, 8192, 43008, 80, 64, 8, 4096, false}),
                 apertus_recipe("1e-5", "0:8388608,4391587282944:16777216")});
  return all;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = make_presets();
  return all;
}

Result<Preset> find_preset(const std::string& name) {
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
  }
  return usage_error("unknown model preset '" + name + "'", "",
                     "accepted: a config.json, or " + preset_names());
}

std::string preset_names() {
  std::string names;
  for (const Preset& preset : presets()) names += (names.empty() ? "" : ", ") + preset.name;
  return names;
}

}  // namespace ballast
