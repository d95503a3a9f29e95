// tokshard decode: the documents of a shard as text again.
#include <fmt/format.h>

#include <memory>

#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"
#include "libcore/text/document.h"
#include "libcore/text/tokenizer.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct DecodeFlags {
  std::string prefix, tokenizer;
  int64_t document = -1;
};

struct Decoder {
  ShardReader reader;
  std::optional<SidecarReader> sidecar;
  Tokenizer tokenizer;
  std::optional<int32_t> bos, eos;

  Result<std::string> text_of(int64_t document) {
    if (sidecar && BALLAST_TRY(sidecar->read(document)).redacted) return std::string();
    std::vector<int32_t> ids(static_cast<size_t>(reader.document_length(document)));
    BALLAST_TRY(reader.read_tokens(reader.document_begin(document), ids));
    std::span<const int32_t> text(ids);
    if (bos && !text.empty() && text.front() == *bos) text = text.subspan(1);
    if (eos && !text.empty() && text.back() == *eos) text = text.first(text.size() - 1);
    auto decoded = tokenizer.decode(text, false);
    if (decoded.ok()) return decoded;
    Error error = decoded.take_error();
    error.where = fmt::format("{}, document {}", shard_bin_path(reader.prefix()), document);
    return error;
  }
};

Result<Decoder> open_decoder(const DecodeFlags& flags) {
  FileSystem& fs = posix_file_system();
  ShardReader reader = BALLAST_TRY(ShardReader::open(fs, flags.prefix));
  std::optional<ShardManifest> manifest;
  std::optional<SidecarReader> sidecar;
  if (fs.exists(shard_manifest_path(flags.prefix)))
    manifest = BALLAST_TRY(read_manifest(fs, flags.prefix));
  if (fs.exists(shard_docs_path(flags.prefix))) {
    sidecar = BALLAST_TRY(SidecarReader::open(fs, flags.prefix));
    if (sidecar->documents() != reader.documents())
      return corrupt_error("sidecar and index disagree on the number of documents",
                           shard_docs_path(flags.prefix));
  }
  std::string path = flags.tokenizer;
  if (path.empty() && manifest && manifest->run.is_object())
    path = manifest->run.value("tokenizer", "");
  if (path.empty())
    return usage_error("the shard does not say where its tokenizer is", "--tokenizer", "name it");
  const std::string json = BALLAST_TRY(read_file(fs, path));
  if (manifest && sha256_hex(json) != manifest->tokenizer_sha256)
    return usage_error("not the tokenizer that the shard was made with", path,
                       "its SHA-256 differs from the manifest's");
  Tokenizer tokenizer = BALLAST_TRY(Tokenizer::parse(json, path));
  const auto bos = manifest ? manifest->bos : tokenizer.bos();
  const auto eos = manifest ? manifest->eos : tokenizer.eos();
  return Decoder{std::move(reader), std::move(sidecar), std::move(tokenizer), bos, eos};
}

Result<Document> document_at(Decoder& decoder, int64_t number) {
  Document document;
  document.text = BALLAST_TRY(decoder.text_of(number));
  document.id = std::to_string(number);
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

Result<int> run_decode(const DecodeFlags& flags, const CommonOptions& common) {
  Decoder decoder = BALLAST_TRY(open_decoder(flags));
  const int64_t documents = decoder.reader.documents();
  if (flags.document >= documents)
    return usage_error(fmt::format("document {} is not in the shard", flags.document), "--doc",
                       fmt::format("{} documents, counted from 0", documents));
  if (flags.document >= 0 && !common.json) {
    print_out(BALLAST_TRY(decoder.text_of(flags.document)));
    return kExitDone;
  }
  const int64_t first = flags.document >= 0 ? flags.document : 0;
  const int64_t last = flags.document >= 0 ? first + 1 : documents;
  for (int64_t number = first; number < last; ++number) {
    std::string line;
    append_document(line, BALLAST_TRY(document_at(decoder, number)));
    print_out(line);
  }
  return kExitDone;
}

}  // namespace

VerbRun add_decode(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<DecodeFlags>();
  path_option(app.add_option("prefix", flags->prefix, "shard"))->required();
  path_option(app.add_option(
      "--tokenizer", flags->tokenizer,
      "tokenizer.json, tekken.json or tokenizer.model; default: where encode found it"));
  app.add_option("--doc", flags->document, "only this document, as plain text; the first is 0")
      ->check(CLI::NonNegativeNumber);
  return [flags, &common] { return run_decode(*flags, common); };
}

}  // namespace ballast
