// The input is a file of token ids and a file beside it: one byte says of which format, one how
// many times 8 bytes the first has, the rest is the second. What is accepted must be documents
// without gaps, and readable.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/token_file.h"

namespace {

void put(ballast::FileSystem& fs, const std::string& path, ballast::Bytes bytes) {
  auto file = fs.create_exclusive(path);
  if (!file.ok() || !(*file)->append(bytes).ok() || !(*file)->close().ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  if (size < 2) return 0;
  const int kind = data[0] % 4;
  const Bytes rest(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  const size_t first = kind == 3 ? rest.size() : std::min(rest.size(), size_t{8} * data[1]);
  MemoryFileSystem fs;
  put(fs, "x.npy", rest.first(first));
  const char* const beside[] = {"x.npy.index", "x.npy.metadata", "x.csv.gz", nullptr};
  if (beside[kind] != nullptr) put(fs, beside[kind], rest.subspan(first));
  const TokenFileFormat format = kind < 2    ? TokenFileFormat::datatrove
                                 : kind == 2 ? TokenFileFormat::olmo
                                             : TokenFileFormat::llmc;
  TokenFileOptions options;
  options.eos = 1;
  const auto file = TokenFile::open(fs, "x.npy", format, options);
  if (!file.ok()) return 0;
  int64_t next = 0;
  for (int64_t document = 0; document < file->documents(); ++document) {
    if (file->document_begin(document) != next || file->document_length(document) < 0) std::abort();
    next += file->document_length(document);
    (void)file->document(document);
  }
  if (next != file->total_tokens()) std::abort();
  std::vector<int32_t> ids(static_cast<size_t>(file->total_tokens()));
  const auto read = file->read_tokens(0, ids);
  if (!read.ok()) return 0;  // ids above 2^31-1
  for (const int32_t id : ids)
    if (id < 0) std::abort();
  return 0;
}
