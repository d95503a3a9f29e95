// Writing tokenizer.json: tokenizer_json_text().
#include "libcore/io/json.h"
#include "libcore/text/bpe_trainer.h"

namespace ballast {
namespace {

Json added_token_json(const AddedToken& token) {
  return {{"id", token.id},          {"content", token.content}, {"single_word", false},
          {"lstrip", false},         {"rstrip", false},          {"normalized", false},
          {"special", token.special}};
}

Json byte_level_json(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer_json(SplitPattern pattern) {
  if (pattern == SplitPattern::gpt2) return byte_level_json(true);
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", split_pattern_regex(pattern)}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level_json(false)})}};
}

// <s> before every text is all that a prompt needs; the end of a
// document is written by whoever packs documents.
Json template_json() {
  const auto special = [](const char* name, int type) {
    return Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const std::string bos = leading_tokens()[0].content;
  const Json token = {{"id", bos}, {"ids", Json::array({0})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special("<s>", 0), sequence("A", 0)})},
          {"pair",
           Json::array({special("<s>", 0), sequence("A", 0), special("<s>", 1), sequence("B", 1)})},
          {"special_tokens", {{bos, token}}}};
}

Json model_json(const TrainedBpe& trained) {
  Json vocab = Json::object();
  auto& entries = vocab.get_ref<Json::object_t&>();
  const auto text_of = [&](int32_t id) {
    const auto at = static_cast<size_t>(id);
    return at < leading_tokens().size() ? trained.tokens[at] : byte_level_text(trained.tokens[at]);
  };
  for (size_t id = 0; id < trained.tokens.size(); ++id)
    entries.Json::object_t::Container::emplace_back(text_of(static_cast<int32_t>(id)), id);
  Json merges = Json::array();
  for (const BpeMerge& merge : trained.merges)
    merges.push_back(text_of(merge.left) + " " + text_of(merge.right));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string tokenizer_json_text(const TrainedBpe& trained) {
  Json added = Json::array();
  for (const AddedToken& token : leading_tokens()) added.push_back(added_token_json(token));
  return to_json_text({{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", pre_tokenizer_json(trained.pattern)},
                       {"post_processor", template_json()},
                       {"decoder", byte_level_json(true)},
                       {"model", model_json(trained)}});
}

}  // namespace ballast
