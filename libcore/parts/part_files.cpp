#include "libcore/parts/part_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace ballast {
namespace {

constexpr size_t kChunk = size_t{1} << 18;
constexpr size_t kMostAtOnce = size_t{1} << 32;

}  // namespace

Result<PartFile> PartFile::open(const PartsFolder& folder, const PartRecord& part,
                                const std::string& suffix) {
  const std::string name = PartsFolder::name(part.input, part.part, suffix);
  const auto said = std::find_if(part.files.begin(), part.files.end(),
                                 [&](const OutputFile& file) { return file.path == name; });
  const std::string path = folder.path(part.input, part.part, suffix);
  if (said == part.files.end()) return corrupt_error("the part does not have this file", path);
  PartFile file(path, *said);
  auto raw =
      std::make_unique<HashedSource>(BALLAST_TRY(open_raw_source(folder.file_system(), path)));
  file.raw_ = raw.get();
  file.source_ = BALLAST_TRY(decoding_source(std::move(raw)));
  return file;
}

Result<bool> PartFile::read(std::string& into, size_t bytes) {
  if (bytes > kMostAtOnce) return corrupt_error("damaged part", path_, "a piece is too large");
  into.clear();
  while (into.size() < bytes) {
    if (begin_ == end_) {
      buffer_.resize(kChunk);
      begin_ = 0;
      end_ = BALLAST_TRY(source_->read({reinterpret_cast<std::byte*>(buffer_.data()), kChunk}));
      if (end_ == 0) {
        if (into.empty()) return false;
        return corrupt_error("damaged part", path_, "ends inside a document");
      }
    }
    const size_t take = std::min(bytes - into.size(), end_ - begin_);
    into.append(buffer_, begin_, take);
    begin_ += take;
  }
  return true;
}

Result<void> PartFile::read_all(const std::function<Result<void>(Bytes)>& visit) {
  buffer_.resize(kChunk);
  while (true) {
    const MutableBytes into{reinterpret_cast<std::byte*>(buffer_.data()), kChunk};
    const size_t got = BALLAST_TRY(source_->read(into));
    if (got == 0) return {};
    BALLAST_TRY(visit(Bytes(into).first(got)));
  }
}

Result<void> PartFile::check() {
  if (raw_->bytes() == said_.bytes && raw_->hash() == said_.hash) return {};
  return corrupt_error("content differs from the part's record", path_);
}

}  // namespace ballast
