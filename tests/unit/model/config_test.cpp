#include "libcore/model/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libcore/model/params.h"

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
                                                {"ballast", Json{{"qk_norm", true}}}};
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
