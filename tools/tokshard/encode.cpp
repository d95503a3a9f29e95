// tokshard encode: documents to shards. Blocks of documents are tokenised in parallel, put into an
// order that depends on their ids and the seed alone, and written with index, sidecar and manifest;
// or in parts, by one process or many.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <mutex>

#include "libcore/base/units.h"
#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/text/tokenizer.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kGrain = 8;

struct EncodeFlags {
  std::vector<std::string> inputs;
  std::string tokenizer, holdout = "0", bos = "auto", eos = "auto";
  std::string special = "escape", order = "shuffle", on_error = "fail";
  PartsFlags parts;
};

// "1%" or "0.01".
Result<double> parse_fraction(std::string text) {
  const bool percent = text.ends_with('%');
  if (percent) text.pop_back();
  const auto number = parse_double(text);
  const double value = number.ok() ? *number / (percent ? 100 : 1) : -1;
  if (value < 0 || value >= 1)
    return usage_error("bad fraction '" + text + "'", "--holdout", "like 1% or 0.01, below 1");
  return value;
}

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

// Encoders are handed out to threads and taken back with their caches.
class EncoderPool {
 public:
  explicit EncoderPool(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::unique_ptr<Encoder> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Encoder>(tokenizer_);
    auto encoder = std::move(idle_.back());
    idle_.pop_back();
    return encoder;
  }
  void give(std::unique_ptr<Encoder> encoder) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(encoder));
  }

 private:
  const Tokenizer& tokenizer_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Encoder>> idle_;
};

class EncodeJob {
 public:
  EncodeJob(const EncodeFlags& flags, const CommonOptions& common, const EncodeRule& rule,
            ShardManifest manifest)
      : flags_(flags),
        common_(common),
        rule_(rule),
        manifest_(std::move(manifest)),
        pool_(common.threads),
        blocks_(flags.inputs, flags.on_error == "skip"),
        documents_(common.output + ".tmp-shuffle", flags.order == "input") {}

  Result<std::vector<ShardManifest>> run() {
    BALLAST_TRY(encode_all());
    if (documents_.count() == 0)
      return insufficient_error("no documents to encode", flags_.inputs.front());
    manifest_.inputs = blocks_.inputs();
    manifest_.skipped = blocks_.skipped();
    manifest_.empty = blocks_.empty();
    manifest_.replaced = blocks_.replaced();
    return write_shards(documents_, manifest_, common_);
  }
  EncodeCounts counts() const {
    return {documents_.count(), blocks_.skipped(), blocks_.empty(), blocks_.rejected(),
            blocks_.replaced()};
  }

 private:
  Result<void> encode_all() {
    EncoderPool encoders(*rule_.tokenizer);
    ProgressLine progress;
    while (true) {
      auto block = BALLAST_TRY(blocks_.next(pool_));
      if (block.empty()) return {};
      std::vector<std::optional<Result<EncodedDocument>>> results(block.size());
      const auto count = static_cast<int64_t>(block.size());
      pool_.parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
        auto encoder = encoders.take();
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
          results[i] = encode_document(rule_, block[i], *encoder);
        encoders.give(std::move(encoder));
      });
      for (auto& result : results) {
        if (!result->ok()) return result->take_error();
        BALLAST_TRY(documents_.add(**result));
      }
      progress.update(fmt::format("encoding: {} documents", documents_.count()));
    }
  }

  const EncodeFlags& flags_;
  const CommonOptions& common_;
  const EncodeRule rule_;
  ShardManifest manifest_;
  ThreadPool pool_;
  DocumentBlocks blocks_;
  EncodedDocuments documents_;
};

Result<void> check_outputs(const EncodeFlags& flags, const CommonOptions& common, double holdout) {
  BALLAST_TRY(check_parts_flags(flags.parts, flags.inputs, {{"--output", common.output}}));
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  if (flags.parts.shared()) return {};
  std::vector<std::string> inputs = flags.inputs;
  inputs.push_back(flags.tokenizer);
  return check_shard_outputs(common, holdout > 0, std::move(inputs));
}

// A task's share, or all parts and then the shards made of them.
Result<int> run_in_parts(const EncodeFlags& flags, const CLI::App& app, const EncodeWork& work,
                         const ShardManifest& manifest, const CommonOptions& common) {
  const Share share = BALLAST_TRY(parse_task(flags.parts.task));
  PartsPlan plan = BALLAST_TRY(make_parts_plan(app, common, flags.parts, flags.inputs));
  plan.options["order"] = flags.order;
  plan.options["manifest"] = manifest_json(manifest);
  plan.options["manifest"]["run"] = {{"tokenizer", flags.tokenizer}};
  ThreadPool pool(common.threads);
  const PartsFolder folder =
      BALLAST_TRY(PartsFolder::create(posix_file_system(), flags.parts.folder, std::move(plan)));
  BALLAST_TRY(encode_parts(work, folder, share, pool));
  if (!flags.parts.shared()) BALLAST_TRY(merge_encoded_parts(folder, common));
  return kExitDone;
}

Result<int> run_encode(const EncodeFlags& flags, const CLI::App& app, const CommonOptions& common) {
  ShardManifest manifest;
  manifest.holdout = BALLAST_TRY(parse_fraction(flags.holdout));
  BALLAST_TRY(check_outputs(flags, common, manifest.holdout));
  const std::string json = BALLAST_TRY(read_file(posix_file_system(), flags.tokenizer));
  const Tokenizer tokenizer = BALLAST_TRY(Tokenizer::parse(json, flags.tokenizer));
  manifest.tool = fmt::format("tokshard {}", kVersion);
  manifest.tokenizer_sha256 = sha256_hex(json);
  manifest.vocab_size = tokenizer.vocab_size();
  manifest.bos = BALLAST_TRY(border_token(tokenizer, flags.bos, tokenizer.bos(), "--bos"));
  manifest.eos = BALLAST_TRY(border_token(tokenizer, flags.eos, tokenizer.eos(), "--eos"));
  manifest.seed = common.seed;
  manifest.run = run_record(common);
  manifest.run["tokenizer"] = flags.tokenizer;
  if (common.dry_run) {
    print_note(
        fmt::format("would encode {} inputs with a vocabulary of {} into {}.bin, .idx, "
                    ".docs.jsonl.zst and .manifest.json",
                    flags.inputs.size(), manifest.vocab_size,
                    flags.parts.shared() ? flags.parts.folder : common.output));
    return kExitDone;
  }
  const EncodeRule rule{&tokenizer,
                        manifest.bos,
                        manifest.eos,
                        flags.special == "match",
                        static_cast<uint64_t>(common.seed),
                        manifest.holdout};
  if (flags.parts.given())
    return run_in_parts(flags, app, {rule, flags.on_error == "skip"}, manifest, common);
  EncodeJob job(flags, common, rule, std::move(manifest));
  const auto manifests = BALLAST_TRY(job.run());
  report_shards(common, manifests, job.counts());
  return kExitDone;
}

}  // namespace

VerbRun add_encode(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<EncodeFlags>();
  path_option(app.add_option("input", flags->inputs,
                             "documents as filter writes them, plain or compressed; '-' is stdin"))
      ->required();
  path_option(app.add_option("--tokenizer", flags->tokenizer,
                             "tokenizer.json, tekken.json or tokenizer.model"))
      ->required();
  app.add_option("--holdout", flags->holdout,
                 "share of the documents for PREFIX-holdout, like 1% or 0.01")
      ->capture_default_str();
  app.add_option("--bos", flags->bos, "token before each document: auto, none, or its text")
      ->capture_default_str();
  app.add_option("--eos", flags->eos, "token after each document: auto, none, or its text")
      ->capture_default_str();
  choice_option(app.add_option("--special", flags->special,
                               "special tokens spelled out in documents: escape, match"),
                {"escape", "match"})
      ->capture_default_str();
  choice_option(app.add_option("--order", flags->order,
                               "order of the documents: shuffle (by id and --seed), input"),
                {"shuffle", "input"})
      ->capture_default_str();
  choice_option(app.add_option("--on-error", flags->on_error,
                               "malformed lines: fail, or skip and count them"),
                {"fail", "skip"})
      ->capture_default_str();
  add_parts_flags(app, flags->parts);
  return [flags, &app, &common] { return run_encode(*flags, app, common); };
}

}  // namespace ballast
