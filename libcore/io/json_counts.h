// Counts as JSON and back, for summaries that several processes make and one adds up. A type with
//   template <class Self, class Fields> static void fields(Self& self, Fields&& field) {
//     field("records", self.records_);
//   }
// over integers, maps of them by string, lists and arrays of them, or types of the same kind, is
// written by counts_json() and added to by add_counts().
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr size_t kMostCounts = size_t{1} << 20;  // in one list

class CountsWriter {
 public:
  static Json json(const int64_t& count) { return count; }
  template <class Map>
  requires requires { typename Map::mapped_type; }
  static Json json(const Map& map) {
    Json object = Json::object();
    // Names are distinct, and looking each up in an ordered object would be quadratic.
    auto& members = object.get_ref<Json::object_t&>();
    for (const auto& [name, value] : map) members.emplace_back(name, json(value));
    return object;
  }
  template <class T>
  static Json json(const std::vector<T>& list) {
    Json array = Json::array();
    for (const T& value : list) array.push_back(json(value));
    return array;
  }
  template <class T, size_t N>
  static Json json(const std::array<T, N>& list) {
    Json array = Json::array();
    for (const T& value : list) array.push_back(json(value));
    return array;
  }
  template <class T>
  requires(!requires { typename T::value_type; }) static Json json(const T& value) {
    Json object = Json::object();
    T::fields(value,
              [&object](const char* name, const auto& field) { object[name] = json(field); });
    return object;
  }
};

class CountsAdder {
 public:
  explicit CountsAdder(const std::string& where) : where_(where) {}

  Result<void> add(const Json& from, int64_t& count) const {
    if (!from.is_number_integer() || from.get<int64_t>() < 0) return wrong("no count");
    if (__builtin_add_overflow(count, from.get<int64_t>(), &count))
      return wrong("counts add up to more than 2^63");
    return {};
  }
  template <class Map>
  requires requires { typename Map::mapped_type; }
  Result<void> add(const Json& from, Map& map) const {
    if (!from.is_object()) return wrong("no object");
    for (const auto& item : from.items()) BALLAST_TRY(add(item.value(), map[item.key()]));
    return {};
  }
  template <class T>
  Result<void> add(const Json& from, std::vector<T>& list) const {
    if (!from.is_array() || from.size() > kMostCounts) return wrong("no list");
    if (list.size() < from.size()) list.resize(from.size());
    for (size_t i = 0; i < from.size(); ++i) BALLAST_TRY(add(from[i], list[i]));
    return {};
  }
  template <class T, size_t N>
  Result<void> add(const Json& from, std::array<T, N>& list) const {
    if (!from.is_array() || from.size() != N) return wrong(fmt::format("no list of {}", N));
    for (size_t i = 0; i < N; ++i) BALLAST_TRY(add(from[i], list[i]));
    return {};
  }
  template <class T>
  requires(!requires { typename T::value_type; }) Result<void> add(const Json& from, T& value)
  const {
    Result<void> result;
    T::fields(value, [&](const char* name, auto& field) {
      if (!result.ok()) return;
      auto found = member(from, name, where_);
      result = found.ok() ? add(**found, field) : Result<void>(found.take_error());
    });
    return result;
  }

 private:
  Error wrong(std::string why) const {
    return corrupt_error("counts are damaged", where_, std::move(why));
  }
  const std::string& where_;
};

template <class T>
Json counts_json(const T& counts) {
  return CountsWriter::json(counts);
}
template <class T>
Result<void> add_counts(const Json& from, T& counts, const std::string& where) {
  return CountsAdder(where).add(from, counts);
}

}  // namespace ballast
