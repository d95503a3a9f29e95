// What JSON Lines say of the documents of a shard, line by line in their order: id, url, date,
// language, license, source and, if it is there, text. Plain or compressed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"
#include "libcore/shard/sidecar.h"

namespace ballast {

class DocumentLines {
 public:
  explicit DocumentLines(std::string path) : path_(std::move(path)) {}
  // Fills in the next document; its text, if the line has one. Kind corrupt at the end.
  Result<std::optional<std::string>> next(ShardDocument& document);
  Result<bool> at_end();
  std::string where() const;  // path and line

 private:
  Result<std::optional<std::string_view>> line();

  std::string path_;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<LineReader> reader_;
};

// Kind corrupt when the file does not have a line for each of so many documents: before the tokens
// are read.
Result<void> check_line_count(const std::string& path, int64_t documents);

}  // namespace ballast
