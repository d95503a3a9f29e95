// Reading tokenizer.json of Hugging Face tokenizers.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libcore/text/tokenizer_reading.h"

namespace ballast {
namespace {

Result<bool> flag(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_boolean())
    return corrupt_error(fmt::format("'{}' is not true or false", key), where);
  return found->get<bool>();
}

Error not_supported(const std::string& part, const Json& value, const std::string& where,
                    const std::string& supported) {
  const Json& type = value.is_object() ? optional_member(value, "type") : value;
  const std::string name = type.is_string() ? type.get<std::string>() : "without a type";
  return usage_error(fmt::format("{} '{}' is not supported", part, name), where,
                     "supported: " + supported);
}

bool has_type(const Json& value, std::string_view type) {
  if (!value.is_object()) return false;
  const Json& found = optional_member(value, "type");
  return found.is_string() && found.get_ref<const std::string&>() == type;
}

}  // namespace

class TokenizerParser {
 public:
  explicit TokenizerParser(const std::string& where) : where_(where) {}

  Result<Tokenizer> parse(const Json& root) {
    if (!root.is_object()) return corrupt_error("tokenizer is not a JSON object", where_);
    const std::string version = BALLAST_TRY(string_member(root, "version", where_));
    if (version != "1.0")
      return usage_error("tokenizer version '" + version + "' is not supported", where_,
                         "supported: 1.0");
    BALLAST_TRY(check_frame(root));
    const Json* model = BALLAST_TRY(member(root, "model", where_));
    BALLAST_TRY(check_model(*model));
    BALLAST_TRY(read_vocab(*model));
    BALLAST_TRY(read_added(optional_member(root, "added_tokens")));
    BALLAST_TRY(read_merges(*model));
    BALLAST_TRY(build_model(*model));
    made_.pre_tokenizer_ =
        BALLAST_TRY(PreTokenizer::from_json(optional_member(root, "pre_tokenizer"), where_));
    BALLAST_TRY(read_post_processor(optional_member(root, "post_processor")));
    if (!made_.bos_) made_.bos_ = special_named(made_, kBosNames);
    if (!made_.eos_) made_.eos_ = special_named(made_, kEosNames);
    find_known_mistake();
    return std::move(made_);
  }

 private:
  // Their control tokens tell Mistral's files, which have tekken's pattern where they are right:
  // one digit a piece, and words are cut where small letters give way to capitals. Others use such
  // names too, at other ids.
  void find_known_mistake() {
    constexpr int32_t kBegin = 3, kEnd = 4;
    const bool of_mistral = made_.id_of("[INST]") == kBegin && made_.id_of("[/INST]") == kEnd &&
                            made_.is_special(kBegin) && made_.is_special(kEnd);
    if (of_mistral && made_.pre_tokenizer_.direct() == split_function(SplitPattern::llama3))
      made_.warning_ =
          where_ +
          ": a tokenizer of Mistral's with the split pattern of Llama 3: ids of numbers and "
          "of words such as eBay differ from those of tekken.json";
  }

  // What acts on whole texts around the model.
  Result<void> check_frame(const Json& root) {
    if (!optional_member(root, "truncation").is_null())
      return usage_error("tokenizer truncates texts", where_, "set 'truncation' to null");
    const Json& padding = optional_member(root, "padding");
    if (padding.is_object() && optional_member(padding, "strategy") != "BatchLongest")
      return usage_error("tokenizer pads texts to a fixed length", where_, "set 'padding' to null");
    const Json& decoder = optional_member(root, "decoder");
    if (!has_type(decoder, "ByteLevel"))
      return not_supported("decoder", decoder, where_, "ByteLevel");
    return read_normalizer(optional_member(root, "normalizer"));
  }

  Result<void> read_normalizer(const Json& value) {
    if (value.is_null()) return {};
    if (has_type(value, "NFC")) {
      made_.nfc_ = true;
      return {};
    }
    if (!has_type(value, "Sequence"))
      return not_supported("normalizer", value, where_, "none, NFC");
    const Json* list = BALLAST_TRY(member(value, "normalizers", where_));
    if (!list->is_array()) return corrupt_error("'normalizers' is not a list", where_);
    for (const Json& one : *list) BALLAST_TRY(read_normalizer(one));
    return {};
  }

  Result<void> check_model(const Json& model) {
    if (!model.is_object()) return corrupt_error("'model' is not an object", where_);
    if (!has_type(model, "BPE") && !(model.contains("merges") && !model.contains("type")))
      return not_supported("model", model, where_, "BPE");
    const Json& dropout = optional_member(model, "dropout");
    if (!dropout.is_null() && dropout != 0.0)
      return usage_error("BPE with dropout is not supported", where_);
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json& value = optional_member(model, key);
      if (!value.is_null() && value != "")
        return usage_error(fmt::format("BPE with '{}' is not supported", key), where_);
    }
    return {};
  }

  Result<void> add_token(const std::string& text, int64_t id) {
    const auto at = static_cast<size_t>(id);
    if (at >= texts_.size()) {
      texts_.resize(at + 1);
      made_.is_token_.resize(at + 1);
      made_.is_special_.resize(at + 1);
    }
    if (made_.is_token_[at])
      return corrupt_error(fmt::format("two tokens have the id {}", id), where_,
                           fmt::format("'{}' and '{}'", texts_[at], text));
    made_.is_token_[at] = true;
    texts_[at] = text;
    made_.ids_.emplace(text, static_cast<int32_t>(id));
    return {};
  }

  Result<void> read_vocab(const Json& model) {
    const Json* vocab = BALLAST_TRY(member(model, "vocab", where_));
    if (!vocab->is_object()) return corrupt_error("'vocab' is not an object", where_);
    for (const auto& [text, id] : vocab->items()) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= kMaxTokenIds)
        return corrupt_error("token '" + text + "' has a bad id", where_,
                             fmt::format("whole, 0 to {}", kMaxTokenIds - 1));
      BALLAST_TRY(add_token(text, id.get<int64_t>()));
    }
    vocab_entries_ = static_cast<int64_t>(vocab->size());
    from_model_ = made_.is_token_;
    return {};
  }

  // The id in the file is not what counts: a token of the vocabulary keeps its id there, others get
  // the next free id in file order. A file that says otherwise would be read in two ways.
  Result<void> read_added(const Json& list) {
    if (list.is_null()) return {};
    if (!list.is_array()) return corrupt_error("'added_tokens' is not a list", where_);
    int64_t next = vocab_entries_;
    std::vector<AddedToken> raw, normalized;
    for (const Json& one : list) {
      AddedToken token;
      token.content = BALLAST_TRY(string_member(one, "content", where_));
      const int64_t said = BALLAST_TRY(integer_member(one, "id", where_));
      token.special = BALLAST_TRY(flag(one, "special", where_));
      token.single_word = BALLAST_TRY(flag(one, "single_word", where_));
      token.lstrip = BALLAST_TRY(flag(one, "lstrip", where_));
      token.rstrip = BALLAST_TRY(flag(one, "rstrip", where_));
      token.normalized = BALLAST_TRY(flag(one, "normalized", where_));
      const auto known = made_.id_of(token.content);
      const int64_t id = known ? *known : next;
      if (said != id)
        return corrupt_error(fmt::format("added token '{}' says id {}", token.content, said),
                             where_, fmt::format("it is read as {}", id));
      if (id >= kMaxTokenIds) return corrupt_error("too many tokens", where_);
      if (!known) BALLAST_TRY(add_token(token.content, id));
      next = std::max(next, id + 1);
      token.id = static_cast<int32_t>(id);
      if (token.special) made_.is_special_[static_cast<size_t>(id)] = true;
      // Without a normaliser both kinds are still looked for in two rounds.
      (token.normalized ? normalized : raw).push_back(token);
      made_.added_.push_back(token);
    }
    made_.raw_tokens_ = AddedTokenMatcher(std::move(raw));
    made_.normalized_tokens_ = AddedTokenMatcher(std::move(normalized));
    return {};
  }

  Result<void> read_merges(const Json& model) {
    const Json* merges = BALLAST_TRY(member(model, "merges", where_));
    if (!merges->is_array()) return corrupt_error("'merges' is not a list", where_);
    int64_t number = 0;
    for (const Json& one : *merges) {
      ++number;
      std::string left, right;
      if (one.is_string()) {
        const auto& line = one.get_ref<const std::string&>();
        if (line.starts_with("#version")) continue;
        const size_t space = line.find(' ');
        if (space == line.npos || line.find(' ', space + 1) != line.npos)
          return corrupt_error(fmt::format("merge {} is not two tokens", number), where_);
        left = line.substr(0, space);
        right = line.substr(space + 1);
      } else if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_string()) {
        left = one[0].get<std::string>();
        right = one[1].get<std::string>();
      } else {
        return corrupt_error(fmt::format("merge {} is not two tokens", number), where_);
      }
      BALLAST_TRY(add_merge(left, right, number));
    }
    return {};
  }

  Result<void> add_merge(const std::string& left, const std::string& right, int64_t number) {
    BpeMerge merge;
    const std::array<std::pair<const std::string, int32_t*>, 3> parts = {
        {{left, &merge.left}, {right, &merge.right}, {left + right, &merge.joined}}};
    for (const auto& [text, id] : parts) {
      const auto found = made_.ids_.find(text);
      if (found == made_.ids_.end() || !in_model(found->second))
        return corrupt_error(fmt::format("merge {} needs a token that is not there", number),
                             where_, "'" + text + "'");
      *id = found->second;
    }
    merges_.push_back(merge);
    return {};
  }

  bool in_model(int32_t id) const {
    return static_cast<size_t>(id) < from_model_.size() && from_model_[static_cast<size_t>(id)];
  }

  Result<void> build_model(const Json& model) {
    std::vector<std::string> from_text(texts_.size());
    made_.bytes_.resize(texts_.size());
    for (size_t id = 0; id < texts_.size(); ++id) {
      const bool mapped = append_byte_level(texts_[id], made_.bytes_[id]);
      if (!mapped) made_.bytes_[id] = texts_[id];
      const bool reachable = mapped && in_model(static_cast<int32_t>(id));
      if (reachable && !made_.is_special_[id]) from_text[id] = made_.bytes_[id];
    }
    const bool ignore_merges = BALLAST_TRY(flag(model, "ignore_merges", where_));
    made_.bpe_ = BALLAST_TRY(BpeModel::build(std::move(from_text), merges_, ignore_merges, where_));
    return {};
  }

  Result<void> read_post_processor(const Json& value) {
    if (value.is_null() || has_type(value, "ByteLevel")) return {};
    if (has_type(value, "TemplateProcessing")) return read_template(value);
    if (!has_type(value, "Sequence"))
      return not_supported("post_processor", value, where_,
                           "ByteLevel, TemplateProcessing, Sequence");
    const Json* list = BALLAST_TRY(member(value, "processors", where_));
    if (!list->is_array()) return corrupt_error("'processors' is not a list", where_);
    for (const Json& one : *list) BALLAST_TRY(read_post_processor(one));
    return {};
  }

  Result<void> read_template(const Json& value) {
    const Json* single = BALLAST_TRY(member(value, "single", where_));
    const Json* tokens = BALLAST_TRY(member(value, "special_tokens", where_));
    if (!single->is_array() || !tokens->is_object())
      return corrupt_error("post_processor template is malformed", where_);
    bool after = false;
    for (const Json& part : *single) {
      if (part.is_object() && part.contains("Sequence")) {
        after = true;
        continue;
      }
      const Json* special = BALLAST_TRY(member(part, "SpecialToken", where_));
      const std::string name = BALLAST_TRY(string_member(*special, "id", where_));
      auto& place = after ? made_.eos_ : made_.bos_;
      if (place)
        return usage_error("template with several tokens on one side is not supported", where_);
      place = BALLAST_TRY(template_id(*tokens, name));
    }
    return {};
  }

  Result<int32_t> template_id(const Json& tokens, const std::string& name) {
    const Json* token = BALLAST_TRY(member(tokens, name, where_));
    const Json* ids = BALLAST_TRY(member(*token, "ids", where_));
    if (!ids->is_array() || ids->size() != 1 || !(*ids)[0].is_number_integer())
      return usage_error("template token '" + name + "' is not one id", where_);
    const auto id = (*ids)[0].get<int64_t>();
    if (id < 0 || id >= static_cast<int64_t>(texts_.size()) ||
        !made_.is_token_[static_cast<size_t>(id)])
      return corrupt_error("template token '" + name + "' has an id outside the vocabulary",
                           where_);
    return static_cast<int32_t>(id);
  }

  std::string where_;
  Tokenizer made_;
  std::vector<std::string> texts_;  // id -> token as in the file
  std::vector<bool> from_model_;    // id is of model.vocab
  int64_t vocab_entries_ = 0;
  std::vector<BpeMerge> merges_;
};

Result<Tokenizer> parse_hugging_face(const Json& root, const std::string& where) {
  return TokenizerParser(where).parse(root);
}

}  // namespace ballast
