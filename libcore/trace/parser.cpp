#include "libcore/trace/parser.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "libcore/trace/record_from_json.h"
#include "libcore/trace/step_fields.h"
#include "libcore/trace/step_line.h"

namespace ballast {
namespace {

using simdjson::ondemand::value;
using Field = StepField;
using Kind = StepField::Kind;

// A double, or one of the three words for what JSON has no number for.
bool get_number(value v, double& out) {
  if (v.get_double().get(out) == simdjson::SUCCESS) return true;
  std::string_view word;
  if (v.get_string().get(word) != simdjson::SUCCESS) return false;
  if (word == "NaN") {
    out = std::numeric_limits<double>::quiet_NaN();
  } else if (word == "Infinity") {
    out = std::numeric_limits<double>::infinity();
  } else if (word == "-Infinity") {
    out = -std::numeric_limits<double>::infinity();
  } else {
    return false;
  }
  return true;
}

bool get_text(value v, std::string& out) {
  std::string_view view;
  if (v.get_string().get(view) != simdjson::SUCCESS) return false;
  out.assign(view);
  return true;
}

bool get_sources(value v, StepRecord& record) {
  simdjson::ondemand::object object;
  if (v.get_object().get(object) != simdjson::SUCCESS) return false;
  for (auto result : object) {
    simdjson::ondemand::field field;
    std::string_view name;
    double loss = 0;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) return false;
    const std::string key(name);
    if (!get_number(field.value(), loss)) return false;
    record.source_loss.emplace_back(key, loss);
  }
  return true;
}

bool convert(const Field& field, value v, StepRecord& record) {
  switch (field.kind) {
    case Kind::time: {
      std::string_view view;
      if (v.get_string().get(view) != simdjson::SUCCESS) return false;
      const Result<int64_t> time = parse_time_us(view);
      if (time.ok()) record.time_us = *time;
      return time.ok();
    }
    case Kind::whole:
      return v.get_int64().get(record.*field.whole) == simdjson::SUCCESS;
    case Kind::maybe_whole: {
      int64_t number = 0;
      if (v.get_int64().get(number) != simdjson::SUCCESS) return false;
      record.*field.maybe_whole = number;
      return true;
    }
    case Kind::number: {
      double number = 0;
      if (!get_number(v, number)) return false;
      record.*field.number = number;
      return true;
    }
    case Kind::text:
      return get_text(v, record.*field.text);
    case Kind::flag:
      return v.get_bool().get(record.skipped) == simdjson::SUCCESS;
    case Kind::sources:
      return get_sources(v, record);
  }
  return false;
}

bool key_is(const simdjson::ondemand::raw_json_string& key, std::string_view name) {
  const char* raw = key.raw();
  return std::memcmp(raw, name.data(), name.size()) == 0 && raw[name.size()] == '"';
}

}  // namespace

struct TraceParser::State {
  simdjson::ondemand::parser parser;
  uint64_t fields = kAllFields;
  std::string padded;

  // The field named by `key`, looked for from the one after the last hit; kStepFields.size():
  // unknown.
  static size_t find(const simdjson::ondemand::raw_json_string& key, size_t guess) {
    for (size_t i = 0; i < kStepFields.size(); ++i) {
      const size_t at = guess + i < kStepFields.size() ? guess + i : guess + i - kStepFields.size();
      if (key_is(key, kStepFields[at].name)) return at;
    }
    return kStepFields.size();
  }

  Result<void> parse_step(simdjson::ondemand::object& object, StepRecord& record) {
    clear_step(record);
    bool has_step = false;
    size_t guess = 0;
    for (auto result : object) {
      simdjson::ondemand::field item;
      if (std::move(result).get(item) != simdjson::SUCCESS)
        return corrupt_error("a step record is not JSON");
      const size_t at = find(item.key(), guess);
      if (at == kStepFields.size()) continue;
      guess = at + 1;
      const Field& field = kStepFields[at];
      if ((field.mask & fields) == 0) continue;
      if (!convert(field, item.value(), record))
        return corrupt_error(fmt::format("'{}' of a step record has no usable value", field.name));
      has_step = has_step || field.name == "step";
    }
    if (!has_step) return corrupt_error("a step record has no 'step'");
    return {};
  }
};

TraceParser::TraceParser(uint64_t fields) : state_(std::make_unique<State>()) {
  static_assert(kPadding >= simdjson::SIMDJSON_PADDING);
  state_->fields = fields;
}
TraceParser::~TraceParser() = default;

Result<void> TraceParser::parse(std::string_view line, TraceRecord& record) {
  state_->padded.assign(line);
  state_->padded.append(kPadding, '\0');
  return parse_padded(std::string_view(state_->padded).substr(0, line.size()), record);
}

Result<void> TraceParser::parse_padded(std::string_view line, TraceRecord& record) {
  if (parse_step_line(line, state_->fields, record.step)) {
    record.type = RecordType::step;
    record.segment = record.step.segment;
    return {};
  }
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (state_->parser.iterate(line.data(), line.size(), line.size() + kPadding).get(document) !=
          simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return corrupt_error("the line is not a JSON object");
  std::string_view type;
  if (object.find_field_unordered("type").get_string().get(type) != simdjson::SUCCESS)
    return corrupt_error("the record has no 'type'");
  if (type != "step") return record_from_json(line, record);
  bool empty = false;
  if (object.reset().get(empty) != simdjson::SUCCESS)
    return corrupt_error("the line is not a JSON object");
  record.type = RecordType::step;
  BALLAST_TRY(state_->parse_step(object, record.step));
  const char* rest = nullptr;
  if (document.current_location().get(rest) == simdjson::SUCCESS)
    return corrupt_error("text follows the JSON object");
  record.segment = record.step.segment;
  return {};
}

}  // namespace ballast
