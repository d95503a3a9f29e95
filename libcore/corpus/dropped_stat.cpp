#include "libcore/corpus/dropped_stat.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

constexpr int64_t kMostCount = int64_t{1} << 50;  // kMostSummaries of them still add up

struct RecordType {
  const char* name;
  const char* documents;  // key of how many it read
  const char* text;       // key of how much text, or nullptr
};
constexpr RecordType kTypes[] = {{"filter", "records", "chars"},
                                 {"dedup", "documents", "bytes"},
                                 {"decontaminate", "documents", nullptr},
                                 {"mix", "documents", nullptr}};

Result<int64_t> bounded(const Json& object, const std::string& key, const std::string& where) {
  const int64_t count = BALLAST_TRY(count_member(object, key.c_str(), where));
  if (count > kMostCount)
    return corrupt_error(fmt::format("'{}' is out of range", key), where, "0..2^50");
  return count;
}

Result<const RecordType*> type_of(const Json& record, const std::string& where) {
  const char* expected = "filter, dedup, decontaminate or mix --stats writes one";
  if (!record.is_object() || !record.contains("type") || !record.at("type").is_string())
    return corrupt_error("no summary record", where, expected);
  const auto type = record.at("type").get<std::string>();
  const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const RecordType& one) { return type == one.name; });
  if (known == std::end(kTypes))
    return corrupt_error(fmt::format("no summary record, but one of type '{}'", type), where,
                         expected);
  const int64_t version = BALLAST_TRY(integer_member(record, "v", where));
  if (version != 1)
    return corrupt_error(fmt::format("summary of version {} is not supported", version), where,
                         "supported: 1");
  return known;
}

// Methods are steps of their own: a corpus goes through exact and near deduplication.
Result<std::string> step_name(const Json& record, const std::string& where) {
  std::string name = BALLAST_TRY(string_member(record, "type", where));
  for (const char* key : {"method", "unit"})
    if (record.contains(key)) name += " " + BALLAST_TRY(string_member(record, key, where));
  return name;
}

Result<const Json*> object_of(const Json& record, const char* key, const std::string& where) {
  const Json* object = BALLAST_TRY(member(record, key, where));
  if (!object->is_object()) return corrupt_error(fmt::format("'{}' is not an object", key), where);
  return object;
}

// Counts by name that are together at most `most`, which bounds the sum too.
Result<std::map<std::string, int64_t>> counts_of(const Json& record, const char* key, int64_t most,
                                                 const std::string& where) {
  std::map<std::string, int64_t> counts;
  const Json* object = BALLAST_TRY(object_of(record, key, where));
  for (const auto& [name, value] : object->items()) {
    const int64_t count = BALLAST_TRY(bounded(*object, name, where));
    if (count > most)
      return corrupt_error(fmt::format("'{}' counts more documents than there are", key), where);
    most -= count;
    counts[name] = count;
  }
  return counts;
}

struct VerdictKeys {
  const char *object, *first, *second;
  int64_t RuleVerdicts::*into_first;
  int64_t RuleVerdicts::*into_second;
  RuleVerdicts* others;  // for the empty name, where it means all that are not listed
};

Result<void> read_verdicts(const Json& record, const VerdictKeys& keys, int64_t documents,
                           const std::string& where, std::map<std::string, RuleVerdicts>& into) {
  if (!record.contains(keys.object)) return {};  // the rule was not asked for
  const Json* object = BALLAST_TRY(object_of(record, keys.object, where));
  int64_t left = 2 * documents;  // a blocked one was asked about as well
  for (const auto& [name, one] : object->items()) {
    const int64_t first = BALLAST_TRY(bounded(one, keys.first, where));
    const int64_t second = BALLAST_TRY(bounded(one, keys.second, where));
    if (first > left || second > left - first)
      return corrupt_error(fmt::format("'{}' counts more documents than there are", keys.object),
                           where);
    left -= first + second;
    RuleVerdicts& verdicts = name.empty() && keys.others != nullptr ? *keys.others : into[name];
    verdicts.*keys.into_first = first;
    verdicts.*keys.into_second = second;
  }
  return {};
}

Result<void> read_rules(const Json& record, int64_t documents, const std::string& where,
                        DroppedStat& stat) {
  using V = RuleVerdicts;
  BALLAST_TRY(read_verdicts(
      record, {"languages", "kept", "rejected", &V::kept, &V::rejected, &stat.other_languages},
      documents, where, stat.languages));
  BALLAST_TRY(read_verdicts(
      record, {"licenses", "kept", "rejected", &V::kept, &V::rejected, &stat.other_licenses},
      documents, where, stat.licenses));
  BALLAST_TRY(read_verdicts(
      record, {"sources", "kept", "rejected", &V::kept, &V::rejected, &stat.other_sources},
      documents, where, stat.sources));
  BALLAST_TRY(read_verdicts(
      record, {"languages_asked", "asked", "blocked", &V::asked, &V::blocked, nullptr}, documents,
      where, stat.languages));
  for (const auto& [name, verdicts] : stat.languages) stat.blocked += verdicts.blocked;
  if (!record.contains("blocking_hosts")) return {};
  const Json* hosts = BALLAST_TRY(object_of(record, "blocking_hosts", where));
  stat.hosts = BALLAST_TRY(counts_of(*hosts, "most", stat.blocked, where));
  return {};
}

}  // namespace

Result<DroppedStat> parse_summary(const Json& record, const std::string& where) {
  const RecordType* type = BALLAST_TRY(type_of(record, where));
  DroppedStat stat;
  StepStat& step = stat.steps[BALLAST_TRY(step_name(record, where))];
  const int64_t read = BALLAST_TRY(bounded(record, type->documents, where));
  step.kept = BALLAST_TRY(bounded(record, "kept", where));
  step.rejected = BALLAST_TRY(bounded(record, "rejected", where));
  step.documents = step.kept + step.rejected;  // records without document are neither
  if (step.documents > read)
    return corrupt_error("more was kept and rejected than was read", where,
                         fmt::format("{} of {}", step.documents, read));
  if (type->text != nullptr) {
    step.text = BALLAST_TRY(bounded(record, type->text, where));
    step.text_kept = BALLAST_TRY(bounded(record, fmt::format("{}_kept", type->text), where));
    if (step.text_kept > step.text)
      return corrupt_error("more text was kept than was read", where,
                           fmt::format("{} of {} {}", step.text_kept, step.text, type->text));
  }
  stat.reasons = BALLAST_TRY(counts_of(record, "reasons", step.rejected, where));
  int64_t reasons = 0;
  for (const auto& [reason, documents] : stat.reasons) reasons += documents;
  if (reasons != step.rejected)
    return corrupt_error("reasons do not add up to what was rejected", where,
                         fmt::format("{} and {}", reasons, step.rejected));
  BALLAST_TRY(read_rules(record, step.documents, where, stat));
  return stat;
}

int64_t DroppedStat::rejected() const {
  int64_t sum = 0;
  for (const auto& [name, step] : steps) sum += step.rejected;
  return sum;
}

void DroppedStat::add(const DroppedStat& other) {
  for (const auto& [name, step] : other.steps) {
    StepStat& sum = steps[name];
    sum.documents += step.documents;
    sum.kept += step.kept;
    sum.rejected += step.rejected;
    sum.text += step.text;
    sum.text_kept += step.text_kept;
  }
  const auto add_counts = [](const auto& from, auto& into) {
    for (const auto& [name, count] : from) into[name] += count;
  };
  const auto add_verdicts = [](const auto& from, auto& into) {
    for (const auto& [name, verdicts] : from) into[name].add(verdicts);
  };
  add_counts(other.reasons, reasons);
  add_counts(other.hosts, hosts);
  add_verdicts(other.languages, languages);
  add_verdicts(other.licenses, licenses);
  add_verdicts(other.sources, sources);
  other_languages.add(other.other_languages);
  other_licenses.add(other.other_licenses);
  other_sources.add(other.other_sources);
  blocked += other.blocked;
}

}  // namespace ballast
