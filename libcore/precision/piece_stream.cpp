#include "libcore/precision/piece_stream.h"

#include "libcore/precision/half.h"

namespace ballast {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 20;

int64_t bytes_of(std::string_view dtype) {
  if (dtype == "F64") return 8;
  if (dtype == "F32") return 4;
  if (dtype == "BF16" || dtype == "F16") return 2;
  if (dtype == "F8_E4M3" || dtype == "F8_E5M2") return 1;
  return 0;
}

template <class Stored, class Convert>
void convert(Bytes raw, std::span<float> values, Convert to_float) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = to_float(load_le<Stored>(raw.data() + i * sizeof(Stored)));
  }
}

void to_floats(std::string_view dtype, Bytes raw, std::span<float> values) {
  if (dtype == "BF16") {
    widen_bf16(reinterpret_cast<const uint16_t*>(raw.data()), static_cast<int64_t>(values.size()),
               values.data());
  } else if (dtype == "F32") {
    std::memcpy(values.data(), raw.data(), raw.size());
  } else if (dtype == "F16") {
    convert<uint16_t>(raw, values, f16_to_float);
  } else if (dtype == "F64") {
    convert<double>(raw, values, [](double value) { return static_cast<float>(value); });
  } else {
    const Fp8Format format = dtype == "F8_E4M3" ? Fp8Format::e4m3 : Fp8Format::e5m2;
    convert<uint8_t>(raw, values, [format](uint8_t code) { return decode_fp8(code, format); });
  }
}

}  // namespace

bool can_probe(std::string_view dtype) { return bytes_of(dtype) != 0; }

Geometry::Geometry(const std::vector<int64_t>& shape) {
  if (shape.empty()) return;
  columns = shape.back();
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  matrix_rows = shape.size() < 2 ? 1 : shape[shape.size() - 2];
}

int64_t Geometry::row_blocks() const {
  if (rows == 0) return 0;
  return rows / matrix_rows * ((matrix_rows + kChunk - 1) / kChunk);
}

int64_t Geometry::block_row(int64_t row) const {
  return row / matrix_rows * ((matrix_rows + kChunk - 1) / kChunk) + row % matrix_rows / kChunk;
}

PieceStream::PieceStream(const ProbedTensor& tensor, const Geometry& geometry)
    : tensor_(tensor), geometry_(geometry), element_bytes_(bytes_of(tensor.dtype)) {
  BALLAST_CHECK(element_bytes_ != 0);
}

Result<bool> PieceStream::next(Piece& piece) {
  const int64_t columns = geometry_.columns;
  const int64_t total = geometry_.rows * columns;
  if (offset_ == total) return false;
  // Whole rows, or a part of a long row that ends at a chunk border.
  const int64_t n = columns <= kPieceElements
                        ? std::min(total - offset_, kPieceElements / columns * columns)
                        : std::min(columns - offset_ % columns, kPieceElements);
  raw_.resize(static_cast<size_t>(n * element_bytes_));
  values_.resize(static_cast<size_t>(n));
  BALLAST_TRY(tensor_.read(offset_ * element_bytes_, raw_));
  to_floats(tensor_.dtype, raw_, values_);
  piece = {offset_, raw_, values_};
  offset_ += n;
  return true;
}

}  // namespace ballast
