#include "libcore/model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "libcore/model/model.h"
#include "libcore/model/params.h"
#include "libcore/model/presets.h"

namespace ballast {
namespace {

Json tiny_json() {
  return Json::parse(
      R"({"model_type":"llama","vocab_size":1000,"hidden_size":96,"intermediate_size":200,
    "num_hidden_layers":2,"num_attention_heads":6,"num_key_value_heads":3,"rms_norm_eps":1e-5,
    "rope_theta":5000.0,"tie_word_embeddings":false,"bos_token_id":0,"eos_token_id":[1,2]})");
}

TEST(ModelConfig, ReadsBackWhatItWrites) {
  const ModelConfig config = parse_model_config(tiny_json(), "config.json").take_value();
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.eos_token_id, 1);
  const auto again = parse_model_config(to_hugging_face_config(config), "config.json");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, config);
  EXPECT_EQ(difference(config, *again), "");
}

TEST(ModelConfig, NamesTheFirstDifferingField) {
  ModelConfig a = parse_model_config(tiny_json(), "c").take_value(), b = a;
  b.num_hidden_layers = 3;
  EXPECT_EQ(difference(a, b), "num_hidden_layers: 2 here, 3 there");
}

TEST(ModelConfig, RefusesByNameWhatIsNotBuilt) {
  const std::pair<const char*, Json> cases[] = {{"model_type", "mixtral"},
                                                {"hidden_act", "gelu"},
                                                {"attention_bias", true},
                                                {"mlp_bias", true},
                                                {"num_experts", 8},
                                                {"head_dim", 15},
                                                {"num_key_value_heads", 4},
                                                {"vocab_size", -3},
                                                {"rope_scaling", Json{{"rope_type", "yarn"}}},
                                                {"ballast", Json{{"qk_morn", true}}},
                                                {"ballast", Json{{"version", 2}}},
                                                {"ballast", Json{{"soft_cap", -1}}},
                                                {"ballast", Json{{"qk_norm", 1}}},
                                                {"ballast", Json{{"norm", "batch"}}},
                                                {"hidden_dropout", 0.1}};
  for (const auto& [key, value] : cases) {
    Json json = tiny_json();
    json[key] = value;
    const auto result = parse_model_config(json, "config.json");
    ASSERT_FALSE(result.ok()) << key;
    EXPECT_EQ(result.error().kind, ErrorKind::usage) << key;
  }
  Json missing = tiny_json();
  missing.erase("hidden_size");
  EXPECT_FALSE(parse_model_config(missing, "config.json").ok());
}

TEST(ModelConfig, RefusesExpertsByName) {
  Json json = tiny_json();
  json["num_local_experts"] = 8;
  const auto result = parse_model_config(json, "config.json");
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message().find("mixtures of experts are not built"), std::string::npos);
}

TEST(ModelConfig, WritesSwitchesUnderItsKeyAndReadsThemBack) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  EXPECT_FALSE(to_hugging_face_config(config).contains("ballast"));
  config.switches = apply_switches(config.switches,
                                   "norm=layer,placement=post,activation=xielu,sigma_reparam,"
                                   "soft_temp,soft_cap=30,soft_clip,layerscale=0.01,qk_fc_norm,"
                                   "qkv_norm,mup_base_width=48",
                                   "--stability")
                        .take_value();
  config.rope_scaling = {.factor = 8, .low = 1, .high = 4, .original = 512};
  const Json json = to_hugging_face_config(config);
  EXPECT_EQ(json["model_type"], "ballast");
  EXPECT_EQ(json["ballast"]["version"], 1);
  const auto again = parse_model_config(json, "config.json");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, config);
  ModelConfig other = config;
  other.switches.soft_cap = 0;
  EXPECT_NE(difference(config, other).find("ballast: "), std::string::npos);
}

TEST(ModelConfig, ReadsApertus) {
  Json json = tiny_json();
  json["model_type"] = "apertus";
  json["hidden_act"] = "xielu";
  json["qk_norm"] = true;
  json["rope_scaling"] = {{"rope_type", "llama3"},
                          {"factor", 8.0},
                          {"low_freq_factor", 1.0},
                          {"high_freq_factor", 4.0},
                          {"original_max_position_embeddings", 8192}};
  const auto config = parse_model_config(json, "c");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->switches.activation, Activation::xielu);
  EXPECT_TRUE(config->switches.qk_norm);
  EXPECT_EQ(config->rope_scaling.factor, 8.0);
}

TEST(ModelConfig, ReadsTheTypesThatSwitchesMapTo) {
  struct Case {
    const char* type;
    const char* act;
    const char* switches;
  };
  for (const Case& c :
       {Case{"qwen3", "silu", "qk_norm"}, Case{"arcee", "relu2", "activation=squared_relu"},
        Case{"nemotron", "relu2", "norm=layer,activation=squared_relu"},
        Case{"apertus", "gelu", "qk_norm,activation=gelu"}}) {
    Json json = tiny_json();
    json["model_type"] = c.type;
    json["hidden_act"] = c.act;
    const auto config = parse_model_config(json, "c");
    ASSERT_TRUE(config.ok()) << config.error().message();
    EXPECT_EQ(config->switches, apply_switches({}, c.switches, "f").take_value()) << c.type;
    json["partial_rotary_factor"] = 0.5;
    EXPECT_FALSE(parse_model_config(json, "c").ok()) << c.type;
  }
}

// Frequencies of a head of 128 with theta 5e5: the wavelength decides.
TEST(ModelConfig, StretchesLongWavelengthsOnly) {
  ModelConfig config;
  config.head_dim = 128;
  config.rope_theta = 5e5;
  ModelConfig plain = config;
  config.rope_scaling = {.factor = 8, .low = 1, .high = 4, .original = 8192};
  int kept = 0, divided = 0, between = 0;
  for (int64_t j = 0; j < 64; ++j) {
    const double w = plain.rope_frequency(j), scaled = config.rope_frequency(j);
    const double length = 2 * std::numbers::pi / w;
    if (length < 2048) {
      EXPECT_EQ(scaled, w);
      ++kept;
    } else if (length > 8192) {
      EXPECT_EQ(scaled, w / 8);
      ++divided;
    } else {
      const double q = (8192 / length - 1) / 3;
      EXPECT_NEAR(scaled, (1 - q) * w / 8 + q * w, 1e-15);
      ++between;
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(divided, 0);
  EXPECT_GT(between, 0);
}

TEST(Switches, TakesThePapersNames) {
  const Switches cap = apply_switches({}, "qk_norm_cap", "f").take_value();
  EXPECT_TRUE(cap.qk_norm);
  EXPECT_EQ(cap.soft_cap, 50);
  const Switches fc = apply_switches({}, "qk_fc_norm,soft_temp", "f").take_value();
  EXPECT_TRUE(fc.qk_norm && fc.fc_norm);
  EXPECT_EQ(fc.soft_temp, 0.5);
  EXPECT_EQ(apply_switches({}, "qk_norm_cap=30", "f").take_value().soft_cap, 30);
  EXPECT_EQ(apply_switches({}, "", "f").take_value(), Switches{});
  const Switches clip = apply_switches({}, "soft_clip", "f").take_value();
  EXPECT_EQ(clip.soft_clip_zeta, 1.03);
  EXPECT_EQ(clip.soft_clip_gamma, -0.03);
}

TEST(Switches, RefusesByName) {
  for (const char* list : {"qk_norms", "qk_norm=1", "soft_cap=x", "soft_cap=0", "mup_base_width",
                           "norm=batch", "smooth_swiglu", "qk_fc_norm=2", ",qk_norm"}) {
    const auto result = apply_switches({}, list, "--stability");
    ASSERT_FALSE(result.ok()) << list;
    EXPECT_EQ(result.error().kind, ErrorKind::usage) << list;
  }
}

// The ratio of parameters to what the papers say of their models.
TEST(Presets, HaveTheirPublishedSizes) {
  const std::pair<const char*, double> sizes[] = {
      {"zclip-1b", 1.07e9},      {"nvidia-830m", 830e6}, {"schedules-124m", 124e6},
      {"schedules-210m", 210e6}, {"apertus-8b", 8.05e9}, {"apertus-70b", 70.6e9},
      {"course-50m", 50e6},      {"demo-3m", 3.2e6},     {"llama-14m", 13.8e6}};
  for (const auto& [name, size] : sizes) {
    const auto preset = find_preset(name);
    ASSERT_TRUE(preset.ok()) << name;
    const ParamTable table = make_param_table(preset->model);
    EXPECT_NEAR(static_cast<double>(table.parameters) / size, 1.0, 0.06) << name;
  }
  EXPECT_FALSE(find_preset("gpt-5").ok());
}

std::string recipe_of(const std::string& preset, const std::string& key) {
  const Preset found = find_preset(preset).take_value();
  for (const auto& [name, value] : found.recipe)
    if (name == key) return value;
  return "";
}

// The papers count warm-up, cooldown and batches in sequences.
TEST(Presets, LengthsAreThePublishedSequences) {
  const auto tokens = [](int64_t sequences, int64_t length) {
    return std::to_string(sequences * length);
  };
  EXPECT_EQ(recipe_of("apertus-8b", "schedule"), "wsd:warmup=" + tokens(4096000, 4096) +
                                                     ",cooldown=" + tokens(403905806, 4096) +
                                                     ",shape=1-sqrt,final=0.1");
  EXPECT_EQ(recipe_of("apertus-8b", "batch-tokens"),
            "0:" + tokens(1024, 4096) + "," + tokens(1718272000, 4096) + ":" + tokens(2048, 4096));
  EXPECT_EQ(recipe_of("apertus-70b", "batch-tokens"),
            "0:" + tokens(2048, 4096) + "," + tokens(1072164864, 4096) + ":" + tokens(4096, 4096));
  EXPECT_EQ(recipe_of("zclip-1b", "batch-tokens"), tokens(2048, 2048));
  EXPECT_EQ(recipe_of("nvidia-830m", "schedule"), "cosine:warmup=" + tokens(122071, 4096));
  EXPECT_EQ(recipe_of("nvidia-830m", "batch-tokens"), tokens(512, 4096));
  EXPECT_EQ(recipe_of("schedules-124m", "batch-tokens"), tokens(200, 512));
}

// Counted by hand for the report's tables.
TEST(Presets, ApertusHasItsParameters) {
  EXPECT_EQ(make_param_table(find_preset("apertus-8b")->model).parameters, 8053338176);
  EXPECT_EQ(make_param_table(find_preset("apertus-70b")->model).parameters, 70599864480);
}

// Haegele et al. (arXiv 2405.18392) count a sequence's forward pass with the embedding as a
// product, the softmax, and scores of all pairs; 6 per parameter and the causal half of the scores
// remain.
TEST(TrainFlops, FollowThePublishedCount) {
  const ModelConfig c = find_preset("schedules-124m")->model;
  const double s = 512, v = 50304, d = 768, ffw = 2048, heads = 12, k = 64, layers = 12;
  const double attention =
      6 * s * d * k * heads + 4 * s * s * k * heads + 3 * heads * s * s + 2 * s * k * heads * d;
  const double published = 2 * s * v * d + layers * (attention + 6 * s * d * ffw) + 2 * s * d * v;
  const double embedding = 2 * s * v * d, softmax = layers * 3 * heads * s * s;
  const double later_pairs = layers * 2 * s * s * k * heads;
  EXPECT_NEAR(train_flops_per_token(c, 512) * s,
              3 * (published - embedding - softmax - later_pairs), 1e-9 * published);
}

TEST(ParamTable, FollowsMuP) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  const ParamTable plain = make_param_table(config);
  config.switches.mup_base_width = 24;  // a quarter of 96
  const ParamTable wide = make_param_table(config);
  for (const ParamSpec& spec : wide.specs) {
    const bool hidden = spec.role == ParamRole::qkv || spec.role == ParamRole::proj ||
                        spec.role == ParamRole::fc1 || spec.role == ParamRole::fc2;
    EXPECT_EQ(spec.lr_scale, hidden ? 0.25 : 1.0) << spec.name;
    EXPECT_DOUBLE_EQ(spec.init_std, plain.find(spec.name)->init_std * (hidden ? 0.5 : 1.0));
  }
  bool scaled = false;
  for (const OptimizerRange& range : wide.optimizer_ranges()) scaled |= range.lr_scale == 0.25f;
  EXPECT_TRUE(scaled);
  EXPECT_DOUBLE_EQ(config.score_scale(), 8.0 / 16);
}

// u and v are saved and not trained; sigma starts near the norm that they would converge to.
TEST(ParamTable, KeepsPowerIterationsOutOfTheOptimizer) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  const int64_t plain = make_param_table(config).parameters;
  config.switches.sigma_reparam = true;
  const ParamTable table = make_param_table(config);
  EXPECT_EQ(table.parameters, plain + 4 * 2);
  const std::vector<OptimizerRange> ranges = table.optimizer_ranges();
  for (const ParamSpec& spec : table.specs) {
    if (spec.role != ParamRole::state) continue;
    for (const OptimizerRange& range : ranges)
      EXPECT_TRUE(range.end <= spec.flat_begin || range.begin >= spec.flat_end()) << spec.name;
  }
  std::vector<float> flat(static_cast<size_t>(table.flat_size));
  initialise_parameters(table, 5, flat.data());
  const ParamSpec& u = *table.find("model.layers.1.self_attn.qkv.sigma_u");
  double squares = 0;
  for (int64_t i = u.flat_begin; i < u.flat_end(); ++i)
    squares += std::pow(static_cast<double>(flat[static_cast<size_t>(i)]), 2);
  EXPECT_NEAR(squares, 1.0, 1e-6);
}

TEST(ParamTable, StartsXieluAtItsSlopes) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  config.switches.activation = Activation::xielu;
  const ParamTable table = make_param_table(config);
  EXPECT_NEAR(table.find("model.layers.0.mlp.act_fn.alpha_p")->init_value, 0.2033823208,
              0.5001e-10);
  EXPECT_NEAR(table.find("model.layers.0.mlp.act_fn.alpha_n")->init_value, -1.0502256128,
              0.5001e-10);
  EXPECT_EQ(table.find("model.layers.0.mlp.gate_proj.weight"), nullptr);
}

TEST(ParamTable, CoversTheFlatIndexWithoutOverlap) {
  const ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  const ParamTable table = make_param_table(config);
  int64_t end = 0;
  for (const ParamSpec& spec : table.specs) {
    EXPECT_GE(spec.flat_begin, end) << spec.name;
    end = spec.flat_end();
  }
  EXPECT_LE(end, table.flat_size);
  EXPECT_EQ(table.flat_size % kFlatBlock, 0);
  for (const StoredTensor& stored : table.stored) {
    EXPECT_TRUE(!stored.matrix || stored.flat_begin % kFlatBlock == 0) << stored.name;
  }
  EXPECT_EQ(table.parameters,
            2 * 1000 * 96 + 2 * (96 * 96 * 2 + 2 * 48 * 96 + 3 * 200 * 96) + 5 * 96);
}

TEST(ParamTable, StartsAsTheRecipesDo) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  config.initializer_range = 0.008944;
  config.switches = apply_switches({}, "layerscale,qk_fc_norm,norm=layer", "f").take_value();
  const ParamTable table = make_param_table(config);
  const double output = 0.008944 / std::sqrt(2.0 * 2);  // of residual branches, two layers
  const std::string at = "model.layers.1.";
  for (const auto& [name, std] :
       {std::pair<std::string, double>{"model.embed_tokens.weight", 0.008944},
        {"lm_head.weight", 0.008944},
        {at + "self_attn.q_proj.weight", 0.008944},
        {at + "self_attn.o_proj.weight", output},
        {at + "mlp.gate_proj.weight", 0.008944},
        {at + "mlp.down_proj.weight", output}})
    EXPECT_DOUBLE_EQ(table.find(name)->init_std, std) << name;
  for (const auto& [name, value] : {std::pair<std::string, double>{"model.norm.weight", 1},
                                    {"model.norm.bias", 0},
                                    {at + "self_attn.q_norm.weight", 1},
                                    {at + "self_attn.o_norm.weight", 1},
                                    {at + "mlp.layer_scale", 0.1}})
    EXPECT_EQ(table.find(name)->init_value, value) << name;
}

TEST(ParamTable, FusesRowsInTheDocumentedOrder) {
  const ParamTable table = make_param_table(parse_model_config(tiny_json(), "c").take_value());
  const StoredTensor& qkv = table.stored_named("layers.1.qkv");
  EXPECT_EQ(table.find("model.layers.1.self_attn.q_proj.weight")->flat_begin, qkv.flat_begin);
  EXPECT_EQ(table.find("model.layers.1.self_attn.k_proj.weight")->flat_begin,
            qkv.flat_begin + 96 * 96);
  EXPECT_EQ(table.find("model.layers.1.self_attn.v_proj.weight")->flat_begin,
            qkv.flat_begin + 96 * 96 + 48 * 96);
}

TEST(ParamTable, DecaysMatricesOnly) {
  const ParamTable table = make_param_table(parse_model_config(tiny_json(), "c").take_value());
  int64_t decayed = 0, covered = 0;
  for (const OptimizerRange& range : table.optimizer_ranges()) {
    covered += range.end - range.begin;
    if (range.decay) decayed += range.end - range.begin;
  }
  EXPECT_EQ(covered, table.parameters);
  EXPECT_EQ(table.parameters - decayed, 5 * 96);
}

// As Megatron excludes: every tensor of one dimension; embeddings and the head do decay.
TEST(ParamTable, DecaysNoGainAndNoScalarOfASwitch) {
  ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  config.switches =
      apply_switches({}, "norm=layer,activation=xielu,qk_fc_norm,layerscale,sigma_reparam", "f")
          .take_value();
  for (const ParamSpec& spec : make_param_table(config).specs)
    EXPECT_EQ(spec.decay, !spec.one_dimensional) << spec.name;
}

TEST(InitialiseParameters, GivesTheStatedDeviationAndNothingInPadding) {
  const ModelConfig config = parse_model_config(tiny_json(), "c").take_value();
  const ParamTable table = make_param_table(config);
  std::vector<float> flat(static_cast<size_t>(table.flat_size), -1.0f);
  initialise_parameters(table, 3, flat.data());
  const ParamSpec& spec = *table.find("model.embed_tokens.weight");
  double sum = 0;
  for (int64_t i = 0; i < spec.elements(); ++i) sum += std::pow(flat[static_cast<size_t>(i)], 2);
  // 96,000 normals: the relative error of the variance is about sqrt(2 / n).
  const auto n = static_cast<double>(spec.elements());
  EXPECT_NEAR(sum / n, 0.02 * 0.02, 6 * 0.02 * 0.02 * std::sqrt(2 / n));
  EXPECT_EQ(flat[static_cast<size_t>(spec.flat_end())], 0.0f);
  EXPECT_EQ(flat[static_cast<size_t>(table.find("model.norm.weight")->flat_begin)], 1.0f);
  std::vector<float> other(flat.size());
  initialise_parameters(table, 4, other.data());
  EXPECT_NE(flat[0], other[0]);
}

}  // namespace
}  // namespace ballast
