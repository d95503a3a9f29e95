#include "libcore/parts/part_reader.h"

#include <fmt/format.h>

#include <utility>

#include "libcore/io/stream.h"
#include "libcore/parts/hashed_source.h"
#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

// Hashes decoded bytes up to borders that are known only after readers have read beyond them. Keeps
// what lies behind the last border: a record and what the reader reads ahead.
class BorderSource final : public ByteSource {
 public:
  explicit BorderSource(std::unique_ptr<ByteSource> inner) : inner_(std::move(inner)) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t got = BALLAST_TRY(inner_->read(into));
    waiting_.append(reinterpret_cast<const char*>(into.data()), got);
    return got;
  }
  const std::string& name() const override { return inner_->name(); }

  int64_t read_bytes() const { return hashed_ + static_cast<int64_t>(waiting_.size() - taken_); }
  // All bytes before `border` belong to what is hashed.
  void advance(int64_t border) {
    const auto bytes = static_cast<size_t>(border - hashed_);
    hasher_.update(as_bytes(std::string_view(waiting_).substr(taken_, bytes)));
    taken_ += bytes;
    hashed_ = border;
    if (taken_ < waiting_.size() / 2) return;  // moved seldom, so linear
    waiting_.erase(0, taken_);
    taken_ = 0;
  }
  // The hash since the last cut.
  Hash128 cut() {
    const Hash128 hash = hasher_.digest();
    hasher_ = Xxh3Hasher();
    return hash;
  }

 private:
  std::unique_ptr<ByteSource> inner_;
  std::string waiting_;
  size_t taken_ = 0;  // bytes of waiting_ that are hashed
  int64_t hashed_ = 0;
  Xxh3Hasher hasher_;
};

}  // namespace

struct PartReader::Source {
  HashedSource* raw = nullptr;  // owned by the chain below `reader`
  BorderSource* decoded = nullptr;
  std::unique_ptr<RecordReader> reader;
};

PartReader::PartReader(const PartsFolder& folder, int64_t input, Share share, size_t block_records,
                       int64_t block_bytes)
    : folder_(folder),
      input_(input),
      share_(share),
      block_records_(block_records),
      block_bytes_(block_bytes) {}
PartReader::~PartReader() = default;

Result<void> PartReader::open() {
  const PartsPlan::Input& input = folder_.plan().inputs[static_cast<size_t>(input_)];
  source_ = std::make_unique<Source>();
  auto file = BALLAST_TRY(open_raw_source(folder_.file_system(), input.path));
  auto raw = std::make_unique<HashedSource>(std::move(file));
  source_->raw = raw.get();
  auto decoded = std::make_unique<BorderSource>(BALLAST_TRY(decoding_source(std::move(raw))));
  source_->decoded = decoded.get();
  source_->reader = std::make_unique<RecordReader>(std::move(decoded));
  return begin_part(0, 0);
}

Result<void> PartReader::begin_part(int64_t part, int64_t begin) {
  part_ = part;
  begin_ = begin;
  records_ = 0;
  made_ = BALLAST_TRY(folder_.read(input_, part));
  const bool whole = made_ && BALLAST_TRY(folder_.has_files(*made_));
  making_ = !whole && share_.has_part(input_, part, folder_.inputs());
  fresh_ = true;
  return {};
}

// What was read as the current part, checked if the part was made before.
Result<PartRecord> PartReader::end_part(int64_t end, bool last) {
  PartRecord record;
  record.input = input_;
  record.part = part_;
  record.begin = begin_;
  record.end = end;
  record.records = records_;
  source_->decoded->advance(end);
  record.content = source_->decoded->cut();
  record.last = last;
  if (last) {
    record.source_bytes = source_->raw->bytes();
    record.source_hash = source_->raw->hash();
  }
  const bool same = !made_ || (made_->begin == record.begin && made_->end == record.end &&
                               made_->content == record.content && made_->last == record.last);
  if (!same)
    return usage_error("changed since parts were made of it",
                       folder_.plan().inputs[static_cast<size_t>(input_)].path,
                       "begin again with another --parts");
  return record;
}

// The last part of the input, when all parts from `end` on are there.
Result<std::optional<PartRecord>> PartReader::last_if_made(int64_t end) const {
  for (int64_t before = -1;;) {
    const int64_t part = end / folder_.plan().part_bytes;
    if (part <= before) return std::optional<PartRecord>();
    auto record = BALLAST_TRY(folder_.read(input_, part));
    if (!record || record->begin != end || !BALLAST_TRY(folder_.has_files(*record)))
      return std::optional<PartRecord>();
    if (record->last) return record;
    before = part;
    end = record->end;
  }
}

// An input that is not opened any more: is it still the one that parts were made of? One task alone
// can afford to read it; of many, each would.
Result<void> PartReader::check_source(const PartRecord& last) const {
  if (share_.tasks > 1) return {};
  const std::string& path = folder_.plan().inputs[static_cast<size_t>(input_)].path;
  const OutputFile now = BALLAST_TRY(hash_file(folder_.file_system(), path));
  if (now.hash == last.source_hash) return {};
  return usage_error("changed since parts were made of it", path,
                     "begin again with another --parts");
}

Result<bool> PartReader::fetch() {
  if (has_pending_) return true;
  has_pending_ = BALLAST_TRY(source_->reader->next(pending_));
  return has_pending_;
}

Result<bool> PartReader::read(PartBlock& block) {
  if (finished_) return false;
  if (!source_) {
    if (const auto last = BALLAST_TRY(last_if_made(0))) {
      BALLAST_TRY(check_source(*last));
      finished_ = true;
      return false;
    }
    BALLAST_TRY(open());
  }
  int64_t bytes = 0;
  while (true) {
    const bool more = BALLAST_TRY(fetch());
    const int64_t end = more ? pending_.offset : source_->decoded->read_bytes();
    const int64_t part = more ? end / folder_.plan().part_bytes : part_;
    if (!more || part > part_) {
      PartRecord record = BALLAST_TRY(end_part(end, !more));
      const bool made = making_;
      block.part = part_;
      block.first = block.first || std::exchange(fresh_, false);
      finished_ = !more;
      if (more) {
        BALLAST_TRY(begin_part(part, end));
        finished_ = made_ && BALLAST_TRY(last_if_made(end)).has_value();
      }
      if (made) {
        block.end = std::move(record);
        return true;
      }
      if (finished_) return false;
      continue;
    }
    has_pending_ = false;
    ++records_;
    if (!making_) {
      source_->decoded->advance(pending_.offset);
      continue;
    }
    if (block.records.empty()) {
      block.part = part_;
      block.first = std::exchange(fresh_, false);
    }
    source_->decoded->advance(pending_.offset);
    bytes += pending_.bytes();
    block.records.push_back(std::move(pending_));
    pending_ = {};
    if (block.records.size() >= block_records_ || bytes >= block_bytes_) return true;
  }
}

}  // namespace ballast
