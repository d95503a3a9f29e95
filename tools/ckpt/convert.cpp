#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/checkpoint/tensor_file.h"
#include "libcore/cli/message.h"
#include "libcore/io/temporary_paths.h"
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

// A folder beside the target that appears under its name or goes, also when a signal ends us.
class TemporaryFolder {
 public:
  TemporaryFolder(FileSystem& fs, std::string target) : fs_(fs), target_(std::move(target)) {
    std::random_device random;
    path_ = fmt::format("{}.tmp-{}-{:08x}", target_, ::getpid(), random());
    remember_temporary(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    if (!published_) (void)fs_.remove_all(path_);
    forget_temporary(path_);
  }

  const std::string& path() const { return path_; }
  Result<void> make() { return fs_.make_directories(path_); }

  Result<void> publish() {
    if (fs_.exists(target_)) return replace();
    BALLAST_TRY(fs_.rename_exclusive(path_, target_));
    published_ = true;
    return fs_.sync_directory(parent_directory(target_));
  }

 private:
  // A signal between the two renames takes neither model away; one behind them what is left of the
  // old one.
  Result<void> replace() {
    const std::string old = path_ + "-old";
    BALLAST_TRY(fs_.rename_exclusive(target_, old));
    forget_temporary(path_);
    if (auto moved = fs_.rename_exclusive(path_, target_); !moved.ok()) {
      (void)fs_.rename_exclusive(old, target_);
      return moved;
    }
    published_ = true;
    remember_temporary(old);
    auto removed = fs_.sync_directory(parent_directory(target_));
    if (removed.ok()) removed = fs_.remove_all(old);
    forget_temporary(old);
    return removed;
  }

  FileSystem& fs_;
  std::string target_, path_;
  bool published_ = false;
};

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
  TemporaryFolder folder(fs, target);
  BALLAST_TRY(folder.make());
  const HuggingFaceOptions settings{options.dtype == "bf16" ? "BF16" : "F32", options.shard_bytes};
  BALLAST_TRY(write_hugging_face(fs, folder.path(), loaded.config, model, tokenizer, settings));
  if (options.check) {
    const std::string verdict =
        BALLAST_TRY(check_folder(fs, folder.path(), original, common.threads));
    if (!verdict.empty()) {
      print_note(verdict);
      return static_cast<int>(kExitNo);
    }
  }
  BALLAST_TRY(folder.publish());
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
