// Encoding in parts: the encoded documents of a part are kept as they are sorted later.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "libcore/io/json_counts.h"
#include "libcore/parts/part_files.h"
#include "libcore/parts/part_reader.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/part_outputs.h"
#include "tools/tokshard/parts_job.h"

namespace ballast {
namespace {

constexpr size_t kBlockRecords = 256;
constexpr int64_t kBlockBytes = int64_t{1} << 20;
constexpr size_t kHeadBytes = 20;  // key high, key low, bytes
constexpr uint32_t kMostBytes = uint32_t{1} << 31;

struct EncodeBlock {
  PartBlock in;
  std::vector<EncodedDocument> documents;
  std::vector<std::string> warnings;
  EncodeCounts counts;
  Result<void> result;
};

// What a thread keeps between documents.
struct EncodeBuffers {
  explicit EncodeBuffers(const Tokenizer& tokenizer) : encoder(tokenizer) {}
  DocumentParser parser;
  Encoder encoder;
};

class EncodeStream final : public BlockStream<EncodeBlock> {
 public:
  EncodeStream(const EncodeWork& work, std::vector<EncodeBuffers>& buffers,
               const PartsFolder& folder, int64_t input, Share share, PartsProgress& progress)
      : work_(work),
        buffers_(buffers),
        reader_(folder, input, share, kBlockRecords, kBlockBytes),
        progress_(progress),
        outputs_(folder, input, progress, {kEncodedSuffix}) {}

  Result<bool> read(EncodeBlock& block) override { return reader_.read(block.in); }

  void work(EncodeBlock& block, int worker) override {
    EncodeBuffers& buffers = buffers_[static_cast<size_t>(worker)];
    for (const InputRecord& record : block.in.records) {
      block.result = encode(record, buffers, block);
      if (!block.result.ok()) break;
    }
    block.in.records.clear();
  }

  Result<void> take(EncodeBlock& block) override {
    if (block.in.first) {
      BALLAST_TRY(outputs_.begin(block.in.part));
      totals_ = {};
    }
    for (const std::string& warning : block.warnings) progress_.malformed().warn(warning);
    if (!block.result.ok()) return block.result.take_error();
    for (const EncodedDocument& document : block.documents)
      BALLAST_TRY(write_encoded(*outputs_.sink(0), document));
    totals_.add(block.counts);
    const EncodeCounts& counts = block.counts;
    progress_.took(counts.documents + counts.skipped + counts.empty + counts.rejected);
    if (!block.in.end) return {};
    return outputs_.end(std::move(*block.in.end), counts_json(totals_));
  }

 private:
  Result<void> encode(const InputRecord& record, EncodeBuffers& buffers, EncodeBlock& block) const {
    if (record.is_warc)
      return usage_error("a WARC file holds no documents", record.where, "filter it first");
    Result<Document> parsed = buffers.parser.parse(record.line, record.where);
    if (!parsed.ok()) {
      if (!work_.skip_errors) return parsed.take_error();
      block.warnings.push_back(parsed.error().message());
      ++block.counts.skipped;
      return {};
    }
    Document document = parsed.take_value();
    if (document.ballast.is_object() && document.ballast.contains("dropped_by")) {
      ++block.counts.rejected;
      return {};
    }
    if (document.text.empty()) {
      ++block.counts.empty;
      return {};
    }
    block.counts.replaced += document.replaced;
    ++block.counts.documents;
    block.documents.push_back(BALLAST_TRY(encode_document(work_.rule, document, buffers.encoder)));
    return {};
  }

  const EncodeWork& work_;
  std::vector<EncodeBuffers>& buffers_;
  PartReader reader_;
  PartsProgress& progress_;
  PartOutputs outputs_;
  EncodeCounts totals_;
};

}  // namespace

Result<void> write_encoded(ByteSink& sink, const EncodedDocument& document) {
  if (document.bytes.size() > kMostBytes)
    return usage_error(
        "a document is too long for a part", {},
        fmt::format("{} encoded bytes, at most {}", document.bytes.size(), kMostBytes));
  char head[kHeadBytes];
  store_le(head, document.key.high);
  store_le(head + 8, document.key.low);
  store_le(head + 16, static_cast<uint32_t>(document.bytes.size()));
  BALLAST_TRY(sink.write(std::string_view(head, sizeof head)));
  return sink.write(document.bytes);
}

Result<void> encode_parts(const EncodeWork& work, const PartsFolder& folder, Share share,
                          ThreadPool& pool) {
  std::vector<EncodeBuffers> buffers;
  for (int i = 0; i < pool.size(); ++i) buffers.emplace_back(*work.rule.tokenizer);
  return run_parts<EncodeBlock>(folder, share, pool, [&](int64_t input, PartsProgress& progress) {
    return std::make_unique<EncodeStream>(work, buffers, folder, input, share, progress);
  });
}

Result<void> read_encoded(const PartsFolder& folder, const PartRecord& part,
                          const std::function<Result<void>(const EncodedDocument&)>& visit) {
  PartFile file = BALLAST_TRY(PartFile::open(folder, part, kEncodedSuffix));
  EncodedDocument document;
  std::string head;
  while (BALLAST_TRY(file.read(head, kHeadBytes))) {
    document.key = {load_le<uint64_t>(&head[0]), load_le<uint64_t>(&head[8])};
    const auto bytes = load_le<uint32_t>(&head[16]);
    if (bytes > kMostBytes) return corrupt_error("damaged part", file.name());
    if (!BALLAST_TRY(file.read(document.bytes, bytes)))
      return corrupt_error("damaged part", file.name(), "ends inside a document");
    const auto& record = document.bytes;
    if (record.size() < 5 || (record.size() - 5) / 4 < load_le<uint32_t>(&record[1]))
      return corrupt_error("damaged part", file.name(), "a document without its tokens");
    BALLAST_TRY(visit(document));
  }
  return file.check();
}

}  // namespace ballast
