// A run of MLflow's file store: meta.yaml, a parameter, and metric files, between NUL bytes.
#include "libcore/io/memory_file_system.h"
#include "libcore/trace/foreign/mlflow.h"
#include "tests/fuzz/foreign_log.h"

namespace {

void put(ballast::FileSystem& fs, const std::string& path, const std::string& content) {
  BALLAST_CHECK(fs.make_directories(ballast::parent_directory(path)).ok());
  auto file = fs.create_exclusive(path).take_value();
  BALLAST_CHECK(file->append(ballast::as_bytes(content)).ok());
  BALLAST_CHECK(file->close().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  constexpr const char* kPaths[] = {"/meta.yaml", "/params/p", "/metrics/train/loss", "/metrics/lr",
                                    "/metrics/eval_loss"};
  MemoryFileSystem fs;
  put(fs, "/metrics/other", "1 2 3\n");
  const std::vector<std::string> pieces = fuzz::pieces_of(fuzz::text_of(data, size));
  for (size_t i = 0; i < std::min(pieces.size(), std::size(kPaths)); ++i)
    put(fs, kPaths[i], pieces[i]);
  fuzz::read_log(mlflow_log(fs, "/", {}));
  return 0;
}
