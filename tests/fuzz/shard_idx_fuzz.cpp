// The input is an .idx over a .bin of 64 bytes: whatever is accepted must be consistent.
#include <cstdint>
#include <cstdlib>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/reader.h"

namespace {

bool put(ballast::FileSystem& fs, const char* path, ballast::Bytes bytes) {
  auto file = fs.create_exclusive(path);
  return file.ok() && (*file)->append(bytes).ok() && (*file)->close().ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  MemoryFileSystem fs;
  const std::string tokens(64, '\1');
  if (!put(fs, "s.idx", {reinterpret_cast<const std::byte*>(data), size})) std::abort();
  if (!put(fs, "s.bin", as_bytes(tokens))) std::abort();
  const auto reader = ShardReader::open(fs, "s");
  if (!reader.ok()) return 0;
  std::vector<int32_t> ids(static_cast<size_t>(reader->total_tokens()));
  if (!reader->read_tokens(0, ids).ok()) std::abort();
  for (int64_t token = 0; token < reader->total_tokens(); ++token) {
    const int64_t start = reader->document_start(token);
    if (start > token || reader->document_of(token) >= reader->documents()) std::abort();
  }
  return 0;
}
