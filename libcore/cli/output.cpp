#include "libcore/cli/output.h"

#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>

#include "libcore/cli/tool.h"
#include "libcore/io/stream.h"

namespace ballast {
namespace {

struct Output {
  std::string path;
  bool force = false;
  std::unique_ptr<ByteSink> sink;
  std::optional<Error> failure;  // the first one; reported by finish_stdout()
};

Output& output() {
  static Output state;
  return state;
}

Error stdout_error() {
  return io_error("cannot write", "standard output", std::generic_category().message(errno));
}

Result<void> write_to_sink(Output& out, std::string_view text) {
  if (!out.sink) out.sink = BALLAST_TRY(open_sink(posix_file_system(), out.path, out.force));
  return out.sink->write(text);
}

}  // namespace

void send_output_to(const std::string& path, bool force) {
  output().path = path;
  output().force = force;
}

void abandon_output() {
  output().sink.reset();
  output().path.clear();
}

void print_out(std::string_view text) {
  Output& out = output();
  if (out.failure) return;
  if (!out.path.empty()) {
    auto written = write_to_sink(out, text);
    if (!written.ok()) out.failure = written.take_error();
  } else if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    out.failure = stdout_error();
  }
}

Result<void> finish_stdout() {
  Output& out = output();
  if (out.failure) return *out.failure;
  if (!out.path.empty()) {
    BALLAST_TRY(write_to_sink(out, ""));  // nothing printed is an empty file, not none
    BALLAST_TRY(out.sink->finish());
    out.sink.reset();
    out.path.clear();
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    out.failure = stdout_error();
    return *out.failure;
  }
  return {};
}

}  // namespace ballast
