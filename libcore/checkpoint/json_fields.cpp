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

Result<std::vector<SkipRange>> skip_ranges_field(const Json& object, const std::string& key,
                                                 const std::string& where) {
  std::vector<SkipRange> ranges;
  for (const Json& pair : *BALLAST_TRY(array_field(object, key, where))) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
        !pair[1].is_number_integer())
      return corrupt_error("an entry of '" + key + "' is not [begin, end]", where);
    ranges.push_back({pair[0].get<int64_t>(), pair[1].get<int64_t>()});
  }
  if (!are_skip_ranges_sorted(ranges))
    return corrupt_error("'" + key + "' are not ascending and disjoint", where);
  return ranges;
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
