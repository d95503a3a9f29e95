#include "libcore/text/fasttext/fasttext_matrix.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "libcore/base/bytes.h"

namespace ballast {
namespace {

static_assert(std::endian::native == std::endian::little, "fastText files are little-endian");
constexpr int64_t kBufferBytes = int64_t{1} << 16;
constexpr int64_t kMaxColumns = 1 << 16;
constexpr int32_t kCodes = 256;

}  // namespace

int64_t FastTextInput::remaining() const { return file_.size() - offset_; }

Error FastTextInput::damaged(const std::string& why) const {
  return corrupt_error("not a fastText model", path_, why);
}

Result<void> FastTextInput::bytes(void* into, int64_t count) {
  if (count > remaining()) return damaged("ends early");
  auto* out = static_cast<std::byte*>(into);
  while (count > 0) {
    if (used_ == buffer_.size()) {
      if (count >= kBufferBytes) {
        const MutableBytes all(out, static_cast<size_t>(count));
        const size_t got = BALLAST_TRY(file_.read_at(offset_, all));
        if (got != all.size()) return damaged("ends early");
        offset_ += count;
        return {};
      }
      buffer_.resize(static_cast<size_t>(std::min(kBufferBytes, remaining())));
      const MutableBytes all(reinterpret_cast<std::byte*>(buffer_.data()), buffer_.size());
      const size_t got = BALLAST_TRY(file_.read_at(offset_, all));
      if (got != all.size()) return damaged("ends early");
      used_ = 0;
    }
    const size_t part = std::min(static_cast<size_t>(count), buffer_.size() - used_);
    std::memcpy(out, buffer_.data() + used_, part);
    used_ += part;
    out += part;
    offset_ += static_cast<int64_t>(part);
    count -= static_cast<int64_t>(part);
  }
  return {};
}

const float* FastTextMatrix::Quantiser::centroid(int32_t group, uint8_t code) const {
  const auto at = static_cast<size_t>(group) * kCodes * static_cast<size_t>(width) +
                  static_cast<size_t>(code) * static_cast<size_t>(width_of(group));
  return centroids.data() + at;
}

Result<FastTextMatrix::Quantiser> FastTextMatrix::read_quantiser(FastTextInput& in,
                                                                 int64_t columns) {
  Quantiser quantiser;
  quantiser.columns = BALLAST_TRY(in.number<int32_t>());
  quantiser.groups = BALLAST_TRY(in.number<int32_t>());
  quantiser.width = BALLAST_TRY(in.number<int32_t>());
  quantiser.last_width = BALLAST_TRY(in.number<int32_t>());
  const bool sane = quantiser.columns == columns && quantiser.groups > 0 && quantiser.width > 0 &&
                    quantiser.last_width > 0 && quantiser.last_width <= quantiser.width &&
                    quantiser.width <= columns && quantiser.groups <= columns;
  if (!sane || (quantiser.groups - 1) * int64_t{quantiser.width} + quantiser.last_width != columns)
    return in.damaged("groups of columns do not add up");
  quantiser.centroids = BALLAST_TRY(in.array<float>(columns * kCodes));
  return quantiser;
}

Result<void> FastTextMatrix::read_codes(FastTextInput& in) {
  const auto code_count = BALLAST_TRY(in.number<int32_t>());
  codes_ = BALLAST_TRY(in.array<uint8_t>(code_count));
  quantiser_ = BALLAST_TRY(read_quantiser(in, columns_));
  if (rows_ > code_count / quantiser_.groups || rows_ * quantiser_.groups != code_count)
    return in.damaged("codes and rows do not agree");
  if (!has_norms_) return {};
  norm_codes_ = BALLAST_TRY(in.array<uint8_t>(rows_));
  norms_ = BALLAST_TRY(read_quantiser(in, 1));
  return {};
}

Result<FastTextMatrix> FastTextMatrix::read(FastTextInput& in, bool quantised) {
  FastTextMatrix matrix;
  if (quantised) matrix.has_norms_ = BALLAST_TRY(in.number<uint8_t>()) != 0;
  matrix.rows_ = BALLAST_TRY(in.number<int64_t>());
  matrix.columns_ = BALLAST_TRY(in.number<int64_t>());
  if (matrix.rows_ < 0 || matrix.columns_ < 1 || matrix.columns_ > kMaxColumns)
    return in.damaged("impossible matrix");
  if (quantised) {
    BALLAST_TRY(matrix.read_codes(in));
  } else {
    if (matrix.rows_ > in.remaining() / matrix.columns_) return in.damaged("ends early");
    matrix.values_ = BALLAST_TRY(in.array<float>(matrix.rows_ * matrix.columns_));
  }
  return matrix;
}

float FastTextMatrix::norm_of(int64_t row) const {
  return has_norms_ ? norms_.centroid(0, norm_codes_[static_cast<size_t>(row)])[0] : 1.0F;
}

void FastTextMatrix::add_row(int64_t row, float* sum) const {
  if (codes_.empty()) {
    const float* from = values_.data() + row * columns_;
    for (int64_t i = 0; i < columns_; ++i) sum[i] += from[i];
    return;
  }
  const float norm = norm_of(row);
  const uint8_t* codes = codes_.data() + row * quantiser_.groups;
  for (int32_t group = 0; group < quantiser_.groups; ++group) {
    const float* from = quantiser_.centroid(group, codes[group]);
    float* to = sum + int64_t{group} * quantiser_.width;
    for (int32_t i = 0; i < quantiser_.width_of(group); ++i) to[i] += norm * from[i];
  }
}

float FastTextMatrix::dot_row(int64_t row, const float* vector) const {
  float dot = 0;
  if (codes_.empty()) {
    const float* from = values_.data() + row * columns_;
    for (int64_t i = 0; i < columns_; ++i) dot += from[i] * vector[i];
    return dot;
  }
  const uint8_t* codes = codes_.data() + row * quantiser_.groups;
  for (int32_t group = 0; group < quantiser_.groups; ++group) {
    const float* from = quantiser_.centroid(group, codes[group]);
    const float* with = vector + int64_t{group} * quantiser_.width;
    for (int32_t i = 0; i < quantiser_.width_of(group); ++i) dot += with[i] * from[i];
  }
  return dot * norm_of(row);
}

}  // namespace ballast
