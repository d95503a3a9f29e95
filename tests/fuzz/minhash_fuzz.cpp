// Files between the stages of near deduplication, and texts on their way to signatures. A file that
// is read whole is written to the same bytes; a simplified text is valid and has no blanks at
// its ends, and a text whose parts all stay is the text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/dedup/minhash.h"
#include "libcore/dedup/simplify.h"
#include "libcore/dedup/stage_file.h"
#include "libcore/dedup/text_parts.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/io/utf8.h"

namespace {

using namespace ballast;

void put(FileSystem& fs, const std::string& path, std::string_view text) {
  AtomicFile file(fs, path, true);
  BALLAST_CHECK(file.write(text).ok() && file.commit().ok());
}

void read_stage(std::string_view bytes) {
  MemoryFileSystem fs;
  put(fs, "in", bytes);
  Result<StageFileReader> reader = StageFileReader::open(fs, "in");
  if (!reader.ok()) return;
  const StageShape& shape = reader->shape();
  StageFileWriter writer(fs, "out", shape);
  for (int64_t block = 0; block < reader->blocks(); ++block) {
    std::vector<std::string> columns;
    for (uint32_t column = 0; column < shape.columns; ++column) {
      const Result<Bytes> data = reader->read(block, column);
      if (!data.ok()) return;
      columns.emplace_back(as_text(*data));
    }
    for (size_t at = 0; at < columns[0].size(); at += shape.width) {
      std::string record;
      for (const std::string& column : columns) record.append(column, at, shape.width);
      BALLAST_CHECK(writer.add(as_bytes(record)).ok());
    }
  }
  BALLAST_CHECK(writer.finish(reader->totals()).ok());
  BALLAST_CHECK(*read_file(fs, "out") == bytes);
}

void read_text(std::string_view bytes) {
  int64_t replaced = 0;
  const std::string text = replace_invalid_utf8(bytes, &replaced);
  std::string simple;
  simplify_text(text, simple);
  BALLAST_CHECK(is_valid_utf8(simple));
  BALLAST_CHECK(!simple.starts_with(' ') && !simple.ends_with(' '));
  static MinHasher words(*find_minhash_preset("datatrove"));
  BALLAST_CHECK(words.shingles(text).size() <= simple.size());
  static MinHasher characters(*find_minhash_preset("curator"));
  BALLAST_CHECK(characters.shingles(text).empty() == text.empty());
  std::vector<TextPart> parts;
  for (const PartKind kind : {PartKind::line, PartKind::paragraph}) {
    cut_parts(text, kind, parts);
    BALLAST_CHECK(parts.empty() || join_parts(text, parts) == text);
    for (TextPart& part : parts) part.removed = true;
    BALLAST_CHECK(join_parts(text, parts).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_stage(bytes);
  read_text(bytes);
  return 0;
}
