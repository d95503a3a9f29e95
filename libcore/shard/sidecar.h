// The document sidecar of a shard, PREFIX.docs.jsonl.zst (ballast-shard(5)): one JSON line per
// document in shard order, packed into zstd frames of at most 1,024 lines, so that `zstd -dc` shows
// all of it and a reader reaches any document by decoding one frame. A skippable frame at the end
// holds the table of frames and, per host, the documents that came from it. One thread per object.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/writer.h"

namespace ballast {

struct ShardDocument {
  std::string id, url, host, date, license, language, source;
  std::string sha256;                // of the text, 64 hex digits
  std::vector<std::string> filters;  // that it passed, in order
  std::optional<int64_t> bytes;      // of the text
  int64_t tokens = 0;                // in the shard, BOS and EOS included
  bool redacted = false;             // the tokens were overwritten, see tombstone.h
};

std::string shard_document_line(const ShardDocument& document);  // without LF
Result<ShardDocument> parse_shard_document(std::string_view line, const std::string& where);

class SidecarWriter {
 public:
  SidecarWriter(FileSystem& fs, const std::string& prefix, bool force);
  // Memory: about 8 bytes per document and the names of the hosts.
  Result<void> append(const ShardDocument& document);
  Result<OutputFile> seal();  // everything written, nothing published
  Result<void> publish();

 private:
  Result<void> end_frame();
  Result<void> put(std::string_view bytes);
  Result<std::string> trailer() const;

  struct Frame {
    int64_t offset = 0;
    uint32_t documents = 0;
    uint32_t bytes = 0;
  };
  AtomicFile file_;
  OutputFile output_;
  Xxh3Hasher hash_;
  std::string lines_;
  uint32_t line_count_ = 0;
  int64_t documents_ = 0;
  std::vector<Frame> frames_;
  std::map<std::string, std::vector<int64_t>> hosts_;
};

class SidecarReader {
 public:
  // Reads and checks the trailer. Kind corrupt when it is damaged or missing.
  static Result<SidecarReader> open(FileSystem& fs, const std::string& prefix);

  int64_t documents() const { return documents_; }
  int64_t frames() const { return static_cast<int64_t>(frames_.size()); }
  int64_t frames_read() const { return frames_read_; }  // decoded so far
  Result<ShardDocument> read(int64_t document);
  // All documents in order; stops at the first error of the visitor.
  Result<void> for_each(
      const std::function<Result<void>(int64_t document, const ShardDocument&)>& visit);
  // Documents by host, ascending; documents without a URL are under "".
  const std::map<std::string, std::vector<int64_t>>& hosts() const { return hosts_; }

 private:
  struct Frame {
    int64_t offset = 0;
    int64_t first = 0;  // document
    int64_t documents = 0;
    int64_t bytes = 0;  // of its lines
    int64_t packed = 0;
  };
  Result<void> read_trailer();
  Result<void> read_frames(std::string_view table, int64_t frames_end);
  Result<void> read_hosts(std::string_view packed);
  Result<void> load(size_t frame);
  Error damaged(const std::string& why) const;

  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  int64_t documents_ = 0;
  std::vector<Frame> frames_;
  std::map<std::string, std::vector<int64_t>> hosts_;
  std::optional<size_t> loaded_;
  int64_t frames_read_ = 0;
  std::string text_;                     // lines of the loaded frame
  std::vector<std::string_view> lines_;  // views into text_
};

}  // namespace ballast
