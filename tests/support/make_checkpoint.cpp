// make_checkpoint RUN FIRST LAST STRIDE [SEGMENT]: saves checkpoints of a tiny model, one for every
// STRIDE-th step, for tests of the tools. Weights are a function of the step.
#include <cstdio>
#include <cstdlib>

#include "tests/support/tiny_checkpoint.h"

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  ballast::SaveOptions options = ballast::tiny_options();
  options.optim_files = 2;
  const int64_t segment = argc > 5 ? std::atoll(argv[5]) : 0;
  for (int64_t step = std::atoll(argv[2]); step <= std::atoll(argv[3]);
       step += std::atoll(argv[4])) {
    const auto saved =
        ballast::save_tiny(ballast::posix_file_system(), argv[1], step, options, segment);
    if (!saved.ok()) {
      std::fprintf(stderr, "make_checkpoint: %s\n", saved.error().message().c_str());
      return 3;
    }
  }
  return 0;
}
