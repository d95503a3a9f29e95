// What the readers of tokenizer files share. One reader a format, chosen by Tokenizer::parse().
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "libcore/io/json.h"
#include "libcore/text/tokenizer.h"

namespace ballast {

inline constexpr int64_t kMaxTokenIds = int64_t{1} << 24;  // bounds the tables that ids index
inline constexpr std::array<std::string_view, 5> kBosNames = {"<s>", "<|begin_of_text|>", "<bos>",
                                                              "<|startoftext|>", "[BOS]"};
inline constexpr std::array<std::string_view, 5> kEosNames = {"</s>", "<|end_of_text|>",
                                                              "<|endoftext|>", "<eos>", "[EOS]"};

// The value of `key`, or null when it is missing.
const Json& optional_member(const Json& object, const char* key);

// The first of the names that is a special token.
std::optional<int32_t> special_named(const Tokenizer& tokenizer,
                                     std::span<const std::string_view> names);

Result<Tokenizer> parse_hugging_face(const Json& root, const std::string& where);
Result<Tokenizer> parse_tekken(const Json& root, const std::string& where);

}  // namespace ballast
