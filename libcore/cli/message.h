// What is said to a person, always on stderr: `tool: error: what: where (why)`, warnings, hints,
// notes and progress. Threads: any; a line is written whole.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

enum class Verbosity { quiet, normal, verbose };
void set_message_prefix(std::string tool, Verbosity verbosity);

// For a job of several ranks: lines of others than rank 0 name theirs, and they say errors only.
void set_message_rank(int rank);

void print_error(const Error& error);
void print_warning(std::string_view text);
void print_hint(std::string_view text);
void print_note(std::string_view text);     // not with -q
void print_verbose(std::string_view text);  // only with -v

// The nearest of `known` to a mistyped word, or "" when none is near.
std::string nearest_word(std::string_view word, std::span<const std::string> known);

}  // namespace ballast
