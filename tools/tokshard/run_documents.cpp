#include "tools/tokshard/run_documents.h"

#include <fmt/format.h>

#include "libcore/base/hash.h"
#include "libcore/cli/message.h"
#include "libcore/io/utf8.h"
#include "libcore/shard/manifest.h"
#include "libcore/text/display_cells.h"

namespace ballast {
namespace {

// Where encode found the tokenizer, if that file is still the same.
std::string encoded_with(FileSystem& fs, const std::string& prefix) {
  const auto manifest = read_manifest(fs, prefix);
  if (!manifest.ok() || !manifest->run.is_object()) return "";
  const std::string path = manifest->run.value("tokenizer", std::string());
  if (path.empty() || !fs.exists(path)) return "";
  const auto text = read_file(fs, path);
  return text.ok() && sha256_hex(*text) == manifest->tokenizer_sha256 ? path : "";
}

}  // namespace

void add_run_options(CLI::App& app, RunOptions& options) {
  path_option(app.add_option("--run", options.run, "run directory of pretrain"))->required();
  path_option(app.add_option("--data", options.data,
                             "where a shard of the run is now: PREFIX, or NAME=PREFIX"));
}

Result<RunData> open_run_data(const RunOptions& options) {
  RunData run = BALLAST_TRY(RunData::open(posix_file_system(), options.run, options.data));
  for (const RunSource& source : run.sources())
    if (!source.same)
      print_warning(
          fmt::format("{}: not as the run was trained on it (redacted since, or another "
                      "shard of this name)",
                      source.prefix));
  return run;
}

Result<SidecarReader*> DocumentNames::sidecar(int source) {
  const auto known = sidecars_.find(source);
  if (known != sidecars_.end()) return known->second ? &*known->second : nullptr;
  FileSystem& fs = posix_file_system();
  const RunSource& own = run_.sources()[static_cast<size_t>(source)];
  std::optional<SidecarReader>& place = sidecars_[source];
  if (!fs.exists(shard_docs_path(own.prefix))) {
    print_note(own.prefix + " has no sidecar: its documents are numbers alone");
    return nullptr;
  }
  place = BALLAST_TRY(SidecarReader::open(fs, own.prefix));
  if (place->documents() != own.shard->documents())
    return corrupt_error("sidecar and index disagree on the number of documents",
                         shard_docs_path(own.prefix));
  return &*place;
}

Result<ShardDocument> DocumentNames::of(int source, int64_t document) {
  SidecarReader* reader = BALLAST_TRY(sidecar(source));
  if (reader == nullptr) return ShardDocument();
  return reader->read(document);
}

void add_document_keys(Json& record, const RunData& run, int source, int64_t document,
                       const ShardDocument& known) {
  record["shard"] = run.sources()[static_cast<size_t>(source)].prefix;
  record["document"] = document;
  const std::pair<const char*, const std::string&> names[] = {
      {"id", known.id}, {"url", known.url}, {"host", known.host}, {"source", known.source}};
  for (const auto& [key, value] : names)
    if (!value.empty()) record[key] = value;
}

std::string document_cell(const RunData& run, int source, int64_t document) {
  return fmt::format("{}:{}", printable(run.sources()[static_cast<size_t>(source)].name), document);
}

std::string name_cell(const ShardDocument& known) {
  return printable(known.url.empty() ? known.id : known.url);
}

std::string left_cell(const std::string& text, size_t cells) {
  const size_t taken = display_cells(text);
  return taken < cells ? text + std::string(cells - taken, ' ') : text;
}

Result<TokenTexts> TokenTexts::open(const RunData& run, const std::string& path) {
  FileSystem& fs = posix_file_system();
  TokenTexts texts;
  if (!path.empty()) {
    texts.tokenizer_ = std::make_shared<const Tokenizer>(BALLAST_TRY(Tokenizer::load(fs, path)));
    return texts;
  }
  const std::string own = run.tokenizer_path().empty()
                              ? encoded_with(fs, run.sources().front().prefix)
                              : run.tokenizer_path();
  if (own.empty()) return texts;
  auto tokenizer = Tokenizer::load(fs, own);
  if (tokenizer.ok())
    texts.tokenizer_ = std::make_shared<const Tokenizer>(tokenizer.take_value());
  else
    print_warning("tokens are shown as ids: " + tokenizer.error().message());
  return texts;
}

std::string TokenTexts::text(int32_t id) const {
  if (tokenizer_ == nullptr || id < 0 || id >= tokenizer_->vocab_size()) return "";
  const auto text = tokenizer_->decode(std::span(&id, 1), false, false);
  return text.ok() ? *text : "";
}

}  // namespace ballast
