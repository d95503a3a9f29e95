#include "libcore/cli/message.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <vector>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

// Set once at start, before other threads exist.
std::string& prefix() {
  static std::string text = "ballast";
  return text;
}
std::atomic<Verbosity> verbosity = Verbosity::normal;
bool errors_only = false;

// One write(2) per line: lines of threads and of ranks that share a terminal stay whole.
void say(std::string_view colour, std::string_view kind, std::string_view text) {
  const Style& look = style(Stream::err);
  std::string line = prefix() + ": ";
  if (!kind.empty()) {
    line += colour;
    line += kind;
    line += look.reset;
  }
  // Names that came from files may hold anything.
  line += printable(text) + "\n";
  clear_progress_for_message();
  std::fflush(stdout);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (n <= 0) return;
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

void set_message_prefix(std::string tool, Verbosity level) {
  prefix() = std::move(tool);
  verbosity = level;
}

void set_message_rank(int rank) {
  if (rank == 0) return;
  prefix() += fmt::format(": rank {}", rank);
  verbosity = Verbosity::quiet;
  errors_only = true;
}

void print_error(const Error& error) { say(style(Stream::err).red, "error: ", error.message()); }
void print_warning(std::string_view text) {
  if (!errors_only) say(style(Stream::err).yellow, "warning: ", text);
}
void print_hint(std::string_view text) { say(style(Stream::err).blue, "hint: ", text); }
void print_note(std::string_view text) {
  if (verbosity != Verbosity::quiet) say("", "", text);
}
void print_verbose(std::string_view text) {
  if (verbosity == Verbosity::verbose) say("", "", text);
}

namespace {

// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, previous(b.size() + 1), row(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(previous, row);
  }
  return previous[b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> known) {
  constexpr size_t kLongestWord = 64;
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  if (word.size() > kLongestWord) return best;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace ballast
