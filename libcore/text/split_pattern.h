// The split patterns of well-known tokenizers as hand-written scanners. Each gives exactly the
// matches of its regular expression (tested against PCRE2 on random Unicode) in one pass without
// backtracking, so time is linear in the text. Pure; any thread. Text is UTF-8; an invalid byte
// counts as a character without class.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace ballast {

enum class SplitPattern { gpt2, cl100k, llama3, qwen2, o200k, tekken };

// The regular expression itself, as tokenizer files spell it. Every text is covered by its matches.
std::string_view split_pattern_regex(SplitPattern pattern);
// The pattern with this spelling; nullopt for one that has no scanner.
std::optional<SplitPattern> known_split_pattern(std::string_view regex);

// Writes the end offsets of the pieces of text[from..] into `ends` until it is full or the text is
// at its end, and returns how many. Pieces are never empty.
using SplitFunction = size_t (*)(std::string_view text, size_t from, std::span<size_t> ends);
SplitFunction split_function(SplitPattern pattern);

}  // namespace ballast
