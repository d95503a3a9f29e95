#include "tools/tokshard/document_blocks.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "libcore/cli/message.h"
#include "libcore/shard/format.h"
#include "tools/tokshard/tapped_source.h"

namespace ballast {
namespace {

constexpr size_t kBlockBytes = size_t{8} << 20;
constexpr size_t kBlockLines = 8192;
constexpr int64_t kGrain = 16;

}  // namespace

DocumentBlocks::DocumentBlocks(std::vector<std::string> paths, bool skip_errors, bool all)
    : paths_(std::move(paths)), skip_errors_(skip_errors), all_(all) {
  inputs_.reserve(paths_.size());  // sources keep references to entries
}
DocumentBlocks::~DocumentBlocks() = default;

Result<void> DocumentBlocks::open_next() {
  inputs_.push_back({paths_[inputs_.size()], 0, {}});
  print_verbose("reading " + inputs_.back().path);
  auto raw = BALLAST_TRY(open_raw_source(posix_file_system(), inputs_.back().path));
  auto hasher = std::make_shared<Xxh3Hasher>();
  OutputFile& file = inputs_.back();
  source_ = BALLAST_TRY(
      decoding_source(std::make_unique<TappedSource>(std::move(raw), [hasher, &file](Bytes piece) {
        hasher->update(piece);
        file.bytes += static_cast<int64_t>(piece.size());
        file.hash = hasher->digest();
      })));
  reader_ = std::make_unique<LineReader>(*source_);
  return {};
}

// The next line that is not blank; false after the last input.
Result<bool> DocumentBlocks::read_line(Line& line) {
  while (true) {
    if (!reader_) {
      if (inputs_.size() == paths_.size()) return false;
      BALLAST_TRY(open_next());
    }
    auto text = BALLAST_TRY(reader_->next());
    if (text && reader_->line_number() == 1 && text->starts_with("\xEF\xBB\xBF"))
      text->remove_prefix(3);  // a byte order mark, as filter takes it
    if (!text) {
      reader_.reset();
      source_.reset();
      continue;
    }
    if (text->find_first_not_of(" \t\r") == text->npos) continue;
    line.text.assign(*text);
    line.where = fmt::format("{}:{}", source_->name(), reader_->line_number());
    return true;
  }
}

Result<std::vector<DocumentBlocks::Line>> DocumentBlocks::lines(size_t most_bytes) {
  std::vector<Line> lines;
  size_t bytes = 0;
  Line line;
  while (bytes < most_bytes && lines.size() < kBlockLines && BALLAST_TRY(read_line(line))) {
    bytes += line.text.size();
    lines.push_back(std::move(line));
    line = {};
  }
  return lines;
}

Result<std::vector<Document>> DocumentBlocks::next(ThreadPool& pool) {
  std::vector<Document> kept;
  while (kept.empty()) {
    const auto lines = BALLAST_TRY(this->lines(kBlockBytes));
    if (lines.empty()) {
      malformed_.finish();
      break;
    }
    std::vector<std::optional<Result<Document>>> parsed(lines.size());
    pool.parallel_for(static_cast<int64_t>(lines.size()), kGrain, [&](int64_t begin, int64_t end) {
      DocumentParser parser;
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        parsed[i] = parser.parse(lines[i].text, lines[i].where);
    });
    for (auto& one : parsed) {
      if (!one->ok()) {
        if (!skip_errors_) return one->take_error();
        malformed_.warn(one->error().message());
        ++skipped_;
        continue;
      }
      Document document = one->take_value();
      if (!all_ && is_rejected(document)) {
        ++rejected_;
      } else if (!all_ && document.text.empty()) {
        ++empty_;
      } else {
        replaced_ += document.replaced;
        kept.push_back(std::move(document));
      }
    }
  }
  return kept;
}

Result<void> look_for_inputs(const std::vector<std::string>& paths) {
  FileSystem& fs = posix_file_system();
  for (const std::string& path : paths)
    if (path != "-") BALLAST_TRY(fs.info(path));
  return {};
}

bool is_rejected(const Document& document) {
  return document.ballast.is_object() && document.ballast.contains("dropped_by");
}

namespace {

// Of what a path names, however it is spelt. Not the file itself: the shards that a redaction took
// over are links to those before, and both may be asked for.
std::string canonical_name(FileSystem& fs, const std::string& path) {
  const bool shard = !fs.exists(path) && fs.exists(shard_idx_path(path));
  const std::string file = path == "-" ? "/dev/stdin" : shard ? shard_idx_path(path) : path;
  std::error_code failure;  // of a pipe, or when nothing is there
  const std::string name = std::filesystem::canonical(file, failure).string();
  return failure ? path : name;
}

}  // namespace

Result<void> refuse_repeated_inputs(const std::vector<std::string>& paths) {
  std::map<std::string, std::string> seen;
  for (const std::string& path : paths) {
    const auto [first, fresh] = seen.try_emplace(canonical_name(posix_file_system(), path), path);
    if (fresh) continue;
    if (path == "-" && first->second == path)
      return usage_error("standard input is named twice", "-");
    return usage_error("input is named twice", path,
                       first->second == path ? "" : "as " + first->second);
  }
  return {};
}

}  // namespace ballast
