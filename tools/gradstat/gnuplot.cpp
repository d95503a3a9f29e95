#include "tools/gradstat/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

std::string gnuplot_quoted(std::string_view text) { return "'" + gnuplot_escaped(text) + "'"; }

Result<std::string> run_gnuplot(const std::string& script) {
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
