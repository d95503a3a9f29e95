#include "libcore/checkpoint/json_fields.h"

#include <algorithm>

#include "libcore/io/utf8.h"

namespace ballast {

Result<int64_t> count_field(const Json& object, const std::string& key, const std::string& where) {
  const int64_t value = BALLAST_TRY(integer_member(object, key, where));
  if (value < 0 || value > (int64_t{1} << 62)) {
    return corrupt_error("'" + key + "' is " + std::to_string(value), where, "accepted: 0..2^62");
  }
  return value;
}

Result<Json> object_field(const Json& object, const std::string& key, const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  if (!value->is_object()) return corrupt_error("'" + key + "' is not an object", where);
  return *value;
}

Result<const Json*> array_field(const Json& object, const std::string& key,
                                const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  if (!value->is_array()) return corrupt_error("'" + key + "' is not an array", where);
  return value;
}

Result<void> refuse_unknown_fields(const Json& object,
                                   std::initializer_list<std::string_view> known,
                                   const std::string& where) {
  if (!object.is_object()) return corrupt_error("not a JSON object", where);
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, std::string_view(key)) == known.end()) {
      return corrupt_error("unknown key '" + printable(key) + "'", where);
    }
  }
  return {};
}

}  // namespace ballast
