#include "libcore/provenance/run_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/guard/interventions.h"
#include "libcore/provenance/run_shards.h"
#include "libcore/shard/sample_hash.h"
#include "libcore/trace/surviving.h"

namespace ballast {

// What the trace says, before it is known which samples that were.
struct RunData::Trace {
  std::vector<Segment> segments;
  std::vector<int64_t> batch_starts;  // by step; -1: not recorded
};

namespace {

Result<DataState> state_of(const TrainState& stored) {
  DataState state;
  state.skips = stored.skip_ranges;
  if (stored.guard.contains("interventions"))
    state.dropped = BALLAST_TRY(parse_interventions(stored.guard.at("interventions"))).dropped;
  return state;
}

// Phases of the law, the first with the weights of the sources.
Result<OrderLaw> order_law(const Json& law, const std::string& where) {
  OrderLaw order;
  const Json& seed = *BALLAST_TRY(member(law, "data_seed", where));
  if (!seed.is_number_integer()) return corrupt_error("'data_seed' is not a whole number", where);
  order.data_seed = seed.get<uint64_t>();
  const auto weight_of = [&](const Json& json) { return number_of(json, where); };
  DataPhase first;
  for (const Json& source : *BALLAST_TRY(member(law, "data", where)))
    first.weights.push_back(BALLAST_TRY(number_member(source, "weight", where)));
  order.phases.push_back(std::move(first));
  if (!law.contains("phases")) return order;
  for (const Json& entry : law.at("phases")) {
    DataPhase phase;
    phase.first_sample = BALLAST_TRY(integer_member(entry, "first_sample", where));
    for (const Json& weight : *BALLAST_TRY(member(entry, "weights", where)))
      phase.weights.push_back(BALLAST_TRY(weight_of(weight)));
    if (entry.contains("seed") && entry.at("seed").is_number_integer())
      phase.seed = entry.at("seed").get<uint64_t>();
    order.phases.push_back(std::move(phase));
  }
  return order;
}

// Complete checkpoints of the run, the oldest first.
Result<std::vector<CheckpointEntry>> complete_checkpoints(FileSystem& fs, const std::string& run) {
  if (!fs.exists(run)) return io_error("no run of this name", run);
  std::vector<CheckpointEntry> entries = BALLAST_TRY(list_checkpoints(fs, run));
  std::erase_if(entries, [](const CheckpointEntry& entry) { return !entry.complete; });
  if (entries.empty())
    return insufficient_error("no complete checkpoint says what data the run has", run);
  return entries;
}

std::string branch_address(const JournalContents& journal) {
  for (const JournalRecord& record : journal.records)
    if (record.event == "branch") return record.object.value("address", std::string("another run"));
  return "";
}

// The sequences that an incident's event lists.
void add_losses(BatchNotes& notes, const EventRecord& event) {
  const Json& details = event.details;
  if (!details.is_object() || !details.contains("samples") || !details.contains("sample_losses"))
    return;
  const Json &samples = details.at("samples"), &losses = details.at("sample_losses");
  if (!samples.is_array() || !losses.is_array() || samples.size() != losses.size()) return;
  notes.losses.clear();
  for (size_t i = 0; i < samples.size(); ++i) {
    const Result<double> loss = number_of(losses[i], "sample_losses");
    if (samples[i].is_number_integer() && loss.ok())
      notes.losses.emplace_back(samples[i].get<int64_t>(), *loss);
  }
}

}  // namespace

std::vector<DocumentPart> documents_of(const ShardReader& shard, int64_t seq_len, int64_t window) {
  std::vector<DocumentPart> parts;
  const int64_t begin = window * seq_len, end = begin + seq_len;
  for (int64_t d = shard.document_of(begin); d < shard.documents(); ++d) {
    const int64_t first = std::max(begin, shard.document_begin(d));
    if (first >= end) break;
    const int64_t last = std::min(end, shard.document_begin(d + 1));
    if (first < last) parts.push_back({d, first, last});
  }
  return parts;
}

std::pair<int64_t, int64_t> windows_of(const ShardReader& shard, int64_t seq_len,
                                       int64_t document) {
  const int64_t begin = shard.document_begin(document), end = shard.document_begin(document + 1);
  const int64_t all = windows_in(shard.total_tokens(), seq_len);
  if (begin == end) return {0, 0};
  return {std::min(all, begin / seq_len), std::min(all, (end - 1) / seq_len + 1)};
}

Result<RunData> RunData::open(FileSystem& fs, const std::string& run,
                              const std::vector<std::string>& moved) {
  RunData data;
  data.run_ = run;
  const std::vector<CheckpointEntry> checkpoints = BALLAST_TRY(complete_checkpoints(fs, run));
  const std::string newest = checkpoints.back().path;
  const Json law = BALLAST_TRY(load_checkpoint_state(fs, newest)).state.config;
  if (fs.exists(join_path(newest, "tokenizer.json")))
    data.tokenizer_path_ = join_path(newest, "tokenizer.json");
  const JournalContents journal = BALLAST_TRY(read_journal(fs, run));
  data.branch_of_ = branch_address(journal);
  DataState origin;
  if (!data.branch_of_.empty()) {
    const LoadedCheckpoint oldest =
        BALLAST_TRY(load_checkpoint_state(fs, checkpoints.front().path));
    origin = BALLAST_TRY(state_of(oldest.state));
  }
  data.seq_len_ = BALLAST_TRY(integer_member(law, "seq_len", newest));
  if (data.seq_len_ < 1) return corrupt_error("'seq_len' is not positive", newest);
  data.vocab_size_ = BALLAST_TRY(integer_member(law, "model.vocab_size", newest));
  if (data.vocab_size_ < 1 || data.vocab_size_ > INT32_MAX)
    return corrupt_error("'model.vocab_size' is no size", newest);
  BALLAST_TRY(data.open_sources(fs, law, moved));
  const Trace trace = BALLAST_TRY(data.read_trace(fs));
  data.segments_ = BALLAST_TRY(follow_segments(journal, trace.segments, law, origin));
  BALLAST_TRY(data.add_ranges(trace));
  return data;
}

Result<void> RunData::open_sources(FileSystem& fs, const Json& law,
                                   const std::vector<std::string>& moved) {
  const Json& list = *BALLAST_TRY(member(law, "data", run_));
  std::vector<std::string> names;
  for (const Json& entry : list) names.push_back(BALLAST_TRY(string_member(entry, "name", run_)));
  const auto prefixes = BALLAST_TRY(shard_prefixes(fs, run_, names, moved));
  for (size_t i = 0; i < names.size(); ++i) {
    RunSource source{names[i], prefixes.at(names[i]), nullptr, true};
    if (!fs.exists(shard_idx_path(source.prefix)))
      return usage_error(fmt::format("source '{}' is not there", source.name), source.prefix,
                         fmt::format("say where it is now: --data {}=PREFIX", source.name));
    source.shard =
        std::make_shared<const ShardReader>(BALLAST_TRY(ShardReader::open(fs, source.prefix)));
    const std::string hash = BALLAST_TRY(shard_sample_hash(fs, source.prefix));
    source.same = list[i].value("content_hash", hash) == hash;
    sources_.push_back(std::move(source));
  }
  return {};
}

Result<RunData::Trace> RunData::read_trace(FileSystem& fs) {
  TraceReadOptions options;
  options.view = TraceView::all;
  options.fields = kFieldTokens | kFieldSkipped | kFieldRest;
  options.steps_only = true;
  const auto reader = BALLAST_TRY(TraceReader::open(fs, run_, options));
  Trace trace;
  std::map<int64_t, int64_t> first_batch;  // samples of the first batch of a segment
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::run) {
      trace.segments.push_back(segment_of(record.run));
      first_batch[record.segment] = record.run.batch_tokens.value_or(0) / seq_len_;
    }
    if (record.type == RecordType::event) {
      BatchNotes& notes = notes_[{record.segment, record.event.step}];
      add_losses(notes, record.event);
      if (record.event.event == "inject" && record.event.reason.starts_with("rare@"))
        notes.replaced = record.event.reason;
    }
    if (record.type != RecordType::step) continue;
    const StepRecord& r = record.step;
    const bool goes_on = !steps_.empty() && steps_.back().segment == r.segment;
    if (goes_on && steps_.back().step + 1 != r.step)
      return corrupt_error(fmt::format("the trace has step {} of segment {} after step {}", r.step,
                                       r.segment, steps_.back().step),
                           reader->path());
    StepBatch batch{r.segment, r.step, 0, 0, false, r.skipped};
    batch.consumed = goes_on ? steps_.back().consumed + steps_.back().samples
                             : r.samples - first_batch[r.segment];
    batch.samples = r.samples - batch.consumed;
    steps_.push_back(batch);
    trace.batch_starts.push_back(r.batch_start.value_or(-1));
  }
  mark_surviving(trace.segments);
  const SurvivingLine line(trace.segments);
  for (StepBatch& batch : steps_) batch.surviving = line.holds(batch.segment, batch.step);
  std::erase_if(notes_, [](const auto& entry) {
    return entry.second.losses.empty() && entry.second.replaced.empty();
  });
  return trace;
}

// The order that a segment stands on, made once for all that share it.
Result<size_t> RunData::order_of(const SegmentData& segment) {
  const Json phases = segment.law.value("phases", Json());
  const auto key = std::pair(phases, segment.start.dropped);
  const auto known = std::ranges::find(order_keys_, key);
  if (known != order_keys_.end()) return static_cast<size_t>(known - order_keys_.begin());
  std::vector<DataSource> sources;
  for (const RunSource& source : sources_)
    sources.push_back({source.name, windows_in(source.shard->total_tokens(), seq_len_)});
  const OrderLaw law = BALLAST_TRY(order_law(segment.law, run_));
  orders_.push_back(BALLAST_TRY(make_order(law, std::move(sources), segment.start.dropped)));
  order_keys_.push_back(key);
  return orders_.size() - 1;
}

Result<void> RunData::add_ranges(const Trace& trace) {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto own = std::ranges::find(segments_, steps_[i].segment, &SegmentData::id);
    if (own == segments_.end())
      return corrupt_error(fmt::format("segment {} has no run record", steps_[i].segment), run_);
    const bool forked =
        std::ranges::find(own->ahead, steps_[i].step - 1, &Fork::step) != own->ahead.end();
    if (i == 0 || steps_[i - 1].segment != own->id || forked) {
      const size_t order = BALLAST_TRY(order_of(*own));
      ranges_.push_back({i, i, own->before(steps_[i].step).skips, order});
    }
    ranges_.back().last = i + 1;
    const int64_t start = sample_of(steps_[i].consumed, ranges_.back().skips);
    if (trace.batch_starts[i] >= 0 && trace.batch_starts[i] != start)
      return corrupt_error(
          fmt::format("journal and trace disagree: step {} of segment {} begins at sample {} by "
                      "the one, {} by the other",
                      steps_[i].step, own->id, start, trace.batch_starts[i]),
          run_);
  }
  return {};
}

const StepRange& RunData::range_of(const StepBatch& step) const {
  const auto index = static_cast<size_t>(&step - steps_.data());
  BALLAST_CHECK(index < steps_.size());
  return *(std::ranges::upper_bound(ranges_, index, {}, &StepRange::first) - 1);
}

const StepBatch* RunData::find_step(int64_t step, std::optional<int64_t> segment) const {
  for (const StepRange& range : ranges_) {
    const StepBatch& first = steps_[range.first];
    const int64_t offset = step - first.step;
    if (offset < 0 || range.first + static_cast<size_t>(offset) >= range.last) continue;
    const StepBatch& found = steps_[range.first + static_cast<size_t>(offset)];
    if (segment ? found.segment == *segment : found.surviving) return &found;
  }
  return nullptr;
}

const BatchNotes& RunData::notes(const StepBatch& step) const {
  static const BatchNotes kNothing;
  const auto found = notes_.find({step.segment, step.step});
  return found == notes_.end() ? kNothing : found->second;
}

std::vector<int64_t> RunData::samples(const StepBatch& step) const {
  const StepRange& range = range_of(step);
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < step.samples; ++i)
    samples.push_back(sample_of(step.consumed + i, range.skips));
  return samples;
}

const DataOrder& RunData::order(const StepBatch& step) const {
  return orders_[range_of(step).order];
}

Result<std::vector<int32_t>> RunData::tokens(const SampleAddress& address) const {
  std::vector<int32_t> ids(static_cast<size_t>(seq_len_));
  BALLAST_TRY(sources_[static_cast<size_t>(address.source)].shard->read_tokens(
      address.window * seq_len_, ids));
  return ids;
}

std::map<int64_t, int64_t> RunData::line_to(int64_t segment, int64_t step) const {
  std::map<int64_t, int64_t> line;
  std::optional<int64_t> id = segment;
  int64_t last = step;
  while (id) {
    const auto found = std::ranges::find(segments_, *id, &SegmentData::id);
    if (found == segments_.end() || !line.emplace(*id, last).second) break;
    last = std::min(last, found->parent_step);
    id = found->parent;
  }
  return line;
}

}  // namespace ballast
