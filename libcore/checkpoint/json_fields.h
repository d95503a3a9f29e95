// Bounded access to the fields of our own JSON files. Errors are kind corrupt with key and place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/skip_ranges.h"
#include "libcore/io/json.h"

namespace ballast {

// Whole, 0 <= value <= 2^62: sums of two never overflow.
Result<int64_t> count_field(const Json& object, const std::string& key, const std::string& where);
Result<Json> object_field(const Json& object, const std::string& key, const std::string& where);
Result<const Json*> array_field(const Json& object, const std::string& key,
                                const std::string& where);
// Ascending, disjoint [begin, end] pairs.
Result<std::vector<SkipRange>> skip_ranges_field(const Json& object, const std::string& key,
                                                 const std::string& where);
// Every key of `object` is one of `known`.
Result<void> refuse_unknown_fields(const Json& object,
                                   std::initializer_list<std::string_view> known,
                                   const std::string& where);

}  // namespace ballast
