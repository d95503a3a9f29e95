// The column arrays of a history dump, laid beside each other as rows in the order of training. See
// wandb_history.h. One thread.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "libcore/trace/foreign/rows.h"

namespace ballast {

// Where a column has no number: a NaN that no computation gives.
inline constexpr uint64_t kMissingBits = 0x7ff8'6d69'7373'696eu;
inline bool is_missing(double value) { return std::bit_cast<uint64_t>(value) == kMissingBits; }

// Columns that were logged together, one number per row.
struct HistoryTable {
  struct Column {
    std::string name;
    std::vector<double> values;
  };
  std::string name;
  std::vector<Column> columns;
};

// Hands all rows over to `rows`, passes in turn, and ends the last of them.
void add_history_tables(std::vector<HistoryTable> tables, Rows& rows, ForeignNotes& notes);

}  // namespace ballast
