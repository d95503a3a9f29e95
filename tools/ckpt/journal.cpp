#include <fmt/format.h>

#include "libcore/checkpoint/journal.h"
#include "libcore/cli/message.h"
#include "libcore/io/utf8.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct JournalOptions {
  std::string run;
  std::string event;
  std::string field;
  bool last = false;
};

std::string plain(const Json& value) {
  return printable(value.is_string() ? value.get<std::string>() : to_json_line(value));
}

// "seq time event  key=value ..." without what every line has.
std::string human(const JournalRecord& record) {
  std::string text =
      fmt::format("{:>4} {} {:<9}", record.seq, record.object.at("time").get<std::string>(),
                  printable(record.event));
  for (const auto& [key, value] : record.object.items()) {
    if (key == "v" || key == "seq" || key == "time" || key == "event" || key == "prev" ||
        key == "hash")
      continue;
    text += fmt::format(" {}={}", printable(key), plain(value));
  }
  return text;
}

void print_record(const JournalRecord& record, const JournalOptions& options, bool as_json) {
  if (!options.field.empty()) {
    if (!record.object.contains(options.field)) return;
    const Json& value = record.object.at(options.field);
    print_out((as_json ? to_json_line(value) : plain(value)) + "\n");
  } else {
    print_out((as_json ? to_json_line(record.object) : human(record)) + "\n");
  }
}

Result<int> journal(const JournalOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  if (!fs.exists(options.run)) return io_error("no such run", options.run);
  const JournalContents contents = BALLAST_TRY(read_journal(fs, options.run));
  if (contents.torn_bytes > 0)
    print_warning(
        fmt::format("last line of the journal is torn: {} bytes are ignored", contents.torn_bytes));
  std::vector<const JournalRecord*> shown;
  for (const JournalRecord& record : contents.records) {
    if (options.event.empty() || record.event == options.event) shown.push_back(&record);
  }
  if (options.last && shown.size() > 1) shown = {shown.back()};
  for (const JournalRecord* record : shown) print_record(*record, options, common.json);
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_journal(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<JournalOptions>();
  path_option(app.add_option("run", options->run, "run directory")->required());
  app.add_option("--event", options->event, "only records of this event, such as rollback");
  app.add_flag("--last", options->last, "only the last of them");
  app.add_option("--field", options->field, "print this field of each record that has it");
  return [options, &common] { return journal(*options, common); };
}

}  // namespace ballast
