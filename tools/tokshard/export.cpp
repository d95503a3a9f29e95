// tokshard export: a shard as the token files of other trainers.
#include <fmt/format.h>

#include <memory>

#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/json.h"
#include "libcore/io/output_check.h"
#include "libcore/io/utf8.h"
#include "libcore/shard/format.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/token_file_writer.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct ExportFlags {
  std::string prefix, to, dtype, tokenizer_name;
};

Result<TokenFileTarget> target_of(const ExportFlags& flags, const CommonOptions& common) {
  if (common.output.empty() || common.output == "-" || common.output.ends_with('/'))
    return usage_error("the file to write is missing", "-o");
  TokenFileTarget target;
  target.path = common.output;
  target.format = flags.to == "datatrove" ? TokenFileFormat::datatrove
                  : flags.to == "olmo"    ? TokenFileFormat::olmo
                                          : TokenFileFormat::llmc;
  if (!flags.dtype.empty()) target.width = flags.dtype == "uint16" ? 2 : 4;
  if (!flags.tokenizer_name.empty() && target.format != TokenFileFormat::datatrove)
    return usage_error("is for --to datatrove", "--tokenizer-name");
  if (printable(flags.tokenizer_name) != flags.tokenizer_name)
    return usage_error("name of a tokenizer with control characters", "--tokenizer-name",
                       "'" + printable(flags.tokenizer_name) + "'");
  target.tokenizer_name = flags.tokenizer_name;
  target.force = common.force;
  FileSystem& fs = posix_file_system();
  const std::vector<std::string> inputs = {shard_bin_path(flags.prefix),
                                           shard_idx_path(flags.prefix)};
  for (const std::string& path : token_file_paths(target)) {
    BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
    BALLAST_TRY(check_output(fs, path, common.force));
  }
  return target;
}

Result<int> run_export(const ExportFlags& flags, const CommonOptions& common) {
  const TokenFileTarget target = BALLAST_TRY(target_of(flags, common));
  if (common.dry_run) {
    BALLAST_TRY(ShardReader::open(posix_file_system(), flags.prefix));
    for (const std::string& path : token_file_paths(target))
      print_note(fmt::format("would write {}", path));
    return kExitDone;
  }
  const ExportedTokens made = BALLAST_TRY(export_tokens(posix_file_system(), flags.prefix, target));
  const char* dtype = made.width == 2 ? "uint16" : "uint32";
  print_note(fmt::format("{}: {} documents, {} tokens ({})", target.path, made.documents,
                         made.tokens, dtype));
  if (common.json)
    print_out(to_json_line({{"v", 1},
                            {"prefix", flags.prefix},
                            {"to", flags.to},
                            {"files", made.files},
                            {"documents", made.documents},
                            {"tokens", made.tokens},
                            {"dtype", dtype}}) +
              "\n");
  return kExitDone;
}

}  // namespace

VerbRun add_export(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<ExportFlags>();
  path_option(app.add_option("prefix", flags->prefix, "the shard"))->required();
  choice_option(app.add_option("--to", flags->to, "format"), {"datatrove", "olmo", "llmc"})
      ->required();
  choice_option(app.add_option("--dtype", flags->dtype,
                               "type of the ids; default: uint16 up to a vocabulary of 65536"),
                {"uint16", "uint32"});
  app.add_option("--tokenizer-name", flags->tokenizer_name,
                 "name of the tokenizer for datatrove's metadata");
  return [flags, &common] { return run_export(*flags, common); };
}

}  // namespace ballast
