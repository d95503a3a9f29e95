#include "libcore/trace/parsed_blocks.h"

#include <fmt/format.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/step_line.h"

namespace ballast {
namespace {

constexpr int64_t kSlotsPerThread = 2;

// The bytes of one block: whole lines, then what begins the next block.
struct RawBlock {
  std::vector<std::byte> bytes;
  size_t size = 0;  // up to the last LF
};

}  // namespace

bool is_bulk_line(std::string_view line) {
  const std::string_view head = line.substr(0, 40);
  return head.find("\"type\":\"layers\"") != std::string_view::npos ||
         head.find("\"type\":\"amax\"") != std::string_view::npos;
}

struct ParsedBlocks::State {
  struct Slot {
    RawBlock raw;
    ParsedBlock parsed;
    bool ready = false;
  };

  State(ByteSource& source_in, const BlockOptions& options_in)
      : source(source_in),
        options(options_in),
        slots(static_cast<size_t>(kSlotsPerThread * options_in.threads)) {}

  bool may_read() const { return !ended && read < consumed + static_cast<int64_t>(slots.size()); }
  Slot& slot_of(int64_t block) { return slots[static_cast<size_t>(block) % slots.size()]; }
  bool work(std::unique_lock<std::mutex>& lock, TraceParser& parser);
  bool fill(Slot& slot);
  void parse(Slot& slot, TraceParser& parser) const;
  void run_worker();

  ByteSource& source;
  const BlockOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Slot> slots;  // a ring
  int64_t read = 0;         // blocks that were handed out for parsing
  int64_t consumed = 0;     // blocks that next() is done with
  bool reading = false;     // somebody reads from the source
  bool ended = false;       // ... and nobody will again
  bool closing = false;
  bool holds_block = false;            // next() gave one out
  std::vector<std::byte> rest;         // behind the last LF of the block before
  TraceParser parser{options.fields};  // of the caller
  std::vector<std::thread> workers;
};

// Whole lines into the slot's raw block; false when the input gave its last byte.
bool ParsedBlocks::State::fill(Slot& slot) {
  RawBlock& raw = slot.raw;
  ParsedBlock& parsed = slot.parsed;
  parsed.torn_bytes = 0;
  parsed.ended.reset();
  const size_t wanted = options.block_bytes;
  size_t filled = rest.size();
  raw.size = 0;
  raw.bytes.resize(std::max(raw.bytes.size(), filled + wanted + TraceParser::kPadding));
  if (filled > 0) std::memcpy(raw.bytes.data(), rest.data(), filled);
  rest.clear();
  size_t searched = 0;
  while (true) {
    const size_t room = raw.bytes.size() - TraceParser::kPadding - filled;
    Result<size_t> got = source.read(MutableBytes(raw.bytes).subspan(filled, room));
    if (!got.ok()) {
      parsed.ended = got.take_error();
      return false;
    }
    filled += *got;
    const void* last = memrchr(raw.bytes.data() + searched, '\n', filled - searched);
    if (last != nullptr)
      raw.size = static_cast<size_t>(static_cast<const std::byte*>(last) - raw.bytes.data()) + 1;
    searched = filled;
    if (*got == 0) {
      parsed.torn_bytes = static_cast<int64_t>(filled - raw.size);
      return false;
    }
    if (filled - raw.size > LineBuffer::kMaxLine) {
      parsed.ended = LineBuffer::too_long();
      parsed.too_long = true;
      return false;
    }
    if (raw.size > 0 && filled >= wanted) break;
    if (raw.bytes.size() - TraceParser::kPadding == filled) raw.bytes.resize(2 * raw.bytes.size());
  }
  rest.assign(raw.bytes.begin() + static_cast<std::ptrdiff_t>(raw.size),
              raw.bytes.begin() + static_cast<std::ptrdiff_t>(filled));
  return true;
}

void ParsedBlocks::State::parse(Slot& slot, TraceParser& by) const {
  ParsedBlock& block = slot.parsed;
  block.found.clear();
  block.others.clear();
  block.errors.clear();
  block.steps_used = 0;
  block.lines = 0;
  TraceRecord record;
  const char* p = reinterpret_cast<const char*>(slot.raw.bytes.data());
  const char* end = p + slot.raw.size;
  while (p < end) {
    const auto* line_end =
        static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
    const std::string_view line(p, static_cast<size_t>(line_end - p));
    p = line_end + 1;
    const auto number = static_cast<int32_t>(++block.lines);
    if (line.empty() || (options.pass_over_bulk && is_bulk_line(line))) continue;
    if (block.steps_used == block.steps.size()) block.steps.emplace_back();
    if (parse_step_line(line, options.fields, block.steps[block.steps_used])) {
      block.found.push_back({number, ParsedLine::Kind::step, block.steps_used++});
      continue;
    }
    Result<void> parsed = by.parse_padded(line, record);
    if (!parsed.ok()) {
      block.found.push_back({number, ParsedLine::Kind::bad, block.errors.size()});
      block.errors.push_back(parsed.take_error());
    } else if (record.type == RecordType::step) {
      std::swap(record.step, block.steps[block.steps_used]);
      block.found.push_back({number, ParsedLine::Kind::step, block.steps_used++});
    } else {
      block.found.push_back({number, ParsedLine::Kind::other, block.others.size()});
      block.others.push_back(std::move(record));
      record = {};
    }
  }
}

// Reads and parses one block; false when there is none to read now.
bool ParsedBlocks::State::work(std::unique_lock<std::mutex>& lock, TraceParser& by) {
  if (reading || !may_read()) return false;
  reading = true;
  Slot& slot = slot_of(read);
  slot.ready = false;
  lock.unlock();
  const bool more = fill(slot);
  lock.lock();
  reading = false;
  ended = !more;
  ++read;
  changed.notify_all();
  lock.unlock();
  parse(slot, by);
  lock.lock();
  slot.ready = true;
  changed.notify_all();
  return true;
}

void ParsedBlocks::State::run_worker() {
  TraceParser own(options.fields);
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return closing || ended || (!reading && may_read()); });
    if (closing || ended) return;
    work(lock, own);
  }
}

ParsedBlocks::ParsedBlocks(ByteSource& source, const BlockOptions& options)
    : state_(std::make_unique<State>(source, options)) {
  for (int i = 1; i < options.threads; ++i)
    state_->workers.emplace_back([state = state_.get()] { state->run_worker(); });
}

ParsedBlocks::~ParsedBlocks() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->closing = true;
  }
  state_->changed.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

ParsedBlock* ParsedBlocks::next() {
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  if (s.holds_block) {
    s.holds_block = false;
    ++s.consumed;
    s.changed.notify_all();
  }
  while (true) {
    if (s.consumed < s.read && s.slot_of(s.consumed).ready) break;
    if (s.ended && s.consumed == s.read) return nullptr;
    if (s.work(lock, s.parser)) continue;
    s.changed.wait(lock, [&s] {
      return (s.consumed < s.read && s.slot_of(s.consumed).ready) ||
             (s.ended && s.consumed == s.read) || (!s.reading && s.may_read());
    });
  }
  s.holds_block = true;
  return &s.slot_of(s.consumed).parsed;
}

}  // namespace ballast
