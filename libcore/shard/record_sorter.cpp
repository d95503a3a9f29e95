#include "libcore/shard/record_sorter.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "libcore/base/bytes.h"
#include "libcore/io/temporary_paths.h"

namespace ballast {
namespace {

constexpr size_t kHeaderBytes = 24;  // key high, key low, bytes
constexpr size_t kReadBytes = size_t{256} << 10;

bool before(const Hash128& a, const Hash128& b) {
  return std::tie(a.high, a.low) < std::tie(b.high, b.low);
}

}  // namespace

// Reads the records of one run in order through a buffer.
class RecordSorter::RunReader {
 public:
  RunReader(ReadableFile& file, const std::string& path, Run run)
      : file_(file), path_(path), run_(run) {}

  // False at the end of the run.
  Result<bool> next() {
    at_ += taken_;
    taken_ = 0;
    if (run_.begin == run_.end && at_ == buffer_.size()) return false;
    BALLAST_TRY(need(kHeaderBytes));
    key_ = {load_le<uint64_t>(&buffer_[at_]), load_le<uint64_t>(&buffer_[at_ + 8])};
    const auto bytes = load_le<uint64_t>(&buffer_[at_ + 16]);
    BALLAST_TRY(need(kHeaderBytes + bytes));
    taken_ = kHeaderBytes + bytes;
    return true;
  }
  const Hash128& key() const { return key_; }
  std::string_view record() const {
    return std::string_view(buffer_).substr(at_ + kHeaderBytes, taken_ - kHeaderBytes);
  }

 private:
  Result<void> need(size_t bytes) {
    if (buffer_.size() - at_ >= bytes) return {};
    buffer_.erase(0, at_);
    at_ = 0;
    const size_t old = buffer_.size();
    const auto left = static_cast<size_t>(run_.end - run_.begin);
    if (old + left < bytes) return corrupt_error("temporary file changed while in use", path_);
    const size_t more = std::min(left, std::max(bytes - old, kReadBytes));
    buffer_.resize(old + more);
    const auto into = std::as_writable_bytes(std::span(buffer_)).subspan(old);
    const size_t got = BALLAST_TRY(file_.read_at(run_.begin, into));
    if (got != more) return corrupt_error("temporary file changed while in use", path_);
    run_.begin += static_cast<int64_t>(more);
    return {};
  }

  ReadableFile& file_;
  const std::string& path_;
  Run run_;
  std::string buffer_;
  size_t at_ = 0;
  size_t taken_ = 0;
  Hash128 key_;
};

RecordSorter::RecordSorter(FileSystem& fs, std::string spill_path, int64_t memory)
    : fs_(fs), path_(std::move(spill_path)), memory_(memory) {}

RecordSorter::~RecordSorter() {
  spill_.reset();
  if (!runs_.empty()) (void)fs_.remove(path_).ok();
  forget_temporary(path_);
}

Result<void> RecordSorter::add(Hash128 key, std::string_view record) {
  const size_t held = held_.size() + entries_.size() * sizeof(Entry);
  if (!entries_.empty() && held + record.size() > static_cast<size_t>(memory_))
    BALLAST_TRY(spill());
  entries_.push_back({key, held_.size(), record.size()});
  held_ += record;
  return {};
}

void RecordSorter::sort_held() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return before(a.key, b.key); });
}

Result<void> RecordSorter::spill() {
  if (!spill_) {
    if (fs_.exists(path_)) BALLAST_TRY(fs_.remove(path_));
    remember_temporary(path_);
    spill_ = BALLAST_TRY(fs_.create_exclusive(path_));
  }
  sort_held();
  runs_.push_back({spilled_, spilled_});
  std::string out;
  const auto flush = [&]() -> Result<void> {
    BALLAST_TRY(spill_->append(as_bytes(out)));
    spilled_ += static_cast<int64_t>(out.size());
    out.clear();
    return {};
  };
  for (const Entry& entry : entries_) {
    char header[kHeaderBytes];
    store_le(header, entry.key.high);
    store_le(header + 8, entry.key.low);
    store_le<uint64_t>(header + 16, entry.bytes);
    out.append(header, sizeof header);
    out.append(held_, entry.offset, entry.bytes);
    if (out.size() >= kReadBytes) BALLAST_TRY(flush());
  }
  BALLAST_TRY(flush());
  runs_.back().end = spilled_;
  entries_.clear();
  held_.clear();
  return {};
}

Result<void> RecordSorter::drain(
    const std::function<Result<void>(std::string_view record)>& visit) {
  if (!runs_.empty()) return merge(visit);
  sort_held();
  for (const Entry& entry : entries_)
    BALLAST_TRY(visit(std::string_view(held_).substr(entry.offset, entry.bytes)));
  return {};
}

Result<void> RecordSorter::merge(
    const std::function<Result<void>(std::string_view record)>& visit) {
  if (!entries_.empty()) BALLAST_TRY(spill());
  held_.shrink_to_fit();
  BALLAST_TRY(spill_->close());
  const auto file = BALLAST_TRY(fs_.open_read(path_));
  std::vector<std::unique_ptr<RunReader>> readers;
  // Of equal keys the earlier run goes first: its records came first.
  const auto later = [&](size_t a, size_t b) {
    const Hash128 &left = readers[a]->key(), &right = readers[b]->key();
    return left == right ? a > b : before(right, left);
  };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> queue(later);
  for (const Run& run : runs_) {
    readers.push_back(std::make_unique<RunReader>(*file, path_, run));
    if (BALLAST_TRY(readers.back()->next())) queue.push(readers.size() - 1);
  }
  while (!queue.empty()) {
    const size_t run = queue.top();
    queue.pop();
    BALLAST_TRY(visit(readers[run]->record()));
    if (BALLAST_TRY(readers[run]->next())) queue.push(run);
  }
  return {};
}

}  // namespace ballast
