#include "libcore/shard/adopt.h"

#include <fmt/format.h>

#include "libcore/shard/builder.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/set_builder.h"

namespace ballast {
namespace {

// Of a shard or a file of tokens.
template <class Tokens>
Result<void> describe_all(const Tokens& tokens, const DescribeDocument& describe,
                          const std::function<Result<void>(ShardDocument document,
                                                           std::span<const int32_t> ids)>& visit) {
  std::vector<int32_t> ids;
  for (int64_t number = 0; number < tokens.documents(); ++number) {
    ids.resize(static_cast<size_t>(tokens.document_length(number)));
    BALLAST_TRY(tokens.read_tokens(tokens.document_begin(number), ids));
    ShardDocument document;
    document.tokens = tokens.document_length(number);
    BALLAST_TRY(describe(document, ids));
    BALLAST_TRY(visit(std::move(document), ids));
  }
  return {};
}

}  // namespace

Result<ShardManifest> adopt_shard(FileSystem& fs, const std::string& prefix, ShardManifest manifest,
                                  const DescribeDocument& describe, bool force) {
  const ShardReader reader = BALLAST_TRY(ShardReader::open(fs, prefix));
  SidecarWriter sidecar(fs, prefix, force);
  AtomicFile manifest_file(fs, shard_manifest_path(prefix), force);
  manifest.documents = reader.documents();
  manifest.tokens = reader.total_tokens();
  manifest.type = reader.type();
  manifest.token_counts.assign(static_cast<size_t>(manifest.vocab_size), 0);
  const auto add = [&](ShardDocument document, std::span<const int32_t> ids) -> Result<void> {
    for (const int32_t id : ids)
      if (id >= manifest.vocab_size)
        return usage_error(fmt::format("token id {} is outside the vocabulary", id),
                           shard_bin_path(prefix),
                           fmt::format("vocabulary of {}", manifest.vocab_size));
    count_document(manifest, document, ids);
    return sidecar.append(document);
  };
  BALLAST_TRY(describe_all(reader, describe, add));
  manifest.outputs = {BALLAST_TRY(hash_file(fs, shard_bin_path(prefix))),
                      BALLAST_TRY(hash_file(fs, shard_idx_path(prefix)))};
  manifest.outputs.push_back(BALLAST_TRY(sidecar.seal()));
  for (OutputFile& output : manifest.outputs) output.path = file_name(output.path);
  BALLAST_TRY(manifest_file.write(manifest_text(manifest)));
  BALLAST_TRY(sidecar.publish());
  BALLAST_TRY(manifest_file.commit());
  return manifest;
}

Result<ShardManifest> convert_tokens(FileSystem& fs, const TokenFile& file,
                                     const std::string& target, ShardManifest manifest,
                                     const DescribeDocument& describe, bool force) {
  for (const std::string& path : file.files())
    manifest.inputs.push_back(BALLAST_TRY(hash_file(fs, path)));
  // As a set without a limit, so that with `force` a set of this name goes, too.
  ShardSetBuilder builder(fs, target, std::move(manifest), std::nullopt, force);
  int64_t number = 0;
  const auto describe_too = [&](ShardDocument& document, std::span<const int32_t> ids) {
    const TokenFileDocument said = file.document(number++);
    document.id = said.id;
    document.source = said.source;
    return describe(document, ids);
  };
  const auto add = [&](ShardDocument document, std::span<const int32_t> ids) {
    return builder.append(std::move(document), ids);
  };
  BALLAST_TRY(describe_all(file, describe_too, add));
  return std::move(BALLAST_TRY(builder.finish()).front());
}

}  // namespace ballast
