#include "libcore/shard/sidecar.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/shard/format.h"
#include "libcore/shard/sidecar_format.h"

namespace ballast {
namespace {

constexpr size_t kFrameBytes = size_t{1} << 20;

template <class T>
void append_le(std::string& bytes, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  bytes.append(raw, sizeof(T));
}

Result<std::string> text_or_empty(const Json& object, const char* key, const std::string& where) {
  if (!object.contains(key)) return std::string();
  return string_member(object, key, where);
}

}  // namespace

std::string shard_document_line(const ShardDocument& document) {
  Json line = {{"id", document.id}};
  const std::pair<const char*, const std::string*> optional[] = {
      {"url", &document.url},           {"host", &document.host},
      {"date", &document.date},         {"license", &document.license},
      {"language", &document.language}, {"source", &document.source}};
  for (const auto& [key, value] : optional)
    if (!value->empty()) line[key] = *value;
  line["sha256"] = document.sha256;
  line["filters"] = document.filters;
  if (document.bytes) line["bytes"] = *document.bytes;
  line["tokens"] = document.tokens;
  if (document.redacted) line["redacted"] = true;
  return to_json_line(line);
}

Result<ShardDocument> parse_shard_document(std::string_view line, const std::string& where) {
  const Json json = BALLAST_TRY(parse_json(line, where));
  if (!json.is_object()) return corrupt_error("sidecar line is not an object", where);
  ShardDocument document;
  document.id = BALLAST_TRY(string_member(json, "id", where));
  document.url = BALLAST_TRY(text_or_empty(json, "url", where));
  document.host = BALLAST_TRY(text_or_empty(json, "host", where));
  document.date = BALLAST_TRY(text_or_empty(json, "date", where));
  document.license = BALLAST_TRY(text_or_empty(json, "license", where));
  document.language = BALLAST_TRY(text_or_empty(json, "language", where));
  document.source = BALLAST_TRY(text_or_empty(json, "source", where));
  document.sha256 = BALLAST_TRY(string_member(json, "sha256", where));
  document.tokens = BALLAST_TRY(integer_member(json, "tokens", where));
  if (document.tokens < 0) return corrupt_error("'tokens' is negative", where);
  if (json.contains("bytes")) {
    document.bytes = BALLAST_TRY(integer_member(json, "bytes", where));
    if (*document.bytes < 0) return corrupt_error("'bytes' is negative", where);
  }
  const Json* filters = BALLAST_TRY(member(json, "filters", where));
  if (!filters->is_array()) return corrupt_error("'filters' is not a list", where);
  for (const Json& filter : *filters) {
    if (!filter.is_string())
      return corrupt_error("'filters' holds something else than words", where);
    document.filters.push_back(filter.get<std::string>());
  }
  const auto redacted = json.find("redacted");
  if (redacted != json.end()) {
    if (!redacted->is_boolean()) return corrupt_error("'redacted' is not true or false", where);
    document.redacted = redacted->get<bool>();
  }
  return document;
}

SidecarWriter::SidecarWriter(FileSystem& fs, const std::string& prefix, bool force)
    : file_(fs, shard_docs_path(prefix), force) {
  output_.path = shard_docs_path(prefix);
}

Result<void> SidecarWriter::put(std::string_view bytes) {
  hash_.update(as_bytes(bytes));
  output_.bytes += static_cast<int64_t>(bytes.size());
  return file_.write(bytes);
}

Result<void> SidecarWriter::append(const ShardDocument& document) {
  const std::string line = shard_document_line(document) + "\n";
  if (line_count_ > 0 && lines_.size() + line.size() > kFrameBytes) BALLAST_TRY(end_frame());
  lines_ += line;
  ++line_count_;
  hosts_[document.host].push_back(documents_++);
  return line_count_ < kSidecarMaxLines ? Result<void>() : end_frame();
}

Result<void> SidecarWriter::end_frame() {
  if (line_count_ == 0) return {};
  if (lines_.size() > std::numeric_limits<uint32_t>::max())
    return usage_error("sidecar line is too long", output_.path, "at most 4 GiB");
  const std::string packed = BALLAST_TRY(zstd_compress(as_bytes(lines_)));
  frames_.push_back({output_.bytes, line_count_, static_cast<uint32_t>(lines_.size())});
  lines_.clear();
  line_count_ = 0;
  return put(packed);
}

Result<std::string> SidecarWriter::trailer() const {
  std::string hosts;
  for (const auto& [host, documents] : hosts_) {
    append_varint(hosts, host.size());
    hosts += host;
    append_varint(hosts, documents.size());
    int64_t previous = 0;
    for (const int64_t document : documents) {
      append_varint(hosts, static_cast<uint64_t>(document - previous));
      previous = document;
    }
  }
  const std::string packed = BALLAST_TRY(zstd_compress(as_bytes(hosts)));
  std::string content;
  for (const Frame& frame : frames_) {
    append_le(content, frame.offset);
    append_le(content, frame.documents);
    append_le(content, frame.bytes);
  }
  content += packed;
  for (const uint64_t word :
       {static_cast<uint64_t>(frames_.size()), static_cast<uint64_t>(documents_),
        static_cast<uint64_t>(packed.size()), static_cast<uint64_t>(hosts.size())})
    append_le(content, word);
  append_le(content, xxh3_64(content));
  content += kSidecarMagic;
  if (content.size() > std::numeric_limits<uint32_t>::max())
    return usage_error("too many documents for one shard", output_.path,
                       "the sidecar's index is limited to 4 GiB");
  std::string frame;
  append_le(frame, kSidecarFrameMagic);
  append_le(frame, static_cast<uint32_t>(content.size()));
  return frame + content;
}

Result<OutputFile> SidecarWriter::seal() {
  BALLAST_TRY(end_frame());
  const std::string index = BALLAST_TRY(trailer());
  BALLAST_TRY(put(index));
  BALLAST_TRY(file_.seal());
  (void)std::exchange(frames_, {});  // `= {}` keeps memory
  (void)std::exchange(lines_, {});
  hosts_.clear();
  output_.hash = hash_.digest();
  return output_;
}

Result<void> SidecarWriter::publish() { return file_.commit(); }

}  // namespace ballast
