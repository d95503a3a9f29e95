// tokshard adopt: sidecar and manifest for shards of other origin, and shards from the token files
// of other trainers.
#include "libcore/shard/adopt.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/base/sha256.h"
#include "libcore/base/units.h"
#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/atomic_file.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/set_builder.h"
#include "libcore/text/tokenizer.h"
#include "tools/tokshard/document_lines.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/shard_output.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct AdoptFlags {
  std::string input, from = "auto", tokenizer, documents, dtype;
  std::string bos = "auto", eos = "auto";
  int64_t vocab_size = 0;
};

enum class Origin { megatron, datatrove, olmo, llmc };

Result<Origin> origin_of(FileSystem& fs, const AdoptFlags& flags) {
  if (flags.from == "megatron") return Origin::megatron;
  if (flags.from == "datatrove") return Origin::datatrove;
  if (flags.from == "olmo") return Origin::olmo;
  if (flags.from == "llmc") return Origin::llmc;
  if (fs.exists(shard_idx_path(flags.input))) return Origin::megatron;
  if (flags.input.ends_with(".ds")) return Origin::datatrove;
  if (flags.input.ends_with(".npy")) return Origin::olmo;
  if (flags.input.ends_with(".bin") && fs.exists(flags.input)) return Origin::llmc;
  if (!fs.exists(flags.input) && !fs.exists(shard_bin_path(flags.input)))
    return io_error("no file and no shard of this name", flags.input);
  return usage_error("not known what this is", flags.input,
                     "say --from megatron, datatrove, olmo or llmc");
}

// "auto" takes what the tokenizer says, if there is one.
Result<std::optional<int32_t>> border_id(const std::string& word, const char* flag,
                                         const std::optional<int32_t>& usual) {
  if (word == "auto") return usual;
  if (word == "none") return std::optional<int32_t>();
  const auto id = parse_count(word);
  if (!id.ok() || *id < 0 || *id > INT32_MAX)
    return usage_error("not an id: '" + word + "'", flag, "auto, none, or 0 to 2147483647");
  return std::optional<int32_t>(static_cast<int32_t>(*id));
}

// What is to be known of tokens that say nothing of themselves.
struct Meaning {
  std::optional<Tokenizer> tokenizer;
  ShardManifest manifest;
};

Result<Meaning> meaning_of(const AdoptFlags& flags, const CommonOptions& common) {
  Meaning meaning;
  ShardManifest& manifest = meaning.manifest;
  manifest.tool = fmt::format("tokshard {}", kVersion);
  manifest.part = "all";
  manifest.run = run_record(common);
  manifest.vocab_size = flags.vocab_size;
  if (!flags.tokenizer.empty()) {
    FileSystem& fs = posix_file_system();
    meaning.tokenizer = BALLAST_TRY(Tokenizer::load(fs, flags.tokenizer));
    const std::string text = BALLAST_TRY(read_file(fs, flags.tokenizer));
    manifest.tokenizer_sha256 = sha256_hex(text);
    manifest.run["tokenizer"] = flags.tokenizer;
    if (flags.vocab_size == 0) manifest.vocab_size = meaning.tokenizer->vocab_size();
  }
  const auto& tokenizer = meaning.tokenizer;
  manifest.bos = BALLAST_TRY(
      border_id(flags.bos, "--bos", tokenizer ? tokenizer->bos() : std::optional<int32_t>()));
  manifest.eos = BALLAST_TRY(
      border_id(flags.eos, "--eos", tokenizer ? tokenizer->eos() : std::optional<int32_t>()));
  const std::string sizes = fmt::format("1 to {}", kMaxShardVocab);
  if (manifest.vocab_size == 0)
    return usage_error("the size of the vocabulary is not known", "",
                       "give --tokenizer or --vocab-size, " + sizes);
  if (manifest.vocab_size < 0 || manifest.vocab_size > kMaxShardVocab)
    return usage_error(fmt::format("a vocabulary of {}", manifest.vocab_size), "--vocab-size",
                       sizes);
  for (const auto& id : {manifest.bos, manifest.eos})
    if (id && *id >= manifest.vocab_size)
      return usage_error(fmt::format("token {} around documents is outside the vocabulary", *id),
                         "", fmt::format("vocabulary of {}", manifest.vocab_size));
  return meaning;
}

// Says of each document what a line of --documents and the tokenizer tell.
class Describer {
 public:
  Describer(const AdoptFlags& flags, const Meaning& meaning, std::string name, int64_t documents)
      : meaning_(meaning), name_(std::move(name)), documents_(documents) {
    if (!flags.documents.empty()) lines_.emplace(flags.documents);
  }

  Result<void> describe(ShardDocument& document, std::span<const int32_t> ids) {
    BALLAST_TRY(check_borders(ids));
    std::optional<std::string> text;
    if (lines_) text = BALLAST_TRY(lines_->next(document));
    if (meaning_.tokenizer) BALLAST_TRY(take_text(document, ids, text));
    if (!meaning_.tokenizer && text) {
      document.sha256 = sha256_hex(*text);
      document.bytes = std::ssize(*text);
    }
    if (document.id.empty()) document.id = fmt::format("{}:{}", name_, number_);
    ++number_;
    return {};
  }

 private:
  // The manifest will say so of every document. The last one may be cut.
  Result<void> check_borders(std::span<const int32_t> ids) const {
    const ShardManifest& manifest = meaning_.manifest;
    if (ids.empty()) return {};
    if (manifest.bos && ids.front() != *manifest.bos)
      return usage_error(
          fmt::format("document {} does not begin with token {}", number_, *manifest.bos), name_,
          "say --bos none or the right one");
    if (manifest.eos && ids.back() != *manifest.eos && number_ + 1 < documents_)
      return usage_error(
          fmt::format("document {} does not end with token {}", number_, *manifest.eos), name_,
          "say --eos none or the right one");
    return {};
  }

  Result<void> take_text(ShardDocument& document, std::span<const int32_t> ids,
                         const std::optional<std::string>& said) {
    const ShardManifest& manifest = meaning_.manifest;
    if (manifest.bos && !ids.empty() && ids.front() == *manifest.bos) ids = ids.subspan(1);
    if (manifest.eos && !ids.empty() && ids.back() == *manifest.eos)
      ids = ids.first(ids.size() - 1);
    const std::string text = BALLAST_TRY(meaning_.tokenizer->decode(ids, false));
    if (said && *said != text)
      return corrupt_error(fmt::format("the text is not that of document {}", number_),
                           lines_->where());
    document.sha256 = sha256_hex(text);
    document.bytes = std::ssize(text);
    return {};
  }

  const Meaning& meaning_;
  std::string name_;
  int64_t documents_;
  std::optional<DocumentLines> lines_;
  int64_t number_ = 0;
};

Result<std::optional<int64_t>> width_of(const AdoptFlags& flags) {
  if (flags.dtype.empty()) return std::optional<int64_t>();
  return std::optional<int64_t>(flags.dtype == "uint16" ? 2 : 4);
}

// What is read beside the tokens. It is not replaced, with -f either.
std::vector<std::string> side_inputs(const AdoptFlags& flags) {
  std::vector<std::string> inputs;
  for (const std::string& path : {flags.documents, flags.tokenizer})
    if (!path.empty()) inputs.push_back(path);
  return inputs;
}

// What a manifest of ours alone knows: where nothing may be learnt, and what is held out.
Result<void> refuse_loss_of_record(FileSystem& fs, const std::string& prefix) {
  const std::string path = shard_manifest_path(prefix);
  if (!fs.exists(path)) return {};
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  const char* key = manifest.redaction            ? "redaction"
                    : !manifest.made_from.empty() ? "made_from"
                    : manifest.part != "all"      ? "part"
                                                  : nullptr;
  if (key == nullptr) return {};
  return usage_error(fmt::format("the manifest says what adopting would lose ('{}')", key), path);
}

// None in a dry run.
Result<std::optional<ShardManifest>> adopt_in_place(const AdoptFlags& flags,
                                                    const CommonOptions& common, Meaning meaning) {
  if (!common.output.empty())
    return usage_error("a Megatron shard is adopted where it is", "-o", "leave it out");
  if (!flags.dtype.empty())
    return usage_error("the index of a Megatron shard says its type", "--dtype", "leave it out");
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(check_shard_name(flags.input));
  for (const std::string& path : {shard_docs_path(flags.input), shard_manifest_path(flags.input)})
    if (!common.force && fs.exists(path))
      return usage_error("output exists", path, "-f replaces it");
  for (const std::string& path : shard_paths(flags.input))
    BALLAST_TRY(refuse_output_over_input(fs, path, side_inputs(flags)));
  BALLAST_TRY(refuse_loss_of_record(fs, flags.input));
  const ShardReader reader = BALLAST_TRY(ShardReader::open(fs, flags.input));
  if (!flags.documents.empty()) BALLAST_TRY(check_line_count(flags.documents, reader.documents()));
  if (common.dry_run) return std::optional<ShardManifest>();
  Describer describer(flags, meaning, file_name(flags.input), reader.documents());
  const auto describe = [&](ShardDocument& document, std::span<const int32_t> ids) {
    return describer.describe(document, ids);
  };
  return std::optional<ShardManifest>(
      BALLAST_TRY(adopt_shard(fs, flags.input, meaning.manifest, describe, common.force)));
}

Result<std::optional<ShardManifest>> adopt_file(const AdoptFlags& flags,
                                                const CommonOptions& common, Origin origin,
                                                Meaning meaning) {
  FileSystem& fs = posix_file_system();
  const TokenFileFormat format = origin == Origin::datatrove ? TokenFileFormat::datatrove
                                 : origin == Origin::olmo    ? TokenFileFormat::olmo
                                                             : TokenFileFormat::llmc;
  if (format == TokenFileFormat::llmc && !flags.dtype.empty())
    return usage_error("the header of llm.c says the type", "--dtype", "leave it out");
  const TokenFileOptions options{BALLAST_TRY(width_of(flags)), meaning.manifest.bos,
                                 meaning.manifest.eos};
  const TokenFile file = BALLAST_TRY(TokenFile::open(fs, flags.input, format, options));
  std::vector<std::string> inputs = side_inputs(flags);
  for (const std::string& path : file.files()) inputs.push_back(path);
  BALLAST_TRY(refuse_existing_set(fs, common.output, std::nullopt, common.force, inputs));
  if (!flags.documents.empty()) BALLAST_TRY(check_line_count(flags.documents, file.documents()));
  if (common.dry_run) return std::optional<ShardManifest>();
  if (!file.tokenizer_name().empty())
    meaning.manifest.run["tokenizer_name"] = file.tokenizer_name();
  Describer describer(flags, meaning, file_name(flags.input), file.documents());
  const auto describe = [&](ShardDocument& document, std::span<const int32_t> ids) {
    return describer.describe(document, ids);
  };
  return std::optional<ShardManifest>(BALLAST_TRY(
      convert_tokens(fs, file, common.output, meaning.manifest, describe, common.force)));
}

Result<int> run_adopt(const AdoptFlags& flags, const CommonOptions& common) {
  const Origin origin = BALLAST_TRY(origin_of(posix_file_system(), flags));
  Meaning meaning = BALLAST_TRY(meaning_of(flags, common));
  const bool in_place = origin == Origin::megatron;
  const std::string target = in_place ? flags.input : common.output;
  if (!in_place) {
    BALLAST_TRY(check_shard_prefix(common));
    BALLAST_TRY(refuse_existing_set(posix_file_system(), target, std::nullopt, common.force,
                                    side_inputs(flags)));
  }
  const int64_t vocab_size = meaning.manifest.vocab_size;
  const auto made = in_place ? BALLAST_TRY(adopt_in_place(flags, common, std::move(meaning)))
                             : BALLAST_TRY(adopt_file(flags, common, origin, std::move(meaning)));
  if (made)
    report_shard(common, target, *made);
  else
    print_note(fmt::format("would adopt {} with a vocabulary of {} as {}", flags.input, vocab_size,
                           target));
  return kExitDone;
}

}  // namespace

VerbRun add_adopt(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<AdoptFlags>();
  path_option(app.add_option("input", flags->input,
                             "PREFIX of a Megatron shard, or a file: .ds, .npy, .bin of llm.c"))
      ->required();
  choice_option(app.add_option("--from", flags->from, "what it is"),
                {"auto", "megatron", "datatrove", "olmo", "llmc"})
      ->capture_default_str();
  path_option(
      app.add_option("--tokenizer", flags->tokenizer,
                     "tokenizer of the tokens: vocabulary, border tokens, hashes of texts"));
  path_option(app.add_option("--documents", flags->documents,
                             "JSON Lines of the documents, in the order of the tokens"));
  count_option(app, "--vocab-size", flags->vocab_size, "every id is below it");
  app.add_option("--bos", flags->bos, "id before each document: auto (the tokenizer's), none, N")
      ->capture_default_str();
  app.add_option("--eos", flags->eos, "id after each document: auto (the tokenizer's), none, N")
      ->capture_default_str();
  choice_option(
      app.add_option("--dtype", flags->dtype, "type of the ids where no file says it (uint16)"),
      {"uint16", "uint32"});
  return [flags, &common] { return run_adopt(*flags, common); };
}

}  // namespace ballast
