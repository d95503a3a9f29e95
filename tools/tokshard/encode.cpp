// tokshard encode: documents to shards. Blocks of documents are tokenised in parallel, put into an
// order that depends on their ids and the seed alone, and written with index, sidecar and manifest.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <mutex>

#include "libcore/base/units.h"
#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/record_sorter.h"
#include "libcore/text/tokenizer.h"
#include "libcore/text/url.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kGrain = 8;

struct EncodeFlags {
  std::vector<std::string> inputs;
  std::string tokenizer, holdout = "0", bos = "auto", eos = "auto";
  std::string special = "escape", order = "shuffle", on_error = "fail";
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

// One document between tokenising and writing: u8 held out, u32 tokens, the ids, the sidecar line.
struct Record {
  Hash128 key;
  std::string bytes;
};

class EncodeJob {
 public:
  EncodeJob(const EncodeFlags& flags, const CommonOptions& common, const Tokenizer& tokenizer,
            ShardManifest manifest)
      : flags_(flags),
        common_(common),
        tokenizer_(tokenizer),
        manifest_(std::move(manifest)),
        pool_(common.threads),
        blocks_(flags.inputs, flags.on_error == "skip"),
        sorter_(posix_file_system(), common.output + ".tmp-shuffle") {}

  Result<std::vector<ShardManifest>> run() {
    BALLAST_TRY(encode_all());
    if (count_ == 0) return insufficient_error("no documents to encode", flags_.inputs.front());
    manifest_.inputs = blocks_.inputs();
    manifest_.skipped = blocks_.skipped();
    manifest_.empty = blocks_.empty();
    manifest_.replaced = blocks_.replaced();
    return write_all();
  }
  const DocumentBlocks& blocks() const { return blocks_; }

 private:
  Result<void> encode_all() {
    EncoderPool encoders(tokenizer_);
    ProgressLine progress;
    while (true) {
      auto block = BALLAST_TRY(blocks_.next(pool_));
      if (block.empty()) return {};
      std::vector<Record> records(block.size());
      std::vector<Result<void>> results(block.size());
      const auto count = static_cast<int64_t>(block.size());
      pool_.parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
        auto encoder = encoders.take();
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
          results[i] = encode_one(block[i], *encoder, records[i]);
        encoders.give(std::move(encoder));
      });
      for (size_t i = 0; i < records.size(); ++i) {
        if (!results[i].ok()) return results[i].take_error();
        if (flags_.order == "input") records[i].key = {0, static_cast<uint64_t>(count_)};
        BALLAST_TRY(sorter_.add(records[i].key, records[i].bytes));
        ++count_;
      }
      progress.update(fmt::format("encoding: {} documents", count_));
    }
  }

  Result<void> encode_one(Document& document, Encoder& encoder, Record& record) const {
    if (document.id.empty()) document.id = default_document_id(document);
    std::vector<int32_t> ids;
    if (manifest_.bos) ids.push_back(*manifest_.bos);
    BALLAST_TRY(encoder.encode(
        document.text, ids,
        flags_.special == "match" ? SpecialTokens::recognised : SpecialTokens::as_text));
    if (manifest_.eos) ids.push_back(*manifest_.eos);

    const auto seed = static_cast<uint64_t>(common_.seed);
    const uint64_t draw = xxh3_64("holdout " + document.id, seed);
    const bool held_out = static_cast<double>(draw >> 11) * 0x1p-53 < manifest_.holdout;
    record.key = {xxh3_64("order " + document.id, seed), xxh3_64(document.text, seed)};
    char head[5];
    store_le<uint8_t>(head, held_out);
    store_le(head + 1, static_cast<uint32_t>(ids.size()));
    record.bytes.assign(head, sizeof head);
    record.bytes.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
    record.bytes += shard_document_line(sidecar_of(document));
    return {};
  }

  static ShardDocument sidecar_of(const Document& document) {
    ShardDocument line;
    line.id = document.id;
    line.url = document.url;
    line.host = url_host(document.url);
    line.date = document.date;
    line.license = document.license;
    line.language = document.language;
    line.source = document.source;
    line.sha256 = sha256_hex(document.text);
    // What filters left behind is named by the filter; these keys are not filters.
    for (const auto& item : document.ballast.items())
      if (item.key() != "replaced" && item.key() != "reason") line.filters.push_back(item.key());
    return line;
  }

  Result<std::vector<ShardManifest>> write_all() {
    const bool split = manifest_.holdout > 0;
    manifest_.part = split ? "train" : "all";
    ShardBuilder all(posix_file_system(), common_.output, manifest_, common_.force);
    std::optional<ShardBuilder> held_out;
    if (split) {
      manifest_.part = "holdout";
      held_out.emplace(posix_file_system(), common_.output + "-holdout", manifest_, common_.force);
    }
    std::vector<int32_t> ids;
    ProgressLine progress;
    int64_t written = 0;
    const auto write = [&](std::string_view record) -> Result<void> {
      const auto count = load_le<uint32_t>(&record[1]);
      ids.resize(count);
      std::copy_n(&record[5], count * sizeof(int32_t), reinterpret_cast<char*>(ids.data()));
      const auto line = record.substr(5 + count * sizeof(int32_t));
      ShardDocument document = BALLAST_TRY(parse_shard_document(line, "document"));
      progress.update(fmt::format("writing: {} of {} documents", ++written, count_));
      return (record[0] ? *held_out : all).append(std::move(document), ids);
    };
    BALLAST_TRY(sorter_.drain(write));
    progress.clear();
    // Neither part appears before both are whole: a full disk leaves no held-out part alone.
    BALLAST_TRY(all.seal());
    if (split) BALLAST_TRY(held_out->seal());
    std::vector<ShardManifest> manifests;
    if (split) manifests.push_back(BALLAST_TRY(held_out->publish()));
    manifests.insert(manifests.begin(), BALLAST_TRY(all.publish()));
    return manifests;
  }

  const EncodeFlags& flags_;
  const CommonOptions& common_;
  const Tokenizer& tokenizer_;
  ShardManifest manifest_;
  ThreadPool pool_;
  DocumentBlocks blocks_;
  RecordSorter sorter_;
  int64_t count_ = 0;
};

// Refuses what would overwrite something before any work is done.
Result<void> check_outputs(const EncodeFlags& flags, const CommonOptions& common, bool split) {
  FileSystem& fs = posix_file_system();
  if (common.output.empty()) return usage_error("PREFIX of the shard is missing", "-o");
  if (common.output == "-" || common.output.ends_with('/'))
    return usage_error("shards are files: give a prefix", "-o");
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  std::vector<std::string> inputs = flags.inputs;
  inputs.push_back(flags.tokenizer);
  std::vector<std::string> prefixes = {common.output};
  if (split) prefixes.push_back(common.output + "-holdout");
  for (const std::string& prefix : prefixes) {
    for (const std::string& path : {shard_bin_path(prefix), shard_idx_path(prefix),
                                    shard_docs_path(prefix), shard_manifest_path(prefix)}) {
      BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
      if (!common.force && fs.exists(path))
        return usage_error("output exists", path, "-f replaces it");
    }
  }
  if (split) return {};
  // Documents held out of an earlier shard would now be trained on, and still pass for held out.
  const std::string stale = shard_manifest_path(common.output + "-holdout");
  if (fs.exists(stale))
    return usage_error("the held-out part of an earlier shard is there", stale,
                       "remove it, or give --holdout");
  return {};
}

void report(const CommonOptions& common, const std::vector<ShardManifest>& manifests,
            const DocumentBlocks& blocks) {
  for (const ShardManifest& part : manifests) {
    const bool held_out = part.part == "holdout";
    const std::string prefix = common.output + (held_out ? "-holdout" : "");
    print_note(fmt::format("{}: {} documents, {} tokens ({})", prefix, part.documents, part.tokens,
                           token_type_name(part.type)));
    if (part.documents == 0) print_warning("shard has no documents: " + prefix);
    if (common.json)
      print_out(to_json_line({{"v", 1},
                              {"prefix", prefix},
                              {"part", part.part},
                              {"documents", part.documents},
                              {"tokens", part.tokens},
                              {"dtype", token_type_name(part.type)},
                              {"skipped", part.skipped},
                              {"empty", part.empty},
                              {"rejected", blocks.rejected()},
                              {"replaced", part.replaced}}) +
                "\n");
  }
  if (blocks.skipped() > 0) print_warning(fmt::format("{} lines skipped", blocks.skipped()));
  if (blocks.rejected() > 0)
    print_note(fmt::format("{} documents that a filter rejected left out", blocks.rejected()));
  if (blocks.empty() > 0) print_note(fmt::format("{} empty documents left out", blocks.empty()));
  if (blocks.replaced() > 0)
    print_note(fmt::format("{} ill-formed UTF-8 sequences replaced", blocks.replaced()));
}

Result<int> run_encode(const EncodeFlags& flags, const CommonOptions& common) {
  ShardManifest manifest;
  manifest.holdout = BALLAST_TRY(parse_fraction(flags.holdout));
  BALLAST_TRY(check_outputs(flags, common, manifest.holdout > 0));
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
                    flags.inputs.size(), manifest.vocab_size, common.output));
    return kExitDone;
  }
  EncodeJob job(flags, common, tokenizer, std::move(manifest));
  const auto manifests = BALLAST_TRY(job.run());
  report(common, manifests, job.blocks());
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
  return [flags, &common] { return run_encode(*flags, common); };
}

}  // namespace ballast
