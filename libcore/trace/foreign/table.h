// CSV and TSV with a header, as pandas, Lightning's CSVLogger or a hand-written trainer write them.
// Names mean what column_map.h says; an empty cell is missing. Sparse rows, where one step is
// spread over several rows below each other, become one record as long as they do not contradict
// each other. A header that is repeated is passed over.
#pragma once

#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/csv_rows.h"
#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Reads the header. Usage error: no column for the step or for anything else, two that are equally
// good, a mapped column that is not there.
Result<std::unique_ptr<ForeignLog>> table_log(std::unique_ptr<ByteSource> source,
                                              const ImportOptions& options);
bool looks_like_table(std::string_view head);

// The rows below a header whose columns are known: `targets` by column.
struct TableColumns {
  std::vector<std::string> header;
  std::vector<ColumnTarget> targets;
  std::vector<std::string> unused;
  // Columns that hold the lowest or highest value of what another one stands for.
  struct Band {
    size_t column, of;
  };
  std::vector<Band> bands;

  // Sets `targets` and `unused` from what the columns are called.
  Result<void> resolve(const ColumnMap& map, const std::vector<std::string>& names,
                       const std::string& where);
};
// Reads the first row. Kind corrupt: there is none.
Result<TableColumns> read_table_header(CsvRows& rows);
// Usage error: the targets lack the step or everything else.
Result<std::unique_ptr<ForeignLog>> rows_log(std::unique_ptr<CsvRows> rows, TableColumns columns);

}  // namespace ballast
