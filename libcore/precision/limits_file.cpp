#include <cmath>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/precision/gates.h"

namespace ballast {
namespace {

Error bad_limits(std::string what, const std::string& where, std::string why = {}) {
  return usage_error(std::move(what), where, std::move(why));
}

Result<double> limit_of(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_null()) return kNoLimit;
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) {
    return bad_limits("'" + key + "' is not a limit", where, "a number >= 0, or null");
  }
  return value.get<double>();
}

Result<double> binades_of(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 || value.get<uint64_t>() > 63) {
    return bad_limits("'" + key + "' is not a span", where, "a whole number from 1 to 63");
  }
  return static_cast<double>(value.get<uint64_t>());
}

Result<void> apply_gate(const Json& object, const std::string& where, Gate& gate, Limits& limits) {
  const std::string here = gate.id + ": ";
  if (!gate.needs.empty()) {
    return bad_limits(here + "cannot be judged from weights", where, "needs " + gate.needs);
  }
  if (!object.is_object()) return bad_limits(here + "not an object", where);
  for (const auto& [key, value] : object.items()) {
    if (key == "warn") {
      gate.warn = BALLAST_TRY(limit_of(value, gate.id + ".warn", where));
    } else if (key == "fail") {
      gate.fail = BALLAST_TRY(limit_of(value, gate.id + ".fail", where));
    } else if (key == "origin" && value.is_string()) {
      gate.origin = value.get<std::string>();
    } else if (key == "warn_binades" && gate.id == "G18") {
      limits.warn_binades = BALLAST_TRY(binades_of(value, "G18.warn_binades", where));
    } else if (key == "fail_binades" && gate.id == "G18") {
      limits.fail_binades = BALLAST_TRY(binades_of(value, "G18.fail_binades", where));
    } else {
      return bad_limits(here + "unknown key or type '" + printable(key) + "'", where,
                        gate.id == "G18" ? "warn, fail, origin, warn_binades, fail_binades"
                                         : "warn, fail, origin");
    }
  }
  return {};
}

Result<void> apply_gates(const Json& object, const std::string& where, Limits& limits) {
  if (!object.is_object()) return bad_limits("'gates' is not an object", where);
  for (const auto& [id, value] : object.items()) {
    Gate* found = nullptr;
    for (Gate& gate : limits.gates) {
      if (gate.id == id) found = &gate;
    }
    if (found == nullptr) {
      return bad_limits("unknown gate '" + printable(id) + "'", where, "G1 to G20");
    }
    BALLAST_TRY(apply_gate(value, where, *found, limits));
  }
  return {};
}

}  // namespace

Result<void> apply_limits(std::string_view json, const std::string& where, Limits& limits) {
  Result<Json> parsed = parse_json(json, where);
  if (!parsed.ok()) {
    Error error = parsed.take_error();
    error.kind = ErrorKind::usage;
    return error;
  }
  const Json& object = *parsed;
  if (!object.is_object()) return bad_limits("limits are not an object", where);
  if (!object.contains("v") || object["v"] != 1) {
    return bad_limits("missing or unknown version 'v'", where, "1");
  }
  for (const auto& [key, value] : object.items()) {
    if (key == "v") continue;
    if (key == "gates") {
      BALLAST_TRY(apply_gates(value, where, limits));
    } else if (key == "min_values") {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{1} << 53) {
        return bad_limits("'min_values' is not a count", where, "a whole number >= 0");
      }
      limits.min_values = static_cast<int64_t>(value.get<uint64_t>());
    } else {
      return bad_limits("unknown key '" + printable(key) + "'", where, "v, min_values, gates");
    }
  }
  return {};
}

}  // namespace ballast
