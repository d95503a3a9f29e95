#include "tools/gradstat/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
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

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') result += '\'';  // doubled inside single quotes
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

std::string cell(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : std::string("NaN");
}

std::string data_blocks(const Curves& c) {
  std::string text = "$line << EOD\n";
  for (size_t i = 0; i < c.steps.size(); ++i)
    text += fmt::format("{} {} {} {} {}\n", c.steps[i], cell(c.loss[i]), cell(c.norm[i]),
                        cell(c.norm_clipped[i]), cell(c.threshold[i]));
  text += "EOD\n$left << EOD\n";
  for (size_t i = 0; i < c.abandoned_steps.size(); ++i)
    text += fmt::format("{} {} {}\n", c.abandoned_steps[i], cell(c.abandoned_loss[i]),
                        cell(c.abandoned_norm[i]));
  return text + "EOD\n";
}

// Vertical lines over the whole height; labels only on the upper chart, and only when they fit.
std::string mark_lines(const Curves& c, bool labels) {
  constexpr size_t kMostLabels = 12;
  constexpr double kLabelsTurn = 0.7;  // of the width; beyond it they stand left of their line
  std::string text = "unset arrow\nunset label\n";
  for (size_t i = 0; i < c.marks.size(); ++i) {
    const Mark& mark = c.marks[i];
    const char* color = mark.incident ? "#d62728" : "#7f7f7f";
    text += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead back lw 1 dt 2 lc rgb '{1}'\n",
        mark.step, color);
    const double share =
        static_cast<double>(mark.step - c.steps.front()) /
        static_cast<double>(std::max<int64_t>(c.steps.back() - c.steps.front(), 1));
    if (labels && c.marks.size() <= kMostLabels)
      text +=
          fmt::format("set label '{}' at {}, graph {:.2f} {} noenhanced tc rgb '{}' font ',9'\n",
                      escaped(mark.label.substr(0, mark.label.find(':'))), mark.step,
                      0.95 - 0.06 * static_cast<double>(i % 6),
                      share > kLabelsTurn ? "right offset -1,0" : "left offset 0.4,0", color);
  }
  return text;
}

std::string norm_label(int64_t smooth) {
  return smooth > 1 ? fmt::format("gradient norm (mean of {} steps)", smooth) : "gradient norm";
}

bool any_finite(const std::vector<double>& values) {
  for (const double value : values)
    if (std::isfinite(value)) return true;
  return false;
}

std::string abandoned_points(int column) {
  return fmt::format(
      "$left using 1:{} with points pt 7 ps 0.6 lc rgb '#9467bd' title 'abandoned branches', ",
      column);
}

// A logarithmic scale shows less than a decade badly.
std::string norm_scale(const Curves& c) {
  double low = INFINITY, high = 0;
  for (const std::vector<double>* values :
       {&c.norm, &c.norm_clipped, &c.threshold, &c.abandoned_norm}) {
    for (const double value : *values) {
      if (!std::isfinite(value) || value <= 0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (!(high >= 10 * low)) return "unset logscale y\n";
  return fmt::format("set logscale y\nset format y '%g'\nset yrange [{}:{}]\n", low / 1.2,
                     high * 1.2);
}

std::string loss_chart(const Curves& c) {
  std::string text = mark_lines(c, true);
  text += "set ylabel 'loss'\nset xlabel 'step'\nplot ";
  if (!c.abandoned_steps.empty()) text += abandoned_points(2);
  return text + "$line using 1:2 with lines lw 1.2 lc rgb '#1f77b4' title 'loss'\n";
}

std::string norm_chart(const Curves& c, const PictureOptions& options) {
  std::string text = mark_lines(c, false);
  text += fmt::format("set ylabel '{}'\nset xlabel 'step'\n{}plot ", norm_label(options.smooth),
                      norm_scale(c));
  if (any_finite(c.abandoned_norm)) text += abandoned_points(3);
  text += "$line using 1:3 with lines lw 2.5 lc rgb '#ffb366' title 'before clipping'";
  if (any_finite(c.norm_clipped))
    text += ", $line using 1:4 with lines lw 1 lc rgb '#1a7f37' title 'after clipping'";
  if (any_finite(c.threshold))
    text += ", $line using 1:5 with lines lw 1 dt 3 lc rgb '#000000' title 'threshold'";
  return text + "\n";
}

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

std::string gnuplot_script(const Curves& curves, const PictureOptions& options) {
  const char* terminal = options.format == PictureFormat::svg ? "svg" : "pngcairo";
  std::string text = fmt::format("set terminal {} size {},{} font 'sans,11' background '#ffffff'\n",
                                 terminal, options.width, options.height);
  text += data_blocks(curves);
  text += fmt::format(
      "set multiplot layout 2,1 title '{}' noenhanced\nset grid lc rgb '#d9d9d9'\n"
      "set key outside top right horizontal\nset lmargin 10\nset rmargin 3\nset datafile missing "
      "'NaN'\n",
      escaped(options.title));
  if (!curves.steps.empty()) {
    const int64_t left = curves.abandoned_steps.empty() ? 0 : curves.abandoned_steps.back();
    text += fmt::format("set xrange [{}:{}]\n", curves.steps.front(),
                        std::max({left, curves.steps.back(), curves.steps.front() + 1}));
  }
  text += loss_chart(curves);
  if (any_finite(curves.norm)) text += norm_chart(curves, options);
  return text + "unset multiplot\n";
}

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
