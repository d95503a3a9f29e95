// Walks a tensor in pieces of a few MiB, converted to float, and cuts them into chunks of 128
// values that never cross a row. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "libcore/precision/chunk.h"
#include "libcore/precision/probe.h"

namespace ballast {

// Rows lie along the last dimension; leading dimensions stack matrices (experts) whose blocks stay
// apart. A vector is one row.
struct Geometry {
  explicit Geometry(const std::vector<int64_t>& shape);
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t matrix_rows = 1;  // rows of one matrix

  int64_t column_blocks() const { return (columns + kChunk - 1) / kChunk; }
  int64_t row_blocks() const;            // over all matrices
  int64_t block_row(int64_t row) const;  // of the 128x128 block that holds `row`
};

// One piece: `n` consecutive elements from `offset`, raw and as floats.
struct Piece {
  int64_t offset = 0;
  Bytes raw;
  std::span<const float> values;
};

class PieceStream {
 public:
  PieceStream(const ProbedTensor& tensor, const Geometry& geometry);
  // False at the end.
  Result<bool> next(Piece& piece);

 private:
  const ProbedTensor& tensor_;
  const Geometry& geometry_;
  int64_t element_bytes_;
  int64_t offset_ = 0;
  std::vector<std::byte> raw_;
  std::vector<float> values_;
};

// body(row, column, chunk) for the chunks of a piece in order; `chunk` has kChunk floats, zeros
// behind the end of a row. Pieces begin and end at chunk borders.
template <class Body>
void for_each_chunk(const Piece& piece, const Geometry& geometry, Body body) {
  std::array<float, kChunk> padded;
  const int64_t n = static_cast<int64_t>(piece.values.size());
  int64_t row = piece.offset / geometry.columns;
  int64_t column = piece.offset % geometry.columns;
  for (int64_t at = 0; at < n;) {
    const int64_t length = std::min(kChunk, geometry.columns - column);
    const float* chunk = piece.values.data() + at;
    if (length < kChunk) {
      padded.fill(0.0f);
      std::copy(chunk, chunk + length, padded.begin());
      chunk = padded.data();
    }
    body(row, column, chunk);
    at += length;
    column += length;
    if (column == geometry.columns) {
      column = 0;
      ++row;
    }
  }
}

}  // namespace ballast
