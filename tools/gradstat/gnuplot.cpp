#include "tools/gradstat/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

extern char** environ;

namespace ballast {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

Result<std::string> read_back(std::FILE* file) {
  std::string text;
  char chunk[65536];
  std::rewind(file);
  while (const size_t got = std::fread(chunk, 1, sizeof chunk, file)) text.append(chunk, got);
  if (std::ferror(file) != 0) return io_error("cannot read what gnuplot wrote");
  return text;
}

// Letters and signs of names that DejaVu Sans draws, from its table of characters: Latin, Greek,
// Cyrillic, Armenian, Hebrew, Arabic, Georgian, punctuation, signs of money, arrows.
bool is_drawable(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kRanges[] = {
      {0xA0, 0x2E9},    {0x300, 0x34F},   {0x370, 0x377},   {0x37A, 0x37F},   {0x384, 0x38A},
      {0x38E, 0x3A1},   {0x3A3, 0x525},   {0x531, 0x556},   {0x559, 0x55F},   {0x561, 0x587},
      {0x5B0, 0x5C3},   {0x5D0, 0x5EA},   {0x5F0, 0x5F4},   {0x621, 0x63A},   {0x640, 0x655},
      {0x660, 0x670},   {0x679, 0x6BF},   {0x6F0, 0x6F9},   {0x10D0, 0x10FC}, {0x1E00, 0x1EFB},
      {0x1F00, 0x1F15}, {0x1F18, 0x1F1D}, {0x2010, 0x2027}, {0x2030, 0x205E}, {0x20A0, 0x20B5},
      {0x2190, 0x21FF}};
  return std::ranges::any_of(
      kRanges, [c](const Range& range) { return range.first <= c && c <= range.last; });
}

// The character at `at` of valid UTF-8, which moves behind it; a byte that is none counts as one.
char32_t next_code_point(std::string_view text, size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  char32_t c = more == 0 ? first : first & (0x3F >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    c = c << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  return c;
}

std::string first_line(const std::string& text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const size_t word = text.find_first_not_of(" \t^", begin);
    if (word != std::string::npos && word < end) return text.substr(word, end - word);
    begin = end + 1;
  }
  return "no message";
}

}  // namespace

std::string gnuplot_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') result += '\'';  // doubled inside single quotes
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

std::string with_drawable_text(std::string_view text) {
  std::string drawable;
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      drawable += text[at++];
      continue;
    }
    const size_t begin = at;
    const char32_t c = next_code_point(text, at);
    if (is_drawable(c))
      drawable += text.substr(begin, at - begin);
    else
      drawable += fmt::format("\\u{{{:X}}}", static_cast<uint32_t>(c));
  }
  return drawable;
}

std::string gnuplot_quoted(std::string_view text) { return "'" + gnuplot_escaped(text) + "'"; }

Result<std::string> run_gnuplot(const std::string& given) {
  const bool png = given.find("set terminal pngcairo") != std::string::npos;
  const std::string script = png ? with_drawable_text(given) : given;
  const File in(std::tmpfile()), out(std::tmpfile()), err(std::tmpfile());
  if (!in || !out || !err) return io_error("cannot create a temporary file");
  if (std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() ||
      std::fflush(in.get()) != 0)
    return io_error("cannot write a temporary file");
  std::rewind(in.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(err.get()), STDERR_FILENO);
  char name[] = "gnuplot";
  char dash[] = "-";
  char* argv[] = {name, dash, nullptr};
  pid_t child = 0;
  const int code = posix_spawnp(&child, name, &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0)
    return io_error("cannot run gnuplot", "", "install the Debian package gnuplot-nox");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string picture = BALLAST_TRY(read_back(out.get()));
  const std::string words = BALLAST_TRY(read_back(err.get()));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || picture.empty())
    return io_error("gnuplot failed", "", first_line(words));
  return picture;
}

}  // namespace ballast
