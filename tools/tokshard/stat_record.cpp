#include "tools/tokshard/stat_record.h"

#include <algorithm>

#include "libcore/corpus/ranking.h"

namespace ballast {
namespace {

constexpr size_t kHostsListed = 100;  // as in the summary of a filter

Json counts_record(const ShardCounts& counts, int64_t all_tokens) {
  Json object = Json::object();
  for (const auto& [name, count] : counts) {
    Json& one = object[name];
    one = {{"documents", count.documents}, {"tokens", count.tokens}};
    if (all_tokens > 0)
      one["share"] = static_cast<double>(count.tokens) / static_cast<double>(all_tokens);
    if (count.bytes) one["bytes"] = *count.bytes;
    if (const auto rate = tokens_per_byte(count.tokens, count.bytes))
      one["tokens_per_byte"] = *rate;
  }
  return object;
}

// What is under "" has no host.
Json hosts_record(std::map<std::string, int64_t> hosts) {
  const auto without = hosts.extract("");
  const auto rows = ranked(hosts, [](int64_t count) { return count; });
  Json most = Json::object();
  for (size_t i = 0; i < std::min(kHostsListed, rows.size()); ++i)
    most[rows[i]->first] = rows[i]->second;
  Json record = {{"hosts", hosts.size()}, {"most", std::move(most)}};
  if (!without.empty()) record["without"] = without.mapped();
  return record;
}

Json verdicts_record(const RuleVerdicts& verdicts) {
  Json record = {{"kept", verdicts.kept}, {"rejected", verdicts.rejected}};
  if (verdicts.asked > 0) record["asked"] = verdicts.asked;
  if (verdicts.asked > 0) record["blocked"] = verdicts.blocked;
  return record;
}

}  // namespace

Json dropped_record(const DroppedStat& stat) {
  Json record = Json::object();
  record["steps"] = Json::object();
  for (const auto& [name, step] : stat.steps)
    record["steps"][name] = {{"documents", step.documents},
                             {"kept", step.kept},
                             {"rejected", step.rejected},
                             {"text", step.text},
                             {"text_kept", step.text_kept}};
  record["reasons"] = stat.reasons;
  for (const auto& [key, rules] : {std::pair("languages", &stat.languages),
                                   {"licenses", &stat.licenses},
                                   {"sources", &stat.sources}}) {
    record[key] = Json::object();
    for (const auto& [name, verdicts] : *rules) record[key][name] = verdicts_record(verdicts);
  }
  for (const auto& [key, others] : {std::pair("other_languages", &stat.other_languages),
                                    {"other_licenses", &stat.other_licenses},
                                    {"other_sources", &stat.other_sources}})
    if (others->kept + others->rejected > 0) record[key] = verdicts_record(*others);
  record["blocked"] = stat.blocked;
  record["blocking_hosts"] = hosts_record(stat.hosts);
  return record;
}

Json shards_record(const ShardStat& stat) {
  Json record = {{"shards", stat.shards}, {"documents", stat.documents}, {"tokens", stat.tokens}};
  if (stat.bytes) record["bytes"] = *stat.bytes;
  if (const auto rate = tokens_per_byte(stat.tokens - stat.redacted_tokens, stat.bytes))
    record["tokens_per_byte"] = *rate;
  if (stat.redacted_documents > 0)
    record["redacted"] = {{"documents", stat.redacted_documents}, {"tokens", stat.redacted_tokens}};
  record["languages"] = counts_record(stat.languages, stat.tokens);
  record["licenses"] = counts_record(stat.licenses, stat.tokens);
  record["sources"] = counts_record(stat.sources, stat.tokens);
  record["hosts"] = hosts_record(stat.hosts);
  record["shortest"] = stat.lengths.shortest;
  record["mean"] = json_number(stat.lengths.mean());
  record["longest"] = stat.lengths.longest;
  record["lengths"] = Json::array();
  for (size_t k = 0; k + 1 < stat.lengths.buckets.size(); ++k)
    if (stat.lengths.buckets[k] > 0)
      record["lengths"].push_back(
          {{"below", int64_t{1} << k}, {"documents", stat.lengths.buckets[k]}});
  return record;
}

}  // namespace ballast
