#include "tools/tokshard/stat_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libcore/base/units.h"
#include "libcore/corpus/ranking.h"
#include "libcore/io/utf8.h"
#include "libcore/text/display_cells.h"

namespace ballast {
namespace {

constexpr size_t kRows = 20;     // then "others"
constexpr size_t kColumns = 80;  // of a terminal
constexpr size_t kShortestName = 12;

// A name of a file or a stranger in at most `width` cells.
std::string fitted(const std::string& text, size_t width) {
  if (display_cells(text) <= width) return text;
  return std::string(fit_cells(text, width - 3)) + "...";
}

// First column to the left and cut to fit, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<size_t> widths(rows_[0].size());
    for (const auto& row : rows_)
      for (size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], display_cells(row[i]));
    size_t numbers = 0;
    for (size_t i = 1; i < widths.size(); ++i) numbers += 2 + widths[i];
    const size_t room = numbers + kShortestName < kColumns ? kColumns - numbers : kShortestName;
    widths[0] = std::min(widths[0], room);
    std::string text;
    for (const auto& row : rows_) {
      const std::string name = fitted(row[0], widths[0]);
      text += name + std::string(widths[0] - display_cells(name), ' ');
      for (size_t i = 1; i < row.size(); ++i)
        text += std::string(2 + widths[i] - display_cells(row[i]), ' ') + row[i];
      text += '\n';
    }
    return text + '\n';
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string name_of(const std::string& name) { return name.empty() ? "(none)" : printable(name); }

std::string percent(int64_t part, int64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string number(int64_t count) { return fmt::format("{}", count); }

std::string rate(int64_t tokens, std::optional<int64_t> bytes) {
  const auto value = tokens_per_byte(tokens, bytes);
  return value ? fmt::format("{:.4f}", *value) : "-";
}

std::string others(size_t count) { return fmt::format("others ({})", count); }

// Documents by name; `unlisted` are of names that nobody knows.
std::string documents_table(const char* title, const std::map<std::string, int64_t>& counts,
                            int64_t unlisted) {
  if (counts.empty()) return "";
  const auto rows = ranked(counts, [](int64_t count) { return count; });
  int64_t all = unlisted, rest = unlisted;
  for (const auto& [name, count] : counts) all += count;
  Table table({title, "documents", "share"});
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& [name, count] = *rows[i];
    if (i < kRows) table.add({name_of(name), number(count), percent(count, all)});
    if (i >= kRows) rest += count;
  }
  if (rows.size() > kRows || rest > 0) {
    const bool counted = unlisted == 0;
    table.add({counted ? others(rows.size() - kRows) : "others", number(rest), percent(rest, all)});
  }
  return table.text();
}

std::string steps_table(const DroppedStat& stat) {
  Table table({"step", "documents", "kept", "rejected", "share kept", "text kept"});
  for (const auto& [name, step] : stat.steps)
    table.add({name_of(name), number(step.documents), number(step.kept), number(step.rejected),
               percent(step.kept, step.documents), percent(step.text_kept, step.text)});
  return table.text();
}

// `robots`: with the columns about robots.txt, which knows languages, no licences and no sources.
// `unlisted` are those of names that nobody knows.
std::string verdicts_table(const char* title, const std::map<std::string, RuleVerdicts>& rules,
                           const RuleVerdicts& unlisted, bool robots) {
  const bool some_unlisted = unlisted.kept + unlisted.rejected > 0;
  if (rules.empty() && !some_unlisted) return "";
  const auto weight = [](const RuleVerdicts& v) { return std::max(v.kept + v.rejected, v.asked); };
  const auto rows = ranked(rules, weight);
  std::vector<std::string> head = {title, "judged", "rejected"};
  if (robots) head.insert(head.end(), {"asked robots", "blocked"});
  Table table(head);
  RuleVerdicts rest = unlisted;
  const auto add = [&](const std::string& name, const RuleVerdicts& v) {
    const int64_t judged = v.kept + v.rejected;
    std::vector<std::string> row = {name, judged > 0 ? number(judged) : "-",
                                    judged > 0 ? number(v.rejected) : "-"};
    if (robots) row.push_back(v.asked > 0 ? number(v.asked) : "-");
    if (robots) row.push_back(v.asked > 0 ? number(v.blocked) : "-");
    table.add(std::move(row));
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& [name, v] = *rows[i];
    if (i < kRows) {
      add(name_of(name), v);
      continue;
    }
    rest.add(v);
  }
  if (some_unlisted) {
    add("others", rest);
  } else if (rows.size() > kRows) {
    add(others(rows.size() - kRows), rest);
  }
  return table.text();
}

std::string counts_table(const char* title, const ShardCounts& counts, const ShardStat& stat) {
  const auto rows = ranked(counts, [](const ShardCount& count) { return count.tokens; });
  Table table({title, "documents", "tokens", "share", "tokens/byte"});
  const auto add = [&](const std::string& name, const ShardCount& count) {
    table.add({name, number(count.documents), number(count.tokens),
               percent(count.tokens, stat.tokens), rate(count.tokens, count.bytes)});
  };
  ShardCount rest;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& [name, count] = *rows[i];
    if (i < kRows) {
      add(name_of(name), count);
      continue;
    }
    rest.documents += count.documents;
    rest.tokens += count.tokens;
    if (!count.bytes) rest.bytes.reset();
    if (rest.bytes) *rest.bytes += *count.bytes;
  }
  if (rows.size() > kRows) add(others(rows.size() - kRows), rest);
  if (stat.redacted_documents > 0)
    add("redacted", {stat.redacted_documents, stat.redacted_tokens, std::nullopt});
  table.add({"all", number(stat.documents), number(stat.tokens), percent(stat.tokens, stat.tokens),
             rate(stat.tokens - stat.redacted_tokens, stat.bytes)});
  return table.text();
}

std::string lengths_table(const LengthHistogram& lengths) {
  Table table({"tokens of a document", "documents", "share"});
  for (size_t k = 0; k + 1 < lengths.buckets.size(); ++k) {
    if (lengths.buckets[k] == 0) continue;
    const int64_t low = k == 0 ? 0 : int64_t{1} << (k - 1);
    table.add({fmt::format("{} to {}", low, (int64_t{1} << k) - 1), number(lengths.buckets[k]),
               percent(lengths.buckets[k], lengths.documents)});
  }
  return table.text() + fmt::format("lengths: {} shortest, {:.1f} mean, {} longest\n\n",
                                    lengths.shortest, lengths.mean(), lengths.longest);
}

}  // namespace

std::string dropped_tables(const DroppedStat& stat) {
  int64_t unlisted = stat.blocked;
  for (const auto& [host, count] : stat.hosts) unlisted -= count;
  return steps_table(stat) + documents_table("rejected by", stat.reasons, 0) +
         verdicts_table("language", stat.languages, stat.other_languages, true) +
         verdicts_table("licence", stat.licenses, stat.other_licenses, false) +
         verdicts_table("source", stat.sources, stat.other_sources, false) +
         documents_table("host closed by robots.txt", stat.hosts, unlisted);
}

std::string shards_tables(const ShardStat& stat) {
  return fmt::format("{} {}, {} documents, {} tokens, {} of text\n\n", stat.shards,
                     stat.shards == 1 ? "shard" : "shards", stat.documents, stat.tokens,
                     stat.bytes ? format_bytes(*stat.bytes) : std::string("unknown size")) +
         counts_table("language", stat.languages, stat) +
         counts_table("licence", stat.licenses, stat) + counts_table("source", stat.sources, stat) +
         documents_table("host", stat.hosts, 0) + lengths_table(stat.lengths);
}

}  // namespace ballast
