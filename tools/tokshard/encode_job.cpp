#include "tools/tokshard/encode_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/shard_set.h"
#include "libcore/text/url.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/shard_output.h"

namespace ballast {
namespace {

ShardDocument sidecar_of(const Document& document) {
  ShardDocument line;
  line.id = document.id;
  line.url = document.url;
  line.host = url_host(document.url);
  line.date = document.date;
  line.license = document.license;
  line.language = document.language;
  line.source = document.source;
  line.sha256 = sha256_hex(document.text);
  line.bytes = static_cast<int64_t>(document.text.size());
  // What filters left behind is named by the filter; these keys are not filters.
  for (const auto& item : document.ballast.items())
    if (item.key() != "replaced" && item.key() != "reason" && item.key() != "copy")
      line.filters.push_back(item.key());
  return line;
}

Result<std::vector<WrittenShard>> publish(ShardSetBuilder& set) {
  std::vector<WrittenShard> shards;
  for (ShardManifest& manifest : BALLAST_TRY(set.publish()))
    shards.push_back({set.name(std::ssize(shards)), std::move(manifest)});
  return shards;
}

// Copies that `mix` made stand apart, but are held out together.
std::string copy_of(const Document& document) {
  const auto copy = document.ballast.find("copy");
  if (copy == document.ballast.end() || !copy->is_number_integer()) return {};
  return fmt::format(" copy {}", copy->get<int64_t>());
}

}  // namespace

Result<EncodedDocument> encode_document(const EncodeRule& rule, Document& document,
                                        Encoder& encoder) {
  if (document.id.empty()) document.id = default_document_id(document);
  std::vector<int32_t> ids;
  if (rule.bos) ids.push_back(*rule.bos);
  BALLAST_TRY(encoder.encode(
      document.text, ids, rule.match_special ? SpecialTokens::recognised : SpecialTokens::as_text));
  if (rule.eos) ids.push_back(*rule.eos);

  const uint64_t draw = xxh3_64("holdout " + document.id, rule.seed);
  const bool held_out = static_cast<double>(draw >> 11) * 0x1p-53 < rule.holdout;
  EncodedDocument encoded;
  encoded.key = {xxh3_64("order " + document.id + copy_of(document), rule.seed),
                 xxh3_64(document.text, rule.seed)};
  char head[5];
  store_le<uint8_t>(head, held_out);
  store_le(head + 1, static_cast<uint32_t>(ids.size()));
  encoded.bytes.assign(head, sizeof head);
  encoded.bytes.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
  encoded.bytes += shard_document_line(sidecar_of(document));
  return encoded;
}

EncodedDocuments::EncodedDocuments(const std::string& spill_path, bool keep_order)
    : sorter_(posix_file_system(), spill_path), keep_order_(keep_order) {}

Result<void> EncodedDocuments::add(const EncodedDocument& document) {
  const Hash128 key = keep_order_ ? Hash128{0, static_cast<uint64_t>(count_)} : document.key;
  BALLAST_TRY(sorter_.add(key, document.bytes));
  ++count_;
  return {};
}

Result<void> EncodedDocuments::drain(
    const std::function<Result<void>(std::string_view bytes)>& visit) {
  return sorter_.drain(visit);
}

Result<std::vector<WrittenShard>> write_shards(EncodedDocuments& documents, ShardManifest manifest,
                                               std::optional<int64_t> shard_tokens,
                                               const CommonOptions& common,
                                               const ShardsSealed& sealed) {
  const bool split = manifest.holdout > 0;
  manifest.part = split ? "train" : "all";
  ShardSetBuilder all(posix_file_system(), common.output, manifest, shard_tokens, common.force);
  std::optional<ShardSetBuilder> held_out;
  if (split) {
    manifest.part = "holdout";
    held_out.emplace(posix_file_system(), common.output + "-holdout", manifest, shard_tokens,
                     common.force);
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
    progress.update(fmt::format("writing: {} of {} documents", ++written, documents.count()));
    return (record[0] ? *held_out : all).append(std::move(document), ids);
  };
  BALLAST_TRY(documents.drain(write));
  progress.clear();
  // Neither part appears before both are whole: a full disk leaves no held-out part alone.
  BALLAST_TRY(all.seal());
  if (split) BALLAST_TRY(held_out->seal());
  BALLAST_TRY(all.check());
  if (split) BALLAST_TRY(held_out->check());
  std::vector<std::string> names = split ? held_out->names() : std::vector<std::string>();
  for (std::string& name : all.names()) names.push_back(std::move(name));
  if (sealed) BALLAST_TRY(sealed(names));
  std::vector<WrittenShard> apart;
  if (split) apart = BALLAST_TRY(publish(*held_out));
  std::vector<WrittenShard> shards = BALLAST_TRY(publish(all));
  for (WrittenShard& shard : apart) shards.push_back(std::move(shard));
  return shards;
}

Result<void> check_shard_outputs(const CommonOptions& common, bool split,
                                 std::optional<int64_t> shard_tokens,
                                 std::vector<std::string> inputs) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(check_shard_prefix(common));
  std::vector<std::string> prefixes = {common.output};
  if (split) prefixes.push_back(common.output + "-holdout");
  // A shard beside a set of its name would hide the set, and the other way round.
  for (const std::string& prefix : prefixes)
    BALLAST_TRY(refuse_existing_set(fs, prefix, shard_tokens, common.force, inputs));
  if (split) return {};
  // Documents held out of an earlier shard would now be trained on, and still pass for held out.
  const std::string stale = shard_manifest_path(common.output + "-holdout");
  const ShardSetNumbers held_out = BALLAST_TRY(shard_set_numbers(fs, common.output + "-holdout"));
  if (fs.exists(stale) || held_out.end > 0 || !held_out.apart.empty())
    return usage_error("the held-out part of an earlier shard is there", stale,
                       "remove it, or give --holdout");
  return {};
}

void report_shards(const CommonOptions& common, const std::vector<WrittenShard>& shards,
                   const EncodeCounts& counts) {
  for (const auto& [prefix, part] : shards) {
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
                              {"rejected", counts.rejected},
                              {"replaced", part.replaced}}) +
                "\n");
  }
  if (counts.skipped > 0) print_warning(counted(counts.skipped, "line") + " skipped");
  if (counts.rejected > 0)
    print_note(fmt::format("{} documents that a filter rejected left out", counts.rejected));
  if (counts.empty > 0) print_note(fmt::format("{} empty documents left out", counts.empty));
  if (counts.replaced > 0)
    print_note(fmt::format("{} ill-formed UTF-8 sequences replaced", counts.replaced));
}

}  // namespace ballast
