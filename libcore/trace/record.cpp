#include "libcore/trace/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ballast {
namespace {

// Builds one line; keys in the order of the calls.
class Line {
 public:
  Line(std::string& into, std::string_view type, int64_t time_us, int64_t segment) : out_(into) {
    fmt::format_to(std::back_inserter(out_), "{{\"v\":{},\"type\":\"{}\"", kTraceVersion, type);
    if (time_us != 0)
      fmt::format_to(std::back_inserter(out_), ",\"time\":\"{}\"", format_time_us(time_us));
    fmt::format_to(std::back_inserter(out_), ",\"segment\":{}", segment);
  }
  void key(std::string_view name) {
    out_ += ",\"";
    out_ += name;
    out_ += "\":";
  }
  void add(std::string_view name, int64_t value) {
    key(name);
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void add(std::string_view name, const std::optional<int64_t>& value) {
    if (value) add(name, *value);
  }
  void number(double value) {
    if (std::isfinite(value)) {
      fmt::format_to(std::back_inserter(out_), "{}", value);
    } else {
      out_ += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }
  }
  void add(std::string_view name, const std::optional<double>& value) {
    if (!value) return;
    key(name);
    number(*value);
  }
  void text(std::string_view value) {
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    });
    if (plain) {
      out_ += '"';
      out_ += value;
      out_ += '"';
    } else {
      out_ += to_json_line(Json(std::string(value)));
    }
  }
  void add(std::string_view name, const std::string& value) {
    if (value.empty()) return;
    key(name);
    text(value);
  }
  void add(std::string_view name, const Json& value) {
    if (value.is_null()) return;
    key(name);
    out_ += to_json_line(value);
  }
  void flatten(const Json& details) {
    if (!details.is_object()) return;
    for (const auto& [name, value] : details.items()) {
      out_ += ',';
      text(name);
      out_ += ':';
      out_ += to_json_line(value);
    }
  }
  void finish() { out_ += "}\n"; }

 private:
  std::string& out_;
};

}  // namespace

bool is_event_name(std::string_view name) {
  return std::find(std::begin(kEventNames), std::end(kEventNames), name) != std::end(kEventNames);
}

bool restarts_statistics(std::string_view event) {
  return event == "phase" || event == "batch_size" || event == "lr" || event == "precision";
}

void append_record(std::string& into, const RunRecord& r) {
  Line line(into, "run", r.time_us, r.segment);
  line.add("parent", r.parent);
  line.add("parent_step", r.parent_step);
  line.add("parent_checkpoint", r.parent_checkpoint);
  line.add("run", r.run);
  line.add("version", r.version);
  line.add("config_hash", r.config_hash);
  line.add("model", r.model);
  line.add("parameters", r.parameters);
  line.add("optimizer", r.optimizer);
  line.add("schedule", r.schedule);
  line.add("clip", r.clip);
  line.add("guard", r.guard);
  line.add("precision", r.precision);
  line.add("device", r.device);
  line.add("host", r.host);
  line.add("job", r.job);
  line.add("ranks", r.ranks);
  line.add("total_tokens", r.total_tokens);
  line.add("batch_tokens", r.batch_tokens);
  line.add("seq_len", r.seq_len);
  line.add("seed", r.seed);
  line.add("data_seed", r.data_seed);
  line.add("cost_per_hour", r.cost_per_hour);
  line.add("clip_state", r.clip_state);
  line.add("detector_state", r.detector_state);
  line.flatten(r.details);
  line.finish();
}

void append_record(std::string& into, const StepRecord& r) {
  Line line(into, "step", r.time_us, r.segment);
  line.add("step", r.step);
  line.add("tokens", r.tokens);
  line.add("samples", r.samples);
  line.add("tokens_trained", r.tokens_trained);
  line.add("loss", r.loss);
  line.add("lr", r.lr);
  line.add("grad_norm", r.grad_norm);
  line.add("grad_norm_clipped", r.grad_norm_clipped);
  line.add("clip_threshold", r.clip_threshold);
  line.add("clip_z", r.clip_z);
  line.add("z_loss", r.z_loss);
  line.add("param_norm", r.param_norm);
  line.add("update_norm", r.update_norm);
  line.add("v_norm", r.v_norm);
  line.add("update_rms", r.update_rms);
  line.add("tokens_per_s", r.tokens_per_s);
  line.add("mfu", r.mfu);
  line.add("step_ms", r.step_ms);
  line.add("data_ms", r.data_ms);
  line.add("compute_ms", r.compute_ms);
  line.add("comm_ms", r.comm_ms);
  line.add("checkpoint_ms", r.checkpoint_ms);
  line.add("phase", r.phase);
  line.add("precision", r.precision);
  line.key("skipped");
  into += r.skipped ? "true" : "false";
  line.add("skip_reason", r.skip_reason);
  line.add("n_valid", r.n_valid);
  line.add("loss_max_rank", r.loss_max_rank);
  line.add("batch_start", r.batch_start);
  if (!r.source_loss.empty()) {
    line.key("source_loss");
    char separator = '{';
    for (const auto& [name, loss] : r.source_loss) {
      into += separator;
      separator = ',';
      line.text(name);
      into += ':';
      line.number(loss);
    }
    into += '}';
  }
  line.finish();
}

void append_record(std::string& into, const EventRecord& r) {
  Line line(into, "event", r.time_us, r.segment);
  line.add("step", r.step);
  line.add("event", r.event);
  line.add("reason", r.reason);
  line.flatten(r.details);
  line.finish();
}

void append_record(std::string& into, const EvalRecord& r) {
  Line line(into, "eval", r.time_us, r.segment);
  line.add("step", r.step);
  line.add("tokens", r.tokens);
  line.add("set", r.set);
  line.add("loss", r.loss);
  line.add("perplexity", r.perplexity);
  line.add("perplexity_low", r.perplexity_low);
  line.add("perplexity_high", r.perplexity_high);
  line.add("n_tokens", r.n_tokens);
  line.flatten(r.details);
  line.finish();
}

void append_record(std::string& into, std::string_view type, int64_t segment, int64_t time_us,
                   int64_t step, const Json& object) {
  Line line(into, type, time_us, segment);
  line.add("step", step);
  line.flatten(object);
  line.finish();
}

}  // namespace ballast
