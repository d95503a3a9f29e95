// The input is a sidecar: whatever its index promises must be readable or refused.
#include <cstdint>
#include <cstdlib>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/sidecar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  MemoryFileSystem fs;
  auto file = fs.create_exclusive("s.docs.jsonl.zst");
  if (!file.ok() || !(*file)->append({reinterpret_cast<const std::byte*>(data), size}).ok() ||
      !(*file)->close().ok())
    std::abort();
  auto sidecar = SidecarReader::open(fs, "s");
  if (!sidecar.ok()) return 0;
  for (const auto& [host, documents] : sidecar->hosts())
    for (const int64_t document : documents) {
      const auto line = sidecar->read(document);
      if (!line.ok()) return 0;
      if (line->tokens < 0) std::abort();
    }
  return 0;
}
