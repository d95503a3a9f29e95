// tokshard decode: the documents of shards as text again.
#include <fmt/format.h>

#include <memory>

#include "libcore/io/atomic_file.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/sidecar.h"
#include "libcore/text/document.h"
#include "libcore/text/tokenizer.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct DecodeFlags {
  std::vector<std::string> words;
  std::string tokenizer;
  int64_t document = -1;
};

// Of the shard before: those of a set have the same.
struct OpenTokenizer {
  std::string path, sha256;
  std::shared_ptr<const Tokenizer> tokenizer;
};

struct Decoder {
  ShardReader reader;
  std::optional<SidecarReader> sidecar;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<int32_t> bos, eos;

  Result<std::string> text_of(int64_t document) {
    if (sidecar && BALLAST_TRY(sidecar->read(document)).redacted) return std::string();
    std::vector<int32_t> ids(static_cast<size_t>(reader.document_length(document)));
    BALLAST_TRY(reader.read_tokens(reader.document_begin(document), ids));
    std::span<const int32_t> text(ids);
    if (bos && !text.empty() && text.front() == *bos) text = text.subspan(1);
    if (eos && !text.empty() && text.back() == *eos) text = text.first(text.size() - 1);
    auto decoded = tokenizer->decode(text, false);
    if (decoded.ok()) return decoded;
    Error error = decoded.take_error();
    error.where = fmt::format("{}, document {}", shard_bin_path(reader.prefix()), document);
    return error;
  }
};

Result<void> open_tokenizer(const std::string& path, OpenTokenizer& open) {
  if (open.tokenizer && open.path == path) return {};
  const std::string json = BALLAST_TRY(read_file(posix_file_system(), path));
  Tokenizer tokenizer = BALLAST_TRY(Tokenizer::parse(json, path));
  open = {path, sha256_hex(json), std::make_shared<const Tokenizer>(std::move(tokenizer))};
  return {};
}

Result<Decoder> open_decoder(const std::string& prefix, const DecodeFlags& flags,
                             OpenTokenizer& open) {
  FileSystem& fs = posix_file_system();
  ShardReader reader = BALLAST_TRY(ShardReader::open(fs, prefix));
  std::optional<ShardManifest> manifest;
  std::optional<SidecarReader> sidecar;
  if (fs.exists(shard_manifest_path(prefix))) manifest = BALLAST_TRY(read_manifest(fs, prefix));
  if (fs.exists(shard_docs_path(prefix))) {
    sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
    if (sidecar->documents() != reader.documents())
      return corrupt_error("sidecar and index disagree on the number of documents",
                           shard_docs_path(prefix));
  }
  std::string path = flags.tokenizer;
  if (path.empty() && manifest && manifest->run.is_object())
    path = manifest->run.value("tokenizer", "");
  if (path.empty())
    return usage_error("the shard does not say where its tokenizer is", "--tokenizer", "name it");
  BALLAST_TRY(open_tokenizer(path, open));
  if (manifest && open.sha256 != manifest->tokenizer_sha256)
    return usage_error("not the tokenizer that the shard was made with", path,
                       "its SHA-256 differs from the manifest's");
  const auto bos = manifest ? manifest->bos : open.tokenizer->bos();
  const auto eos = manifest ? manifest->eos : open.tokenizer->eos();
  return Decoder{std::move(reader), std::move(sidecar), open.tokenizer, bos, eos};
}

// `id`: of a document that has no other.
Result<Document> document_at(Decoder& decoder, int64_t number, int64_t id) {
  Document document;
  document.text = BALLAST_TRY(decoder.text_of(number));
  document.id = std::to_string(id);
  if (!decoder.sidecar) return document;
  const ShardDocument line = BALLAST_TRY(decoder.sidecar->read(number));
  document.id = line.id;
  document.url = line.url;
  document.date = line.date;
  document.language = line.language;
  document.license = line.license;
  document.source = line.source;
  return document;
}

Result<void> print_document(Decoder& decoder, int64_t number, int64_t id) {
  std::string line;
  append_document(line, BALLAST_TRY(document_at(decoder, number, id)));
  print_out(line);
  return {};
}

// Document --doc of all shards, as if they were one.
Result<void> decode_one(const std::vector<std::string>& prefixes, const DecodeFlags& flags,
                        const CommonOptions& common) {
  int64_t before = 0;  // documents of the shards in front
  for (const std::string& prefix : prefixes) {
    const ShardReader reader = BALLAST_TRY(ShardReader::open(posix_file_system(), prefix));
    const int64_t number = flags.document - before;
    before += reader.documents();
    if (number >= reader.documents()) continue;
    OpenTokenizer open;
    Decoder decoder = BALLAST_TRY(open_decoder(prefix, flags, open));
    if (common.json) return print_document(decoder, number, flags.document);
    print_out(BALLAST_TRY(decoder.text_of(number)));
    return {};
  }
  return usage_error(fmt::format("document {} is not in the shard{}", flags.document,
                                 prefixes.size() > 1 ? "s" : ""),
                     "--doc", fmt::format("{} documents, counted from 0", before));
}

Result<void> decode_all(const std::vector<std::string>& prefixes, const DecodeFlags& flags) {
  OpenTokenizer open;
  int64_t before = 0;
  for (const std::string& prefix : prefixes) {
    Decoder decoder = BALLAST_TRY(open_decoder(prefix, flags, open));
    const int64_t documents = decoder.reader.documents();
    for (int64_t number = 0; number < documents; ++number)
      BALLAST_TRY(print_document(decoder, number, before + number));
    before += documents;
  }
  return {};
}

Result<int> run_decode(const DecodeFlags& flags, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const auto prefixes = BALLAST_TRY(shard_prefixes(fs, flags.words));
  BALLAST_TRY(refuse_repeated_inputs(prefixes));
  // The members of sets too, which no word of the command line names.
  BALLAST_TRY(refuse_output_over_input(fs, common.output.empty() ? "-" : common.output,
                                       shard_paths(prefixes)));
  if (flags.document >= 0) {
    BALLAST_TRY(decode_one(prefixes, flags, common));
  } else {
    BALLAST_TRY(decode_all(prefixes, flags));
  }
  return kExitDone;
}

}  // namespace

VerbRun add_decode(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<DecodeFlags>();
  path_option(app.add_option("prefix", flags->words, "shards, sets or folders of shards"))
      ->required();
  path_option(app.add_option(
      "--tokenizer", flags->tokenizer,
      "tokenizer.json, tekken.json or tokenizer.model; default: where encode found it"));
  app.add_option("--doc", flags->document,
                 "only this document of all, as plain text; the first is 0")
      ->check(CLI::NonNegativeNumber);
  return [flags, &common] { return run_decode(*flags, common); };
}

}  // namespace ballast
