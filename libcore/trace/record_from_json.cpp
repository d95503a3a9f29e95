#include "libcore/trace/record_from_json.h"

#include <fmt/format.h>

#include <utility>

namespace ballast {
namespace {

// Takes members out of the object; what is left over are the details.
class Taker {
 public:
  Taker(Json& object, std::string type) : object_(object), type_(std::move(type)) {}

  Result<void> take(const char* key, std::string& into) {
    const auto found = object_.find(key);
    if (found == object_.end()) return {};
    if (!found->is_string()) return bad(key, "text");
    into = found->get<std::string>();
    object_.erase(found);
    return {};
  }
  Result<void> take(const char* key, int64_t& into) {
    std::optional<int64_t> value;
    BALLAST_TRY(take(key, value));
    if (value) into = *value;
    return {};
  }
  Result<void> take(const char* key, std::optional<int64_t>& into) {
    if (!object_.contains(key)) return {};
    into = BALLAST_TRY(integer_member(object_, key, type_ + " record"));
    object_.erase(key);
    return {};
  }
  Result<void> take(const char* key, std::optional<double>& into) {
    if (!object_.contains(key)) return {};
    into = BALLAST_TRY(number_member(object_, key, type_ + " record"));
    object_.erase(key);
    return {};
  }
  Result<void> take(const char* key, Json& into) {
    const auto found = object_.find(key);
    if (found == object_.end()) return {};
    into = std::move(*found);
    object_.erase(found);
    return {};
  }
  Result<void> take_time(int64_t& into) {
    std::string text;
    BALLAST_TRY(take("time", text));
    if (!text.empty()) into = BALLAST_TRY(parse_time_us(text));
    return {};
  }
  Result<void> require(const char* key) {
    if (object_.contains(key)) return {};
    return corrupt_error(fmt::format("the {} record has no '{}'", type_, key));
  }
  void rest(Json& into) {
    object_.erase("v");
    object_.erase("type");
    if (!object_.empty()) into = std::move(object_);
  }

 private:
  Error bad(const char* key, const char* expected) const {
    return corrupt_error(fmt::format("'{}' of the {} record is not {}", key, type_, expected));
  }
  Json& object_;
  std::string type_;
};

Result<void> read_run(Taker& taker, RunRecord& r) {
  BALLAST_TRY(taker.take_time(r.time_us));
  BALLAST_TRY(taker.take("segment", r.segment));
  BALLAST_TRY(taker.take("parent", r.parent));
  BALLAST_TRY(taker.take("parent_step", r.parent_step));
  BALLAST_TRY(taker.take("parent_checkpoint", r.parent_checkpoint));
  BALLAST_TRY(taker.take("run", r.run));
  BALLAST_TRY(taker.take("version", r.version));
  BALLAST_TRY(taker.take("config_hash", r.config_hash));
  BALLAST_TRY(taker.take("model", r.model));
  BALLAST_TRY(taker.take("parameters", r.parameters));
  BALLAST_TRY(taker.take("optimizer", r.optimizer));
  BALLAST_TRY(taker.take("schedule", r.schedule));
  BALLAST_TRY(taker.take("clip", r.clip));
  BALLAST_TRY(taker.take("guard", r.guard));
  BALLAST_TRY(taker.take("precision", r.precision));
  BALLAST_TRY(taker.take("device", r.device));
  BALLAST_TRY(taker.take("host", r.host));
  BALLAST_TRY(taker.take("job", r.job));
  BALLAST_TRY(taker.take("ranks", r.ranks));
  BALLAST_TRY(taker.take("total_tokens", r.total_tokens));
  BALLAST_TRY(taker.take("batch_tokens", r.batch_tokens));
  BALLAST_TRY(taker.take("seq_len", r.seq_len));
  BALLAST_TRY(taker.take("seed", r.seed));
  BALLAST_TRY(taker.take("data_seed", r.data_seed));
  BALLAST_TRY(taker.take("cost_per_hour", r.cost_per_hour));
  BALLAST_TRY(taker.take("clip_state", r.clip_state));
  BALLAST_TRY(taker.take("detector_state", r.detector_state));
  taker.rest(r.details);
  return {};
}

Result<void> read_event(Taker& taker, EventRecord& r) {
  BALLAST_TRY(taker.require("step"));
  BALLAST_TRY(taker.require("event"));
  BALLAST_TRY(taker.take_time(r.time_us));
  BALLAST_TRY(taker.take("segment", r.segment));
  BALLAST_TRY(taker.take("step", r.step));
  BALLAST_TRY(taker.take("event", r.event));
  if (r.event.empty()) return corrupt_error("the 'event' of an event record is empty");
  BALLAST_TRY(taker.take("reason", r.reason));
  taker.rest(r.details);
  return {};
}

Result<void> read_eval(Taker& taker, EvalRecord& r) {
  BALLAST_TRY(taker.require("step"));
  BALLAST_TRY(taker.take_time(r.time_us));
  BALLAST_TRY(taker.take("segment", r.segment));
  BALLAST_TRY(taker.take("step", r.step));
  BALLAST_TRY(taker.take("tokens", r.tokens));
  BALLAST_TRY(taker.take("set", r.set));
  BALLAST_TRY(taker.take("loss", r.loss));
  BALLAST_TRY(taker.take("perplexity", r.perplexity));
  BALLAST_TRY(taker.take("perplexity_low", r.perplexity_low));
  BALLAST_TRY(taker.take("perplexity_high", r.perplexity_high));
  BALLAST_TRY(taker.take("n_tokens", r.n_tokens));
  taker.rest(r.details);
  return {};
}

Result<void> read_other(Json& object, const std::string& type, OtherRecord& r) {
  r.type = type;
  if (object.contains("segment"))
    r.segment = BALLAST_TRY(integer_member(object, "segment", type + " record"));
  if (object.contains("step"))
    r.step = BALLAST_TRY(integer_member(object, "step", type + " record"));
  r.object = std::move(object);
  return {};
}

}  // namespace

Result<void> record_from_json(std::string_view line, TraceRecord& record) {
  Json object = BALLAST_TRY(parse_json(line, ""));
  const std::string type = BALLAST_TRY(string_member(object, "type", "record"));
  Taker taker(object, type);
  if (type == "run") {
    record.type = RecordType::run;
    record.run = {};
    BALLAST_TRY(read_run(taker, record.run));
    record.segment = record.run.segment;
  } else if (type == "event") {
    record.type = RecordType::event;
    record.event = {};
    BALLAST_TRY(read_event(taker, record.event));
    record.segment = record.event.segment;
  } else if (type == "eval") {
    record.type = RecordType::eval;
    record.eval = {};
    BALLAST_TRY(read_eval(taker, record.eval));
    record.segment = record.eval.segment;
  } else {
    record.type = RecordType::other;
    record.other = {};
    BALLAST_TRY(read_other(object, type, record.other));
    record.segment = record.other.segment;
  }
  return {};
}

}  // namespace ballast
