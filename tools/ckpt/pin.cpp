#include <fmt/format.h>

#include <algorithm>

#include "libcore/checkpoint/address.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct PinOptions {
  std::string address;
  std::string name;
  std::string remove;
};

Result<int> list_pins(FileSystem& fs, const std::string& run, const CommonOptions& common) {
  for (const Pin& pin : BALLAST_TRY(read_pins(fs, run))) {
    if (common.json) {
      print_out(to_json_line({{"v", 1}, {"name", pin.name}, {"directory", pin.directory}}) + "\n");
    } else {
      print_out(fmt::format("{:<24} {}\n", pin.name, pin.directory));
    }
  }
  return static_cast<int>(kExitDone);
}

Result<int> unpin(FileSystem& fs, const PinOptions& options, const CommonOptions& common) {
  if (!options.name.empty()) return usage_error("a name to add and one to remove", "--remove");
  const auto pins = BALLAST_TRY(read_pins(fs, options.address));
  if (std::ranges::find(pins, options.remove, &Pin::name) == pins.end())
    return io_error("no pin '" + options.remove + "'", options.address);
  if (!common.dry_run) BALLAST_TRY(remove_pin(fs, options.address, options.remove));
  return static_cast<int>(kExitDone);
}

Result<int> pin(const PinOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  if (!options.remove.empty()) return unpin(fs, options, common);
  if (options.name.empty()) return list_pins(fs, options.address, common);
  if (!is_pin_name(options.name))
    return usage_error("malformed pin name '" + options.name + "'", "",
                       "letters, digits, '.', '_', '-'; at most 100");
  const CheckpointRef ref = BALLAST_TRY(resolve_checkpoint(fs, options.address));
  if (ref.run.empty()) return usage_error("not a checkpoint of a run", options.address);
  for (const Pin& other : BALLAST_TRY(read_pins(fs, ref.run))) {
    if (other.name == options.name && !common.force)
      return usage_error("pin '" + options.name + "' exists", other.directory, "-f moves it");
  }
  const Pin made{options.name, "ckpt/" + file_name(ref.path)};
  if (!fs.exists(join_path(ref.run, made.directory)))
    return usage_error("not a checkpoint of the run", options.address);
  if (!common.dry_run) BALLAST_TRY(write_pin(fs, ref.run, made));
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_pin(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<PinOptions>();
  path_option(app.add_option("address", options->address,
                             "checkpoint to pin; a run, to list its pins or with --remove")
                  ->required());
  app.add_option("name", options->name, "name of the pin");
  app.add_option("--remove", options->remove, "remove this pin of the run");
  return [options, &common] { return pin(*options, common); };
}

}  // namespace ballast
