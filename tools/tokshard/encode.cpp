// tokshard encode: documents to shards. Blocks of documents are tokenised in parallel, put into an
// order that depends on their ids and the seed alone, and written with index, sidecar and manifest;
// or in parts, by one process or many.
#include <fmt/format.h>

#include <memory>
#include <mutex>

#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/encode_flags.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kGrain = 8;

struct Flags {
  std::vector<std::string> inputs;
  EncodeFlags encode;
  std::string on_error = "fail";
  PartsFlags parts;
};

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
  EncodeJob(const Flags& flags, const CommonOptions& common, const EncodeRule& rule,
            ShardManifest manifest)
      : flags_(flags),
        common_(common),
        rule_(rule),
        manifest_(std::move(manifest)),
        pool_(common.threads),
        blocks_(flags.inputs, flags.on_error == "skip"),
        documents_(common.output + ".tmp-shuffle", flags.encode.order == "input") {}

  Result<std::vector<WrittenShard>> run() {
    BALLAST_TRY(encode_all());
    if (documents_.count() == 0)
      return insufficient_error("no documents to encode", flags_.inputs.front());
    manifest_.inputs = blocks_.inputs();
    manifest_.skipped = blocks_.skipped();
    manifest_.empty = blocks_.empty();
    manifest_.replaced = blocks_.replaced();
    return write_shards(documents_, manifest_, shard_limit(flags_.encode.shard_tokens), common_);
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

  const Flags& flags_;
  const CommonOptions& common_;
  const EncodeRule rule_;
  ShardManifest manifest_;
  ThreadPool pool_;
  DocumentBlocks blocks_;
  EncodedDocuments documents_;
};

Result<void> check_outputs(const Flags& flags, const CommonOptions& common, double holdout) {
  BALLAST_TRY(check_parts_flags(flags.parts, flags.inputs, {{"--output", common.output}}));
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  if (flags.parts.shared()) return {};
  std::vector<std::string> inputs = flags.inputs;
  inputs.push_back(flags.encode.tokenizer);
  return check_shard_outputs(common, holdout > 0, shard_limit(flags.encode.shard_tokens),
                             std::move(inputs));
}

void say_plan(const Flags& flags, const OpenedEncoding& opened, const CommonOptions& common) {
  const std::string target = flags.parts.shared()
                                 ? "parts in " + flags.parts.folder
                                 : common.output + ".bin, .idx, .docs.jsonl.zst and .manifest.json";
  print_note(fmt::format("would encode {} with a vocabulary of {} into {}",
                         counted(std::ssize(flags.inputs), "input"), opened.manifest.vocab_size,
                         target));
}

// A task's share, or all parts and then the shards made of them.
Result<int> run_in_parts(const Flags& flags, const CLI::App& app, const OpenedEncoding& opened,
                         const CommonOptions& common) {
  const Share share = BALLAST_TRY(parse_task(flags.parts.task));
  PartsPlan plan = BALLAST_TRY(make_parts_plan(app, common, flags.parts, flags.inputs));
  plan_encoding(flags.encode, opened.manifest, plan.options);
  if (common.dry_run) {
    BALLAST_TRY(PartsFolder::look(posix_file_system(), flags.parts.folder, plan));
    say_plan(flags, opened, common);
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  const PartsFolder folder =
      BALLAST_TRY(PartsFolder::create(posix_file_system(), flags.parts.folder, std::move(plan)));
  const EncodeWork work{opened.rule, flags.on_error == "skip"};
  BALLAST_TRY(encode_parts(work, folder, share, pool));
  if (!flags.parts.shared()) BALLAST_TRY(merge_encoded_parts(folder, common));
  return kExitDone;
}

Result<int> run_encode(const Flags& flags, const CLI::App& app, const CommonOptions& common) {
  const double holdout = BALLAST_TRY(parse_holdout(flags.encode));
  BALLAST_TRY(check_outputs(flags, common, holdout));
  OpenedEncoding opened = BALLAST_TRY(open_encoding(flags.encode, common));
  if (flags.parts.given()) return run_in_parts(flags, app, opened, common);
  if (common.dry_run) {
    BALLAST_TRY(look_for_inputs(flags.inputs));
    say_plan(flags, opened, common);
    return kExitDone;
  }
  EncodeJob job(flags, common, opened.rule, std::move(opened.manifest));
  const auto shards = BALLAST_TRY(job.run());
  report_shards(common, shards, job.counts());
  return kExitDone;
}

}  // namespace

VerbRun add_encode(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<Flags>();
  path_option(app.add_option("input", flags->inputs,
                             "documents as filter writes them, plain or compressed; '-' is stdin"))
      ->required();
  add_encode_flags(app, flags->encode);
  choice_option(app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them"),
                {"fail", "skip"})
      ->capture_default_str();
  add_parts_flags(app, flags->parts);
  return [flags, &app, &common] { return run_encode(*flags, app, common); };
}

}  // namespace ballast
