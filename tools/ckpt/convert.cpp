#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/retention.h"
#include "libcore/checkpoint/store.h"
#include "libcore/checkpoint/tensor_file.h"
#include "libcore/cli/message.h"
#include "tools/ckpt/hugging_face.h"
#include "tools/ckpt/logits_check.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct ConvertOptions {
  std::string address;
  std::string to;
  std::string dtype = "f32";
  std::string weights = "trained";
  int64_t shard_bytes = int64_t{5} << 30;
  bool check = false;
};

// Of a logit: what folding in float and another order of sums may change.
constexpr double kLogitTolerance = 2e-4;

Result<void> check_options(const ConvertOptions& options, const CommonOptions& common,
                           FileSystem& fs) {
  if (options.to != "hf")
    return usage_error("conversion to '" + options.to + "' is not built", "--to", "accepted: hf");
  if (common.output.empty() || common.output == "-")
    return usage_error("a folder to write is missing", "-o");
  if (options.check && options.dtype != "f32")
    return usage_error("--check compares exact weights", "--dtype", "accepted with it: f32");
  if (options.shard_bytes < 1) return usage_error("must be at least 1", "--shard-bytes");
  if (!fs.exists(common.output)) return {};
  const FileInfo info = BALLAST_TRY(fs.info(common.output));
  if (!info.is_directory) return usage_error("output is not a folder", common.output);
  if (!common.force) return usage_error("output exists", common.output, "-f replaces it");
  // -f replaces what an earlier conversion wrote, never a run or somebody's home.
  const auto names = BALLAST_TRY(fs.list(common.output));
  if (!names.empty() && !fs.exists(join_path(common.output, "config.json")))
    return usage_error("output is not a model folder", common.output,
                       "-f replaces only a folder with a config.json");
  if (fs.exists(join_path(common.output, kManifestName)))
    return usage_error("output is a checkpoint", common.output);
  return {};
}

Result<std::string> tokenizer_of(FileSystem& fs, const LoadedCheckpoint& loaded) {
  const FileRecord* record = loaded.manifest.find("tokenizer.json");
  if (record == nullptr) {
    print_warning("checkpoint has no tokenizer.json; the folder has none either");
    return std::string();
  }
  return read_plain_file(fs, loaded.path, *record);
}

Result<void> publish(FileSystem& fs, const std::string& temporary, const std::string& target) {
  if (fs.exists(target)) BALLAST_TRY(discard_directory(fs, target));
  BALLAST_TRY(fs.rename_exclusive(temporary, target));
  return fs.sync_directory(parent_directory(target));
}

// The folder read back says what the checkpoint says, or why not.
Result<std::string> check_folder(FileSystem& fs, const std::string& folder,
                                 const FoldedModel& original, int threads) {
  const FoldedModel written = BALLAST_TRY(read_hugging_face(fs, folder));
  const LogitsDifference d = BALLAST_TRY(compare_logits(original, written, threads));
  print_out(fmt::format("largest difference of a logit {:.3g} of {:.3g}, {} tokens\n", d.largest,
                        d.scale, d.tokens));
  if (d.largest <= kLogitTolerance * std::max(1.0, d.scale)) return std::string();
  return fmt::format("the written model gives other logits: {:.3g} apart", d.largest);
}

Result<int> convert(const ConvertOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(check_options(options, common, fs));
  const CheckpointRef ref = BALLAST_TRY(resolve_checkpoint(fs, options.address));
  const LoadedCheckpoint head = BALLAST_TRY(load_checkpoint_state(fs, ref.path));
  FoldedModel original{head.config, make_param_table(head.config), {}};
  const ParamTable& table = original.table;
  original.master.resize(static_cast<size_t>(table.flat_size));
  if (options.weights != "trained" && !holds_state(head.manifest, options.weights))
    return usage_error("checkpoint holds no such weights", "--weights " + options.weights,
                       ref.path);
  if (common.dry_run) {  // zeros fold as well
    const FoldedModel folded =
        BALLAST_TRY(fold_switches(head.config, table, original.master.data()));
    const HuggingFaceModel model = BALLAST_TRY(map_to_hugging_face(folded));
    print_out(fmt::format("step {} to {}, {} parameters in {} as {}\n", ref.step, common.output,
                          folded.table.parameters, options.dtype,
                          model.config.at("architectures").at(0).get<std::string>()));
    return static_cast<int>(kExitDone);
  }
  MutableFlatState flat;
  (options.weights == "swa"   ? flat.swa
   : options.weights == "ema" ? flat.ema
                              : flat.master) = original.master.data();
  const LoadedCheckpoint loaded = BALLAST_TRY(load_checkpoint(fs, ref.path, table, flat));
  const FoldedModel folded =
      BALLAST_TRY(fold_switches(loaded.config, table, original.master.data()));
  const HuggingFaceModel model = BALLAST_TRY(map_to_hugging_face(folded));
  const std::string tokenizer = BALLAST_TRY(tokenizer_of(fs, loaded));

  std::string target = common.output;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  std::random_device random;
  const std::string temporary = fmt::format("{}.tmp-{}-{:08x}", target, ::getpid(), random());
  BALLAST_TRY(fs.make_directories(temporary));
  const HuggingFaceOptions settings{options.dtype == "bf16" ? "BF16" : "F32", options.shard_bytes};
  auto written = write_hugging_face(fs, temporary, loaded.config, model, tokenizer, settings);
  if (written.ok() && options.check) {
    const auto verdict = check_folder(fs, temporary, original, common.threads);
    if (!verdict.ok() || !verdict->empty()) {
      (void)fs.remove_all(temporary);
      if (!verdict.ok()) return verdict.error();
      print_note(*verdict);
      return static_cast<int>(kExitNo);
    }
  }
  if (written.ok()) written = publish(fs, temporary, target);
  if (!written.ok()) {
    (void)fs.remove_all(temporary);
    return written.take_error();
  }
  print_note(fmt::format("step {} written to {}", ref.step, target));
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_convert(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ConvertOptions>();
  path_option(app.add_option("address", options->address, "RUN, RUN@STEP, RUN@pin:NAME or a path")
                  ->required());
  app.add_option("--to", options->to, "format: hf (a folder for Hugging Face transformers)")
      ->required();
  choice_option(
      app.add_option("--dtype", options->dtype, "type of the weights")->capture_default_str(),
      {"f32", "bf16"});
  app.add_flag("--check", options->check,
               "read the folder back and compare its logits with the checkpoint's");
  choice_option(app.add_option("--weights", options->weights,
                               "the trained weights, or an average that the run kept")
                    ->capture_default_str(),
                {"trained", "swa", "ema"});
  count_option(app, "--shard-bytes", options->shard_bytes,
               "begin another weights file before one passes this");
  return [options, &common] { return convert(*options, common); };
}

}  // namespace ballast
