// The two kinds of matrices in fastText files: dense float32, and product quantised (each row a
// code of one byte per group of columns, and perhaps one for its norm).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

// A file from its start on; every length is checked against what remains.
class FastTextInput {
 public:
  FastTextInput(ReadableFile& file, std::string path) : file_(file), path_(std::move(path)) {}

  template <class T>
  Result<T> number() {
    T value{};
    BALLAST_TRY(bytes(&value, sizeof value));
    return value;
  }
  Result<void> bytes(void* into, int64_t count);
  template <class T>
  Result<std::vector<T>> array(int64_t count) {
    if (count < 0 || count > remaining() / static_cast<int64_t>(sizeof(T)))
      return damaged("ends early");
    std::vector<T> values(static_cast<size_t>(count));
    BALLAST_TRY(bytes(values.data(), count * static_cast<int64_t>(sizeof(T))));
    return values;
  }
  int64_t remaining() const;
  Error damaged(const std::string& why) const;

 private:
  ReadableFile& file_;
  std::string path_;
  int64_t offset_ = 0;  // of the next byte to hand out
  std::string buffer_;  // bytes from offset_ on
  size_t used_ = 0;
};

class FastTextMatrix {
 public:
  static Result<FastTextMatrix> read(FastTextInput& in, bool quantised);
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  void add_row(int64_t row, float* sum) const;
  float dot_row(int64_t row, const float* vector) const;

 private:
  // Codes of one byte into float vectors: `groups_` of `width` columns, the last of `last_width`.
  struct Quantiser {
    int32_t columns = 0, groups = 0, width = 0, last_width = 0;
    std::vector<float> centroids;
    const float* centroid(int32_t group, uint8_t code) const;
    int32_t width_of(int32_t group) const { return group + 1 == groups ? last_width : width; }
  };
  static Result<Quantiser> read_quantiser(FastTextInput& in, int64_t columns);
  Result<void> read_codes(FastTextInput& in);
  float norm_of(int64_t row) const;

  int64_t rows_ = 0, columns_ = 0;
  std::vector<float> values_;  // dense
  bool has_norms_ = false;
  Quantiser quantiser_, norms_;
  std::vector<uint8_t> codes_, norm_codes_;
};

}  // namespace ballast
