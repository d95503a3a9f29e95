// Rows of CSV (RFC 4180: quoted cells with commas, line ends and doubled quotes) and TSV. A byte
// order mark and CR LF are taken, empty lines passed over. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/io/stream.h"

namespace ballast {

class CsvRows {
 public:
  // The delimiter is a tab when the first line has one outside of quotes, else a comma.
  explicit CsvRows(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)), lines_(*source_, kMaxLine) {}
  // False at the end. Cells are without their quotes, valid until the next call; bad() tells that
  // the quotes of the row do not match. Kind corrupt: a line over kMaxLine.
  Result<bool> next(std::vector<std::string_view>& cells);
  bool bad() const { return bad_; }
  // The row ended with the file, without a line end or the closing quote of its last cell: that
  // cell may be cut.
  bool torn() const { return torn_; }
  int64_t number() const { return number_; }  // of the row's first line, from 1
  const std::string& name() const { return source_->name(); }

 private:
  static constexpr int64_t kMaxLine = int64_t{16} << 20;
  Result<bool> read_row();
  void split();
  bool take_cell(size_t& at, bool& last);

  std::unique_ptr<ByteSource> source_;
  LineReader lines_;
  std::string row_;
  std::string plain_;                             // cells that had doubled quotes
  std::vector<std::pair<size_t, size_t>> spans_;  // of cells: begin and size, in row_ or plain_
  std::vector<bool> unescaped_;
  char delimiter_ = 0;  // 0: not known yet
  int64_t number_ = 0;
  bool bad_ = false, torn_ = false;
};

}  // namespace ballast
