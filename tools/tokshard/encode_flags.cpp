#include "tools/tokshard/encode_flags.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "tools/tokshard/run_record.h"

namespace ballast {
namespace {

Result<std::optional<int32_t>> border_token(const Tokenizer& tokenizer, const std::string& word,
                                            const std::optional<int32_t>& usual,
                                            const std::string& flag) {
  if (word == "none") return std::optional<int32_t>();
  if (word == "auto") {
    if (usual) return usual;
    return usage_error("tokenizer does not say its token", flag, "name it, or give 'none'");
  }
  const auto id = tokenizer.id_of(word);
  if (!id) return usage_error("token '" + word + "' is not in the tokenizer", flag);
  return id;
}

}  // namespace

Result<double> parse_holdout(const EncodeFlags& flags) {
  std::string text = flags.holdout;
  const bool percent = text.ends_with('%');
  if (percent) text.pop_back();
  const auto number = parse_double(text);
  const double value = number.ok() ? *number / (percent ? 100 : 1) : -1;
  if (value < 0 || value >= 1)
    return usage_error("bad fraction '" + text + "'", "--holdout", "like 1% or 0.01, below 1");
  return value;
}

Result<OpenedEncoding> open_encoding(const EncodeFlags& flags, const CommonOptions& common) {
  OpenedEncoding opened;
  const std::string file = BALLAST_TRY(read_file(posix_file_system(), flags.tokenizer));
  opened.tokenizer =
      std::make_unique<Tokenizer>(BALLAST_TRY(Tokenizer::parse(file, flags.tokenizer)));
  const Tokenizer& tokenizer = *opened.tokenizer;
  if (!tokenizer.warning().empty()) print_warning(tokenizer.warning());
  ShardManifest& manifest = opened.manifest;
  manifest.holdout = BALLAST_TRY(parse_holdout(flags));
  manifest.tool = fmt::format("tokshard {}", kVersion);
  manifest.tokenizer_sha256 = sha256_hex(file);
  manifest.vocab_size = tokenizer.vocab_size();
  manifest.bos = BALLAST_TRY(border_token(tokenizer, flags.bos, tokenizer.bos(), "--bos"));
  manifest.eos = BALLAST_TRY(border_token(tokenizer, flags.eos, tokenizer.eos(), "--eos"));
  manifest.seed = common.seed;
  manifest.run = run_record(common);
  manifest.run["tokenizer"] = flags.tokenizer;
  opened.rule = {&tokenizer,
                 manifest.bos,
                 manifest.eos,
                 flags.special == "match",
                 static_cast<uint64_t>(common.seed),
                 manifest.holdout};
  return opened;
}

void add_shard_tokens(CLI::App& app, int64_t& shard_tokens) {
  count_option(app, "--shard-tokens", shard_tokens,
               "tokens a shard may have, as in 100M: a set PREFIX-00000, ...; 0 is one shard")
      ->check(CLI::Validator(
          [](std::string& text) {
            return text.starts_with('-') ? std::string("must not be negative") : std::string();
          },
          "", "not negative"));
}

std::optional<int64_t> shard_limit(int64_t shard_tokens) {
  return shard_tokens > 0 ? std::optional<int64_t>(shard_tokens) : std::nullopt;
}

void plan_encoding(const EncodeFlags& flags, const ShardManifest& manifest, Json& options) {
  if (const auto limit = shard_limit(flags.shard_tokens)) options["shard_tokens"] = *limit;
  options["order"] = flags.order;
  options["manifest"] = manifest_json(manifest);
  options["manifest"]["run"] = {{"tokenizer", flags.tokenizer}};
}

void add_encode_flags(CLI::App& app, EncodeFlags& flags) {
  path_option(app.add_option("--tokenizer", flags.tokenizer,
                             "tokenizer.json, tekken.json or tokenizer.model"))
      ->required();
  app.add_option("--holdout", flags.holdout,
                 "share of the documents for PREFIX-holdout, like 1% or 0.01")
      ->capture_default_str();
  app.add_option("--bos", flags.bos, "token before each document: auto, none, or its text")
      ->capture_default_str();
  app.add_option("--eos", flags.eos, "token after each document: auto, none, or its text")
      ->capture_default_str();
  choice_option(
      app.add_option("--special", flags.special, "special tokens spelled out in documents"),
      {"escape", "match"})
      ->capture_default_str();
  choice_option(app.add_option("--order", flags.order,
                               "order of the documents; shuffle goes by id and --seed"),
                {"shuffle", "input"})
      ->capture_default_str();
  add_shard_tokens(app, flags.shard_tokens);
}

}  // namespace ballast
