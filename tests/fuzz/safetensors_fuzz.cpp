// A safetensors header from anywhere: what is taken must survive parse -> write -> parse unchanged.
#include <cstdlib>
#include <string>

#include "libcore/io/memory_file_system.h"
#include "libcore/io/safetensors.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool same(const ballast::SafetensorsEntry& a, const ballast::SafetensorsEntry& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.begin == b.begin &&
         a.end == b.end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  MemoryFileSystem fs;
  const Bytes input(reinterpret_cast<const std::byte*>(data), size);
  {
    auto file = fs.create_exclusive("in");
    require(file.ok() && (*file)->append(input).ok() && (*file)->sync().ok() &&
            (*file)->close().ok());
  }
  auto reader = SafetensorsReader::open(fs, "in");
  if (!reader.ok()) {
    require(reader.error().message().find('\n') == std::string::npos);
    return 0;
  }
  auto writer = SafetensorsWriter::create(fs, "out", reader->entries(), reader->metadata());
  require(writer.ok());
  require(writer->append(input.subspan(static_cast<size_t>(reader->data_offset()))).ok());
  auto summary = writer->finish();
  require(summary.ok() && summary->tensor_hashes.size() == reader->entries().size());

  auto again = SafetensorsReader::open(fs, "out");
  require(again.ok() && again->entries().size() == reader->entries().size());
  for (size_t i = 0; i < reader->entries().size(); ++i) {
    require(same(reader->entries()[i], again->entries()[i]));
  }
  for (const auto& [key, value] : reader->metadata()) require(again->metadata().at(key) == value);
  return 0;
}
