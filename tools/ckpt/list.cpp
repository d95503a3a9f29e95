#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/cli/terminal.h"
#include "libcore/trace/record.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

std::string time_of(const CheckpointEntry& entry) {
  const Json& run = entry.manifest.run;
  return run.contains("time") && run.at("time").is_string() ? run.at("time").get<std::string>()
                                                            : "";
}

std::string age_of(const CheckpointEntry& entry) {
  const auto written = parse_time_us(time_of(entry));
  if (!written.ok()) return "-";
  return format_seconds(
      static_cast<double>(std::max<int64_t>(0, wall_clock_us() - *written) / 1'000'000));
}

void print_json(const CheckpointEntry& entry) {
  Json json;
  json["v"] = 1;
  json["step"] = entry.step;
  json["path"] = entry.path;
  json["complete"] = entry.complete;
  if (entry.complete) {
    json["tokens"] = entry.manifest.tokens;
    json["samples"] = entry.manifest.samples;
    json["segment"] = entry.manifest.segment;
    json["bytes"] = entry.manifest.bytes();
    json["time"] = time_of(entry);
  } else {
    json["why"] = entry.why;
  }
  json["pins"] = entry.pins;
  print_out(to_json_line(json) + "\n");
}

void print_row(const CheckpointEntry& entry) {
  const std::string pins = entry.pins.empty() ? "-" : fmt::format("{}", fmt::join(entry.pins, ","));
  if (!entry.complete) {
    print_out(fmt::format("{:>9} {:>8} {:>10} {:>7} {:>7} {:<12} incomplete: {}\n", entry.step, "-",
                          "-", "-", "-", pins, entry.why));
    return;
  }
  const Manifest& manifest = entry.manifest;
  print_out(fmt::format("{:>9} {:>8} {:>10} {:>7} {:>7} {:<12} complete\n", entry.step,
                        format_count(manifest.tokens), format_bytes(manifest.bytes()),
                        age_of(entry), manifest.segment, pins));
}

Result<int> list(const std::string& run, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  if (!fs.exists(run)) return io_error("no such run", run);
  if (!fs.exists(join_path(run, "trace.jsonl")) && !fs.exists(checkpoint_directory(run)))
    return io_error("not a run: it has neither trace.jsonl nor ckpt", run);
  const std::vector<CheckpointEntry> entries = BALLAST_TRY(list_checkpoints(fs, run));
  if (!common.json && is_terminal(Stream::out)) {
    const Style& look = style(Stream::out);
    print_out(fmt::format("{}{:>9} {:>8} {:>10} {:>7} {:>7} {:<12} state{}\n", look.bold, "step",
                          "tokens", "size", "age", "segment", "pins", look.reset));
  }
  for (const CheckpointEntry& entry : entries) {
    if (common.json) {
      print_json(entry);
    } else {
      print_row(entry);
    }
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_list(CLI::App& app, const CommonOptions& common) {
  auto run = std::make_shared<std::string>();
  path_option(app.add_option("run", *run, "run directory")->required());
  return [run, &common] { return list(*run, common); };
}

}  // namespace ballast
