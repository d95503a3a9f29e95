// A file of given bytes for readers that take a ReadableFile.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "libcore/io/file_system.h"

namespace ballast {

class BytesFile final : public ReadableFile {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read_at(int64_t offset, MutableBytes into) override {
    const size_t at = std::min(static_cast<size_t>(offset), bytes_.size());
    const size_t count = std::min(into.size(), bytes_.size() - at);
    std::memcpy(into.data(), bytes_.data() + at, count);
    return count;
  }
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::string bytes_;
};

}  // namespace ballast
