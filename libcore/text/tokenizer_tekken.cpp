// Reading tekken.json of mistral-common: a pattern, byte strings by rank, and control tokens whose
// ids come first. The ids of a text are mistral-common's.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "libcore/text/tokenizer_reading.h"

namespace ballast {
namespace {

constexpr std::array<std::string_view, 7> kVersions = {"v1", "v2", "v3", "v7", "v11", "v13", "v15"};
// Files up to v7 need not list the control tokens; these are meant.
constexpr std::array<std::string_view, 20> kImpliedTokens = {"<unk>",
                                                             "<s>",
                                                             "</s>",
                                                             "[INST]",
                                                             "[/INST]",
                                                             "[AVAILABLE_TOOLS]",
                                                             "[/AVAILABLE_TOOLS]",
                                                             "[TOOL_RESULTS]",
                                                             "[/TOOL_RESULTS]",
                                                             "[TOOL_CALLS]",
                                                             "[IMG]",
                                                             "<pad>",
                                                             "[IMG_BREAK]",
                                                             "[IMG_END]",
                                                             "[PREFIX]",
                                                             "[MIDDLE]",
                                                             "[SUFFIX]",
                                                             "[SYSTEM_PROMPT]",
                                                             "[/SYSTEM_PROMPT]",
                                                             "[TOOL_CONTENT]"};

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// Nullopt unless `text` is base64 (RFC 4648, section 4) with its padding.
std::optional<std::string> base64_bytes(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int digit = i + padding >= text.size() ? 0 : base64_digit(text[i]);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xFF);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace

class TekkenParser {
 public:
  explicit TekkenParser(const std::string& where) : where_(where) {}

  Result<Tokenizer> parse(const Json& root) {
    const Json* config = BALLAST_TRY(member(root, "config", where_));
    if (!config->is_object()) return corrupt_error("'config' is not an object", where_);
    BALLAST_TRY(read_sizes(*config));
    BALLAST_TRY(read_control_tokens(optional_member(root, "special_tokens")));
    const Json* vocab = BALLAST_TRY(member(root, "vocab", where_));
    BALLAST_TRY(read_vocab(*vocab));
    const std::string pattern = BALLAST_TRY(string_member(*config, "pattern", where_));
    made_.pre_tokenizer_ = BALLAST_TRY(PreTokenizer::from_pattern(pattern, where_));
    made_.bos_ = special_named(made_, kBosNames);
    made_.eos_ = special_named(made_, kEosNames);
    return std::move(made_);
  }

 private:
  Result<void> read_sizes(const Json& config) {
    version_ = BALLAST_TRY(string_member(config, "version", where_));
    if (std::find(kVersions.begin(), kVersions.end(), version_) == kVersions.end())
      return usage_error("tekken version '" + version_ + "' is not supported", where_,
                         "supported: v1, v2, v3, v7, v11, v13, v15");
    ids_ = BALLAST_TRY(integer_member(config, "default_vocab_size", where_));
    controls_ = BALLAST_TRY(integer_member(config, "default_num_special_tokens", where_));
    if (ids_ < 256 || ids_ > kMaxTokenIds)
      return corrupt_error(fmt::format("default_vocab_size {} is out of range", ids_), where_,
                           fmt::format("256 to {}", kMaxTokenIds));
    if (controls_ < 0 || controls_ > ids_ - 256)
      return corrupt_error(fmt::format("default_num_special_tokens {} is out of range", controls_),
                           where_,
                           fmt::format("0 to {}, 256 fewer than default_vocab_size", ids_ - 256));
    made_.bytes_.resize(static_cast<size_t>(ids_));
    made_.is_token_.assign(static_cast<size_t>(ids_), true);
    made_.is_special_.resize(static_cast<size_t>(ids_));
    return {};
  }

  // The listed tokens, then fillers up to the number that the file reserves.
  Result<void> read_control_tokens(const Json& list) {
    if (list.is_null()) {
      const bool may_imply =
          version_ == "v1" || version_ == "v2" || version_ == "v3" || version_ == "v7";
      if (!may_imply)
        return corrupt_error("'special_tokens' is missing", where_, "needed after v7");
      for (const std::string_view name : kImpliedTokens)
        BALLAST_TRY(add_control_token(std::string(name)));
    } else {
      if (!list.is_array()) return corrupt_error("'special_tokens' is not a list", where_);
      for (const Json& one : list) {
        const int64_t rank = BALLAST_TRY(integer_member(one, "rank", where_));
        if (rank != static_cast<int64_t>(made_.added_.size()))
          return corrupt_error(
              fmt::format("special token {} says rank {}", made_.added_.size(), rank), where_,
              "ranks are places in the list");
        const std::string text = BALLAST_TRY(string_member(one, "token_str", where_));
        BALLAST_TRY(add_control_token(text));
      }
    }
    while (static_cast<int64_t>(made_.added_.size()) < controls_)
      BALLAST_TRY(add_control_token(fmt::format("<SPECIAL_{}>", made_.added_.size())));
    made_.raw_tokens_ = AddedTokenMatcher(made_.added_);
    return {};
  }

  Result<void> add_control_token(const std::string& text) {
    AddedToken token;
    token.content = text;
    token.id = static_cast<int32_t>(made_.added_.size());
    token.special = true;
    if (token.id >= controls_)
      return corrupt_error("more special tokens than default_num_special_tokens", where_,
                           std::to_string(controls_));
    if (!made_.ids_.emplace(text, token.id).second)
      return corrupt_error("special token '" + text + "' is there twice", where_);
    made_.bytes_[static_cast<size_t>(token.id)] = text;
    made_.is_special_[static_cast<size_t>(token.id)] = true;
    made_.added_.push_back(std::move(token));
    return {};
  }

  // Entries beyond the vocabulary's size are not used, and not looked at.
  Result<void> read_vocab(const Json& vocab) {
    if (!vocab.is_array()) return corrupt_error("'vocab' is not a list", where_);
    const int64_t used = ids_ - controls_;
    if (static_cast<int64_t>(vocab.size()) < used)
      return corrupt_error(fmt::format("vocab has {} entries", vocab.size()), where_,
                           fmt::format("{} are used", used));
    std::vector<std::string> tokens(static_cast<size_t>(ids_));
    std::unordered_set<std::string_view> seen;
    for (int64_t rank = 0; rank < used; ++rank) {
      const auto id = static_cast<size_t>(controls_ + rank);
      tokens[id] = BALLAST_TRY(token_bytes(vocab[static_cast<size_t>(rank)], rank));
      if (!seen.insert(tokens[id]).second)
        return corrupt_error(fmt::format("vocab entry {} has the bytes of another", rank), where_);
      made_.bytes_[id] = tokens[id];
      made_.ids_.emplace(tokens[id], static_cast<int32_t>(id));
    }
    made_.bpe_ = BALLAST_TRY(BpeModel::from_ranks(std::move(tokens), where_));
    return {};
  }

  Result<std::string> token_bytes(const Json& entry, int64_t rank) {
    const std::string where = fmt::format("{}, vocab entry {}", where_, rank);
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("token_str"))
      return corrupt_error("not an object of rank, token_bytes and token_str", where);
    const Json& text = entry.at("token_str");
    if (!text.is_null() && !text.is_string())
      return corrupt_error("'token_str' is neither a string nor null", where);
    if (BALLAST_TRY(integer_member(entry, "rank", where)) != rank)
      return corrupt_error("rank is not the entry's place", where);
    const std::string base64 = BALLAST_TRY(string_member(entry, "token_bytes", where));
    auto bytes = base64_bytes(base64);
    if (!bytes || bytes->empty()) return corrupt_error("'token_bytes' is not base64", where);
    if (rank < 256 && *bytes != std::string(1, static_cast<char>(rank)))
      return corrupt_error("not the byte of its rank", where, "the first 256 are the bytes");
    return *std::move(bytes);
  }

  std::string where_;
  Tokenizer made_;
  std::string version_;
  int64_t ids_ = 0;       // of all tokens
  int64_t controls_ = 0;  // ids below this are control tokens
};

Result<Tokenizer> parse_tekken(const Json& root, const std::string& where) {
  return TekkenParser(where).parse(root);
}

}  // namespace ballast
