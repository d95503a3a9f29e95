// The records of a trace, version 1 (ballast-trace(5) is normative). One JSON object per line; the
// structs below name its keys. Optional members are keys that may be missing; `details` holds keys
// that are written flat into the record after the named ones and kept when read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

constexpr int kTraceVersion = 1;

// Microseconds since 1970 in UTC <-> "2026-11-21T23:50:01.123456Z".
std::string format_time_us(int64_t time_us);
Result<int64_t> parse_time_us(std::string_view text);
int64_t wall_clock_us();

// Written once when a segment starts.
struct RunRecord {
  int64_t segment = 0;
  int64_t time_us = 0;
  std::optional<int64_t> parent;       // segment this one continues
  std::optional<int64_t> parent_step;  // last step of it that counts; later ones are abandoned
  std::string parent_checkpoint;       // xxh3-128 of the parent's manifest; empty: none
  std::string run;                     // name of the run
  std::string version;                 // of Ballast
  std::string config_hash;
  std::string model;                                        // name or preset
  std::string optimizer, schedule, clip, guard, precision;  // full strategies
  std::string device;
  std::string host;
  std::string job;  // batch system's id
  int64_t ranks = 1;
  std::optional<int64_t> parameters;
  std::optional<int64_t> total_tokens;
  std::optional<int64_t> batch_tokens;
  std::optional<int64_t> seq_len;
  std::optional<int64_t> seed, data_seed;
  std::optional<double> cost_per_hour;
  Json clip_state;      // Clipper::state() at the start of the segment; null: fresh
  Json detector_state;  // Detector::state() likewise
  Json details;         // object or null
};

// One per optimizer step. Losses in nats per token, norms L2.
struct StepRecord {
  int64_t segment = 0;
  int64_t time_us = 0;
  int64_t step = 0;                       // from 1
  int64_t tokens = 0;                     // consumed after this step, skipped steps included
  int64_t samples = 0;                    // likewise
  std::optional<int64_t> tokens_trained;  // without skipped steps
  std::optional<double> loss;
  std::optional<double> lr;
  std::optional<double> grad_norm;          // before clipping: the double the clipper saw
  std::optional<double> grad_norm_clipped;  // grad_norm * factor
  std::optional<double> clip_threshold;     // ClipDecision::threshold, absent when NaN
  std::optional<double> clip_z;             // ClipDecision::z, absent when NaN
  std::optional<double> z_loss, param_norm, update_norm, v_norm;
  std::optional<double> update_rms;  // stable_adamw: the largest R of a tensor
  std::optional<double> tokens_per_s, mfu, step_ms;
  // Of step_ms: reading the batch, computing, waiting for other ranks. Saving comes on top, since
  // the record before.
  std::optional<double> data_ms, compute_ms, comm_ms, checkpoint_ms;
  std::optional<double> loss_max_rank;  // largest loss of any rank
  std::optional<int64_t> n_valid;       // unmasked labels
  std::optional<int64_t> batch_start;   // data index of the first sample
  std::string phase;
  std::string precision;
  bool skipped = false;
  std::string skip_reason;                                  // empty unless skipped
  std::vector<std::pair<std::string, double>> source_loss;  // key "source_loss": {name: loss}
};

struct EventRecord {
  int64_t segment = 0;
  int64_t time_us = 0;
  int64_t step = 0;   // the event takes effect before this step's decisions
  std::string event;  // one of kEventNames
  std::string reason;
  Json details;  // object or null: rank, host, device, samples, from, to, value, ...
};
constexpr std::string_view kEventNames[] = {
    "spike",  "skip",   "rerun", "rollback",  "restore",    "phase",  "batch_size",
    "lr",     "clip",   "data",  "precision", "checkpoint", "inject", "resume",
    "branch", "signal", "nan",   "hardware",  "note"};
bool is_event_name(std::string_view name);
// Events that move the level of norms and losses for good. When one takes effect,
// Clipper::on_event and Detector::on_event are called, live and in replay: phase, batch_size, lr,
// precision.
bool restarts_statistics(std::string_view event);

struct EvalRecord {
  int64_t segment = 0;
  int64_t time_us = 0;
  int64_t step = 0;
  int64_t tokens = 0;
  std::string set;  // which held-out data
  std::optional<double> loss, perplexity, perplexity_low, perplexity_high;
  std::optional<int64_t> n_tokens;
  Json details;
};

// "layers", "amax" and types of later versions: the whole object as it stands.
struct OtherRecord {
  std::string type;
  int64_t segment = 0;
  std::optional<int64_t> step;
  Json object;
};

// One line with its LF, keys in the documented order, doubles shortest round-trip. A time of 0 is
// not known and not written.
void append_record(std::string& into, const RunRecord& record);
void append_record(std::string& into, const StepRecord& record);
void append_record(std::string& into, const EventRecord& record);
void append_record(std::string& into, const EvalRecord& record);
// Adds "v", "type", "time", "segment", "step" in front of the keys of `object`.
void append_record(std::string& into, std::string_view type, int64_t segment, int64_t time_us,
                   int64_t step, const Json& object);

}  // namespace ballast
