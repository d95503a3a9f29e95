#include "libcore/trace/foreign/history_tables.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "libcore/trace/foreign/gather.h"

namespace ballast {
namespace {

constexpr double kLargestStep = 9.0e15;

// A table whose columns are known.
struct Group {
  struct Column {
    size_t column;  // of Rows
    std::vector<double> values;
  };
  std::vector<int64_t> steps;
  std::vector<double> unix_s;       // empty: not logged
  std::vector<Column> columns;      // as long as `steps`
  std::vector<size_t> pass_begins;  // within `steps`
  std::vector<size_t> pass_of;      // of each row: the pass of the whole run
};

// By its own name, or by the group's too.
std::optional<size_t> column_of(Rows& rows, const std::string& group, const std::string& name) {
  const std::string full = group.empty() ? name : group + "/" + name;
  if (rows.is_of_use(name)) return rows.column(name);
  return rows.column(full);
}

bool is_steps(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](double value) { return value >= 0 && value <= kLargestStep; });
}

std::optional<Group> group_of(HistoryTable& table, Rows& rows, ForeignNotes& notes) {
  Group group;
  std::vector<std::optional<size_t>> columns;
  const HistoryTable::Column* steps = nullptr;
  int best = std::numeric_limits<int>::max();
  for (const HistoryTable::Column& column : table.columns) {
    if (column.values.empty()) {
      columns.emplace_back();
      continue;
    }
    columns.push_back(column_of(rows, table.name, column.name));
    if (!columns.back()) continue;
    const ColumnTarget& target = rows.target(*columns.back());
    if (target.kind != ColumnKind::step || target.rank >= best || !is_steps(column.values))
      continue;
    best = target.rank;
    steps = &column;
  }
  if (steps == nullptr) return std::nullopt;
  for (const double step : steps->values) group.steps.push_back(std::llround(step));
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i]) continue;
    std::vector<double>& values = table.columns[i].values;
    const ColumnKind kind = rows.target(*columns[i]).kind;
    if (kind == ColumnKind::step) continue;
    if (values.size() != group.steps.size()) {
      count_unused(notes, table.columns[i].name);
    } else if (kind == ColumnKind::unix_seconds) {
      group.unix_s = std::move(values);
    } else {
      group.columns.push_back({*columns[i], std::move(values)});
    }
  }
  return group;
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool same_rows(const Group& group, size_t a, size_t b, size_t count) {
  const auto equal = [&](const auto& values, auto same) {
    return std::equal(values.begin() + static_cast<std::ptrdiff_t>(a),
                      values.begin() + static_cast<std::ptrdiff_t>(a + count),
                      values.begin() + static_cast<std::ptrdiff_t>(b), same);
  };
  return equal(group.steps, std::equal_to<>()) &&
         std::all_of(group.columns.begin(), group.columns.end(),
                     [&](const Group::Column& column) { return equal(column.values, same_bits); });
}

void erase_rows(Group& group, size_t from) {
  const auto cut = [&](auto& values) {
    if (values.size() > from) values.resize(from);
  };
  cut(group.steps);
  cut(group.unix_s);
  for (Group::Column& column : group.columns) cut(column.values);
}

// Where the steps go back; without passes that repeat the one before them.
void find_passes(Group& group) {
  std::vector<size_t> begins{0};
  for (size_t i = 1; i < group.steps.size(); ++i)
    if (group.steps[i] < group.steps[i - 1]) begins.push_back(i);
  begins.push_back(group.steps.size());
  std::vector<std::pair<size_t, size_t>> kept;  // begin and size
  size_t to = 0;
  for (size_t p = 0; p + 1 < begins.size(); ++p) {
    const size_t from = begins[p];
    const size_t count = begins[p + 1] - from;
    if (!kept.empty() && kept.back().second == count &&
        same_rows(group, kept.back().first, from, count))
      continue;
    for (size_t i = 0; i < count && to != from; ++i) {
      group.steps[to + i] = group.steps[from + i];
      if (!group.unix_s.empty()) group.unix_s[to + i] = group.unix_s[from + i];
      for (Group::Column& column : group.columns) column.values[to + i] = column.values[from + i];
    }
    kept.emplace_back(to, count);
    to += count;
  }
  erase_rows(group, to);
  for (const auto& [begin, count] : kept) group.pass_begins.push_back(begin);
}

// The passes of the run are those of the group that has the most of them, the longest of equals.
void align(std::vector<Group>& groups) {
  const auto main =
      std::max_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
        return std::pair(a.pass_begins.size(), a.steps.size()) <
               std::pair(b.pass_begins.size(), b.steps.size());
      });
  std::vector<int64_t> ends;  // last step of each pass
  for (size_t p = 1; p < main->pass_begins.size(); ++p)
    ends.push_back(main->steps[main->pass_begins[p] - 1]);
  for (Group& group : groups) {
    size_t pass = 0;
    size_t own = 0;
    for (size_t i = 0; i < group.steps.size(); ++i) {
      if (own + 1 < group.pass_begins.size() && i == group.pass_begins[own + 1]) ++own;
      pass = std::max(pass, own);
      while (&group != &*main && pass < ends.size() && group.steps[i] > ends[pass]) ++pass;
      group.pass_of.push_back(pass);
    }
  }
}

void add_row(const Group& group, size_t row, Rows& rows) {
  const int64_t time_us =
      group.unix_s.empty() ? 0 : time_us_of_number(group.unix_s[row]).value_or(0);
  for (const Group::Column& column : group.columns)
    if (!is_missing(column.values[row]))
      rows.add(group.steps[row], time_us, column.column, column.values[row]);
}

}  // namespace

void add_history_tables(std::vector<HistoryTable> tables, Rows& rows, ForeignNotes& notes) {
  std::vector<Group> groups;
  for (HistoryTable& table : tables) {
    std::optional<Group> group = group_of(table, rows, notes);
    if (!group || group->columns.empty()) continue;
    find_passes(*group);
    groups.push_back(std::move(*group));
  }
  if (groups.empty()) return rows.finish();
  align(groups);
  std::vector<size_t> next(groups.size());
  for (size_t pass = 0;;) {
    // The group whose row comes next: the earliest pass, in it the lowest step.
    std::optional<size_t> first;
    const auto place = [&](size_t g) {
      return std::pair(groups[g].pass_of[next[g]], groups[g].steps[next[g]]);
    };
    for (size_t g = 0; g < groups.size(); ++g)
      if (next[g] < groups[g].steps.size() && (!first || place(g) < place(*first))) first = g;
    if (!first) break;
    if (place(*first).first != pass) {
      pass = place(*first).first;
      rows.restart();
    }
    add_row(groups[*first], next[*first]++, rows);
    ++notes.records;
  }
  rows.finish();
}

}  // namespace ballast
