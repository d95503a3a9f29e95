#include "libcore/shard/token_file_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/bytes.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"

namespace ballast {
namespace {

constexpr int64_t kChunk = int64_t{1} << 18;

// As Python's humanize.metric(count, unit="T") writes it, which datatrove does.
std::string metric_text(int64_t count) {
  const int exponent = count == 0 ? 0 : static_cast<int>(std::floor(std::log10(count)));
  const int thousands = exponent / 3;
  constexpr const char* kOrdinals[] = {"", "k", "M", "G", "T", "P", "E"};
  return fmt::format("{:.{}f} {}T", static_cast<double>(count) / std::pow(10.0, 3 * thousands),
                     2 - exponent % 3, kOrdinals[thousands]);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

class Exporter {
 public:
  Exporter(FileSystem& fs, const ShardReader& reader, const TokenFileTarget& target)
      : fs_(fs), reader_(reader), target_(target) {}

  Result<ExportedTokens> run() {
    if (fs_.exists(shard_manifest_path(reader_.prefix())))
      manifest_ = BALLAST_TRY(read_manifest(fs_, reader_.prefix()));
    BALLAST_TRY(check());
    if (target_.format == TokenFileFormat::datatrove) name_ = BALLAST_TRY(tokenizer_name());
    made_ = {reader_.documents(), reader_.total_tokens(), width_, token_file_paths(target_)};
    AtomicFile tokens(fs_, target_.path, target_.force);
    BALLAST_TRY(write_tokens(tokens));
    BALLAST_TRY(tokens.seal());
    if (target_.format == TokenFileFormat::datatrove) BALLAST_TRY(write_datatrove());
    if (target_.format == TokenFileFormat::olmo) BALLAST_TRY(write_table());
    BALLAST_TRY(tokens.commit());
    return std::move(made_);
  }

 private:
  Result<void> check() {
    if (!reader_.tombstones().empty())
      return usage_error("the shard has tombstones, from which others would learn",
                         reader_.prefix(), "tokshard redact --compact removes the documents");
    const bool narrow =
        manifest_ ? manifest_->vocab_size <= 65536 : reader_.type() == TokenType::u16;
    width_ = target_.width.value_or(narrow ? 2 : 4);
    if (target_.format == TokenFileFormat::llmc &&
        reader_.total_tokens() > std::numeric_limits<int32_t>::max())
      return usage_error(
          "llm.c counts tokens in 31 bits", reader_.prefix(),
          fmt::format("{} tokens; tokshard split cuts the shard", reader_.total_tokens()));
    return {};
  }

  // A line of the metadata, which a control character would end or hide.
  Result<std::string> tokenizer_name() const {
    std::string name = target_.tokenizer_name;
    if (name.empty() && manifest_ && manifest_->run.is_object()) {
      const auto said = manifest_->run.find("tokenizer_name");
      if (said != manifest_->run.end() && said->is_string()) name = said->get<std::string>();
    }
    if (printable(name) != name)
      return usage_error("name of a tokenizer with control characters",
                         shard_manifest_path(reader_.prefix()),
                         "'" + printable(name) + "'; --tokenizer-name gives another");
    return name;
  }

  Result<void> write_tokens(AtomicFile& file) {
    std::string out;
    if (target_.format == TokenFileFormat::llmc) {
      out.assign(static_cast<size_t>(kLlmcHeaderBytes), '\0');
      store_le<int32_t>(&out[0], width_ == 2 ? kLlmcMagicU16 : kLlmcMagicU32);
      store_le<int32_t>(&out[4], width_ == 2 ? kLlmcVersionU16 : kLlmcVersionU32);
      store_le<int32_t>(&out[8], static_cast<int32_t>(reader_.total_tokens()));
    }
    BALLAST_TRY(file.write(out));
    std::vector<int32_t> ids;
    for (int64_t at = 0; at < reader_.total_tokens(); at += kChunk) {
      ids.resize(static_cast<size_t>(std::min(kChunk, reader_.total_tokens() - at)));
      BALLAST_TRY(reader_.read_tokens(at, ids));
      out.resize(ids.size() * static_cast<size_t>(width_));
      for (size_t i = 0; i < ids.size(); ++i) {
        if (width_ == 4) {
          store_le(&out[4 * i], ids[i]);
          continue;
        }
        if (ids[i] > 0xFFFF)
          return usage_error(fmt::format("token id {} does not fit into uint16", ids[i]),
                             reader_.prefix(), "--dtype uint32");
        store_le(&out[2 * i], static_cast<uint16_t>(ids[i]));
      }
      BALLAST_TRY(file.write(out));
    }
    return {};
  }

  Result<void> write_datatrove() {
    AtomicFile index(fs_, target_.path + ".index", target_.force);
    std::string out;
    for (int64_t document = 0; document < reader_.documents(); ++document) {
      char end[8];
      store_le(end, static_cast<uint64_t>(reader_.document_begin(document + 1)));
      out.append(end, sizeof end);
      if (std::ssize(out) < kChunk) continue;
      BALLAST_TRY(index.write(out));
      out.clear();
    }
    BALLAST_TRY(index.write(out));
    AtomicFile metadata(fs_, target_.path + ".metadata", target_.force);
    // As datatrove calls one that it does not know.
    const std::string name = name_.empty() ? fmt::format("Unknown Tokenizer|{}", width_) : name_;
    BALLAST_TRY(metadata.write(fmt::format("{}|{}\n{}\n{}", name, width_, reader_.total_tokens(),
                                           metric_text(reader_.total_tokens()))));
    BALLAST_TRY(index.commit());
    return metadata.commit();
  }

  Result<void> write_table() {
    std::optional<SidecarReader> sidecar;
    if (fs_.exists(shard_docs_path(reader_.prefix())))
      sidecar = BALLAST_TRY(SidecarReader::open(fs_, reader_.prefix()));
    if (sidecar && sidecar->documents() != reader_.documents())
      return corrupt_error("sidecar and index differ in their documents", reader_.prefix());
    const auto sink = BALLAST_TRY(open_sink(fs_, olmo_table_path(target_.path), target_.force));
    for (int64_t document = 0; document < reader_.documents(); ++document) {
      ShardDocument line;
      if (sidecar) line = BALLAST_TRY(sidecar->read(document));
      BALLAST_TRY(sink->write(fmt::format("{},{},{},{},{}\r\n", reader_.document_begin(document),
                                          reader_.document_begin(document + 1), csv_field(line.id),
                                          csv_field(line.source), document + 1)));
    }
    return sink->finish();
  }

  FileSystem& fs_;
  const ShardReader& reader_;
  const TokenFileTarget& target_;
  std::optional<ShardManifest> manifest_;
  int64_t width_ = 2;
  std::string name_;
  ExportedTokens made_;
};

}  // namespace

std::vector<std::string> token_file_paths(const TokenFileTarget& target) {
  if (target.format == TokenFileFormat::datatrove)
    return {target.path, target.path + ".index", target.path + ".metadata"};
  if (target.format == TokenFileFormat::olmo) return {target.path, olmo_table_path(target.path)};
  return {target.path};
}

Result<ExportedTokens> export_tokens(FileSystem& fs, const std::string& prefix,
                                     const TokenFileTarget& target) {
  const ShardReader reader = BALLAST_TRY(ShardReader::open_to_learn(fs, prefix));
  return Exporter(fs, reader, target).run();
}

}  // namespace ballast
