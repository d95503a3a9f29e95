// tokshard stat: what the steps of a cleaning run kept and dropped, and what shards are made of.
#include <fmt/format.h>

#include <memory>

#include "libcore/corpus/dropped_stat.h"
#include "libcore/corpus/shard_stat.h"
#include "libcore/io/stream.h"
#include "libcore/shard/shard_set.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/stat_picture.h"
#include "tools/tokshard/stat_record.h"
#include "tools/tokshard/stat_tables.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kLongestRecord = int64_t{64} << 20;  // bytes

struct Totals {
  int64_t summaries = 0;
  DroppedStat dropped;
  ShardStat shards;
};

// A file that is none of a shard's holds records.
Result<bool> holds_records(FileSystem& fs, const std::string& word) {
  if (word == "-") return true;
  if (fs.exists(shard_idx_path(word)) || !fs.exists(word)) return false;
  for (const std::string& ending : {shard_idx_path(""), shard_bin_path("")})
    if (word.ends_with(ending)) return false;
  return !BALLAST_TRY(fs.info(word)).is_directory;
}

Result<DroppedStat> read_records(FileSystem& fs, const std::string& path, Totals& totals) {
  const auto source = BALLAST_TRY(open_source(fs, path));
  LineReader lines(*source, kLongestRecord);
  DroppedStat sum;
  int64_t records = 0;
  while (const auto line = BALLAST_TRY(lines.next())) {
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path, lines.line_number());
    const Json record = BALLAST_TRY(parse_json(*line, where));
    sum.add(BALLAST_TRY(parse_summary(record, where)));
    ++records;
    if (++totals.summaries > kMostSummaries)
      return usage_error("too many summaries to add up", where,
                         fmt::format("at most {}", kMostSummaries));
  }
  if (records == 0) return corrupt_error("no summary record in this file", path);
  return sum;
}

Json input_record(const char* type, const std::string& input, Json stat) {
  Json record = {{"v", 1}, {"type", type}, {"input", input}};
  record.update(stat);
  return record;
}

Result<void> read_input(FileSystem& fs, const std::string& input, bool json, Totals& totals) {
  if (BALLAST_TRY(holds_records(fs, input))) {
    const DroppedStat stat = BALLAST_TRY(read_records(fs, input, totals));
    if (json) print_out(to_json_line(input_record("dropped", input, dropped_record(stat))) + "\n");
    totals.dropped.add(stat);
    return {};
  }
  if (!fs.exists(shard_idx_path(input)))
    return io_error("no summary, shard, set or folder of this name", input);
  const ShardStat stat = BALLAST_TRY(read_shard_stat(fs, input));
  if (json) print_out(to_json_line(input_record("shard", input, shards_record(stat))) + "\n");
  totals.shards.add(stat);
  return {};
}

// Shards for the words that name sets and folders; files of records as they are.
Result<std::vector<std::string>> inputs_of(FileSystem& fs, const std::vector<std::string>& words) {
  std::vector<std::string> inputs;
  for (const std::string& word : words) {
    if (BALLAST_TRY(holds_records(fs, word))) {
      inputs.push_back(word);
      continue;
    }
    for (std::string& prefix : BALLAST_TRY(shard_prefixes(fs, word)))
      inputs.push_back(std::move(prefix));
  }
  BALLAST_TRY(refuse_repeated_inputs(inputs));
  return inputs;
}

Json total_record(const Totals& totals) {
  Json record = {{"v", 1}, {"type", "total"}};
  if (totals.summaries > 0) record["dropped"] = dropped_record(totals.dropped);
  if (totals.shards.shards > 0) record["shards"] = shards_record(totals.shards);
  return record;
}

std::string total_text(const Totals& totals) {
  std::string text;
  if (totals.summaries > 0) text += dropped_tables(totals.dropped);
  if (totals.shards.shards > 0) text += shards_tables(totals.shards);
  text.pop_back();  // the line between two tables
  return text;
}

// A name that says another format than what is written is refused.
Result<void> check_name(const std::string& output, bool json) {
  std::string_view name = std::string_view(output).substr(output.rfind('/') + 1);
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  const size_t dot = name.rfind('.');
  if (dot == name.npos || dot == 0) return {};
  const std::string_view ending = name.substr(dot);
  if (json ? ending == ".json" || ending == ".jsonl" : ending == ".txt") return {};
  return usage_error(
      "the name says another format than what is written", output,
      json ? "with --json .json or .jsonl" : ".txt, .svg or .png, or with --json .json or .jsonl");
}

Result<int> run_stat(const std::vector<std::string>& words, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const bool svg = common.output.ends_with(".svg"),
             picture = svg || common.output.ends_with(".png");
  if (picture && common.json)
    return usage_error("a picture has no JSON form", "--json", "name another file with -o");
  if (!picture) BALLAST_TRY(check_name(common.output, common.json));
  const auto inputs = BALLAST_TRY(inputs_of(fs, words));
  Totals totals;
  for (const std::string& input : inputs) BALLAST_TRY(read_input(fs, input, common.json, totals));
  if (!picture) {
    print_out(common.json ? to_json_line(total_record(totals)) + "\n" : total_text(totals));
    return kExitDone;
  }
  const std::string script = stat_script(totals.dropped, totals.shards, svg);
  if (script.empty()) return insufficient_error("nothing to draw", inputs.front());
  print_out(BALLAST_TRY(run_gnuplot(script)));
  return kExitDone;
}

}  // namespace

VerbRun add_stat(CLI::App& app, const CommonOptions& common) {
  auto words = std::make_shared<std::vector<std::string>>();
  path_option(app.add_option("input", *words,
                             "summaries of filter, build, merge, dedup, decontaminate and mix; "
                             "shards, sets or folders of shards"))
      ->required();
  return [words, &common] { return run_stat(*words, common); };
}

}  // namespace ballast
