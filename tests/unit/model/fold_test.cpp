#include "libcore/model/fold.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

ModelConfig small(const std::string& switches) {
  ModelConfig c;
  c.vocab_size = 16;
  c.hidden_size = 8;
  c.intermediate_size = 12;
  c.num_hidden_layers = 1;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 4;
  c.max_position_embeddings = 8;
  c.tie_word_embeddings = true;
  c.switches = apply_switches({}, switches, "f").take_value();
  return c;
}

struct Case {
  explicit Case(const std::string& switches)
      : config(small(switches)), table(make_param_table(config)) {
    flat.resize(static_cast<size_t>(table.flat_size));
    initialise_parameters(table, 1, flat.data());
  }
  float at(const ParamTable& in, const std::vector<float>& values, const char* name,
           int64_t i) const {
    return values[static_cast<size_t>(in.find(name)->flat_begin + i)];
  }
  ModelConfig config;
  ParamTable table;
  std::vector<float> flat;
};

TEST(FoldSwitches, LeavesAPlainModelAsItIs) {
  const Case c("");
  const auto folded = fold_switches(c.config, c.table, c.flat.data());
  ASSERT_TRUE(folded.ok());
  EXPECT_EQ(folded->config, c.config);
  EXPECT_EQ(folded->master, c.flat);
}

TEST(FoldSwitches, PutsLayerScaleIntoTheRowsOfItsMatrix) {
  Case c("layerscale=0.5");
  c.flat[static_cast<size_t>(c.table.find("model.layers.0.mlp.layer_scale")->flat_begin + 3)] = 4;
  const auto folded = fold_switches(c.config, c.table, c.flat.data());
  ASSERT_TRUE(folded.ok());
  const char* name = "model.layers.0.mlp.down_proj.weight";
  for (const int64_t row : {2, 3}) {
    EXPECT_EQ(c.at(folded->table, folded->master, name, row * 12 + 1),
              c.at(c.table, c.flat, name, row * 12 + 1) * (row == 3 ? 4.0f : 0.5f));
  }
  EXPECT_EQ(folded->table.find("model.layers.0.mlp.layer_scale"), nullptr);
}

TEST(FoldSwitches, PutsTheTemperatureIntoQueriesOrTheirNorm) {
  for (const char* switches : {"soft_temp=0.25", "soft_temp=0.25,qk_norm"}) {
    const Case c(switches);
    const auto folded = fold_switches(c.config, c.table, c.flat.data());
    ASSERT_TRUE(folded.ok());
    const bool norm = c.config.switches.qk_norm;
    const char* scaled =
        norm ? "model.layers.0.self_attn.q_norm.weight" : "model.layers.0.self_attn.q_proj.weight";
    EXPECT_EQ(c.at(folded->table, folded->master, scaled, 1),
              c.at(c.table, c.flat, scaled, 1) * 0.25f);
    const char* kept = "model.layers.0.self_attn.k_proj.weight";
    EXPECT_EQ(c.at(folded->table, folded->master, kept, 1), c.at(c.table, c.flat, kept, 1));
  }
}

TEST(FoldSwitches, RefusesWhatNothingCanTake) {
  const Case c("mup_base_width=4,placement=post");
  const auto folded = fold_switches(c.config, c.table, c.flat.data());
  ASSERT_FALSE(folded.ok());
  EXPECT_EQ(folded.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace ballast
