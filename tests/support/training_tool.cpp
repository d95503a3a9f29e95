// What the tests of pretrain need besides the tools:
//   training_tool shard PREFIX DOCUMENTS SEED   a learnable synthetic shard, vocabulary 512
//   training_tool losses TRACE                  "step loss norm" of the surviving line, exact
//   doubles
//   training_tool port                          a port of the loopback interface that is free
//   training_tool peak FILE COMMAND...          runs it; FILE gets the most memory it had, in bytes
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "libcore/base/rng.h"
#include "libcore/base/units.h"
#include "libcore/shard/writer.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

// Each token follows from the one before by one of a few rules, so there is something to learn.
int make_shard(const std::string& prefix, int64_t documents, uint64_t seed) {
  ShardWriter writer(posix_file_system(), prefix, 512, false);
  uint64_t draw = 0;
  for (int64_t d = 0; d < documents; ++d) {
    const uint64_t length = 50 + random_u64(seed, 1, draw++) % 600;
    std::vector<int32_t> tokens = {0};
    uint64_t state = random_u64(seed, 2, draw++) % 509;
    for (uint64_t i = 0; i < length; ++i) {
      constexpr uint64_t kSteps[] = {1, 1, 1, 2, 7};
      state = (state * 31 + kSteps[random_u64(seed, 3, draw++) % 5]) % 509;
      tokens.push_back(static_cast<int32_t>(state) + 3);
    }
    tokens.push_back(1);
    if (!writer.append_document(tokens).ok()) return 1;
  }
  return writer.finish().ok() ? 0 : 1;
}

int print_losses(const std::string& path) {
  auto reader = TraceReader::open(posix_file_system(), path,
                                  {.view = TraceView::surviving, .steps_only = true});
  if (!reader.ok()) {
    std::fprintf(stderr, "%s\n", reader.error().message().c_str());
    return 3;
  }
  TraceRecord record;
  for (;;) {
    const auto more = (*reader)->next(record);
    if (!more.ok()) return 3;
    if (!*more) return 0;
    if (record.type != RecordType::step) continue;
    const StepRecord& s = record.step;
    std::printf("%lld %s %s\n", static_cast<long long>(s.step),
                format_double(s.loss.value_or(0)).c_str(),
                format_double(s.grad_norm.value_or(0)).c_str());
  }
}

int print_free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, generic, length) != 0 || ::getsockname(fd, generic, &length) != 0) return 1;
  ::close(fd);
  std::printf("%d\n", ntohs(address.sin_port));
  return 0;
}

int run_and_measure(const char* file, char** command) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(command[0], command);
    ::_exit(127);
  }
  int status = 0;
  rusage usage = {};
  if (child < 0 || ::wait4(child, &status, 0, &usage) != child) return 1;
  std::FILE* out = std::fopen(file, "w");
  if (out == nullptr) return 1;
  std::fprintf(out, "%lld\n", static_cast<long long>(usage.ru_maxrss) * 1024);
  std::fclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "shard") == 0) {
    return ballast::make_shard(argv[2], std::atoll(argv[3]), std::strtoull(argv[4], nullptr, 10));
  }
  if (argc == 3 && std::strcmp(argv[1], "losses") == 0) return ballast::print_losses(argv[2]);
  if (argc > 3 && std::strcmp(argv[1], "peak") == 0)
    return ballast::run_and_measure(argv[2], argv + 3);
  if (argc == 2 && std::strcmp(argv[1], "port") == 0) return ballast::print_free_port();
  std::fputs(
      "usage: training_tool shard PREFIX DOCUMENTS SEED | losses TRACE | port | peak FILE "
      "COMMAND...\n",
      stderr);
  return 2;
}
