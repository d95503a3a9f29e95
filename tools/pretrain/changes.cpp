#include "tools/pretrain/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libcore/base/units.h"
#include "libcore/data/skip_ranges.h"

namespace ballast {
namespace {

// What --change may name, where it goes, and the keys of the law that follow from it.
struct Changeable {
  std::string_view key;
  std::string TrainOptions::*text = nullptr;
  double TrainOptions::*number = nullptr;
  std::vector<std::string_view> law;
};

const std::vector<Changeable>& changeables() {
  using O = TrainOptions;
  static const std::vector<Changeable> table = {
      {"lr", nullptr, &O::lr, {"lr"}},
      {"schedule", &O::schedule, nullptr, {"schedule"}},
      {"clip", &O::clip, nullptr, {"clip"}},
      {"optimizer", &O::optimizer, nullptr, {"optimizer"}},
      {"z_loss", nullptr, &O::z_loss, {"z_loss"}},
      {"goldfish", &O::goldfish, nullptr, {"goldfish"}},
      {"swa", &O::swa, nullptr, {"swa"}},
      {"ema", &O::ema, nullptr, {"ema"}},
      {"precision", &O::precision, nullptr, {"precision"}},
      {"param_dtype", &O::param_dtype, nullptr, {"param_dtype"}},
      // Shares and steps of a schedule are of the whole run.
      {"tokens", &O::tokens, nullptr, {"total_tokens", "schedule"}},
      {"steps", &O::steps, nullptr, {"total_tokens", "schedule"}},
      {"batch_tokens", &O::batch_tokens, nullptr, {"batch_tokens", "total_tokens", "schedule"}}};
  return table;
}

const Changeable* find_changeable(std::string_view key) {
  const auto found = std::ranges::find(changeables(), key, &Changeable::key);
  return found == changeables().end() ? nullptr : &*found;
}

bool is_immutable(std::string_view key) {
  return key.starts_with("model.") || key == "seq_len" || key == "seed" || key == "data_seed" ||
         key == "data";
}

std::string event_of(std::string_view key) {
  if (key == "lr" || key == "schedule") return "lr";
  if (key == "batch_tokens") return "batch_size";
  if (key == "data" || key == "phases" || key == "goldfish") return "data";
  if (key == "clip" || key == "precision") return std::string(key);
  if (key == "param_dtype") return "precision";
  return "note";
}

std::string difference_text(const LawChange& change) {
  if (change.from.is_null())
    return fmt::format("{} is {} here and missing in the checkpoint", change.key, change.to.dump());
  if (change.to.is_null())
    return fmt::format("{} is {} in the checkpoint and missing here", change.key,
                       change.from.dump());
  return fmt::format("{} is {} here and {} in the checkpoint", change.key, change.to.dump(),
                     change.from.dump());
}

// In the order of the law here, then what is only there.
std::vector<LawChange> differences(const Json& here, const Json& there) {
  std::vector<LawChange> list;
  for (const auto& [key, value] : here.items()) {
    const Json before = there.value(key, Json());
    if (before != value) list.push_back({key, before, value, event_of(key)});
  }
  for (const auto& [key, value] : there.items()) {
    if (!here.contains(key)) list.push_back({key, value, Json(), event_of(key)});
  }
  return list;
}

Json law_in_force(const TrainState& stored, const JournalContents& journal) {
  Json law = stored.config;
  for (const JournalRecord& record : journal.records) {
    if (record.event != "change" || !record.object.contains("key")) continue;
    const std::string key = record.object.value("key", std::string());
    const Json to = record.object.value("to", Json());
    if (to.is_null()) {
      law.erase(key);
    } else {
      law[key] = to;
    }
  }
  return law;
}

// Phases are appended when the old list is a prefix and none of the new ones has begun.
bool only_appends_phases(const LawChange& change, int64_t next_sample) {
  const Json before = change.from.is_null() ? Json::array() : change.from;
  if (!change.to.is_array() || change.to.size() < before.size()) return false;
  for (size_t i = 0; i < before.size(); ++i)
    if (change.to[i] != before[i]) return false;
  return change.to[before.size()].at("first_sample").get<int64_t>() >= next_sample;
}

std::string batch_text(const Json& law) {
  const Json batch = law.value("batch_tokens", Json());
  return batch.is_string() ? batch.get<std::string>() : batch.dump();
}

Result<void> check_past_batches(const RunConfig& config, const Json& law, int64_t tokens) {
  const BatchSchedule before = BALLAST_TRY(BatchSchedule::parse(batch_text(law), 1));
  if (config.batches.same_before(before, tokens)) return {};
  return usage_error(fmt::format("the batch schedule is {} here and was {} for the first {} tokens",
                                 config.batches.spec(), before.spec(), tokens),
                     "", "only what lies ahead can change");
}

std::string kind_of(const Json& spec) {
  const std::string text = spec.is_string() ? spec.get<std::string>() : "";
  return text.substr(0, text.find(':'));
}

// The receipts that lead a source from the content `from` to `to`, in order.
Result<std::vector<std::string>> receipts_between(const RunConfig& config, const std::string& name,
                                                  const std::string& from, const std::string& to) {
  std::vector<std::string> used;
  std::string content = from;
  while (content != to && used.size() < config.receipts.size()) {
    const std::string before = content;
    for (const AcceptedReceipt& accepted : config.receipts) {
      for (const ReceiptShard& shard : accepted.receipt.shards) {
        const bool loses_nothing = shard.before.content_hash == shard.after.content_hash;
        if (content != before || shard.name != name || loses_nothing ||
            shard.before.content_hash != content)
          continue;
        content = shard.after.content_hash;
        used.push_back(accepted.sha256);
      }
    }
    if (content == before) break;
  }
  if (content == to) return used;
  return usage_error(
      fmt::format("cannot resume: the content of shard '{}' is {} here and {} in the checkpoint",
                  name, to, from),
      config.typed.run,
      config.receipts.empty() ? "give the shards the run was started with; redacted ones are "
                                "taken with --accept-data RECEIPT"
                              : "the receipts of --accept-data do not lead from one to the other");
}

// Other content of the same sources, when there are receipts that say how it came.
Result<void> accept_data(const RunConfig& config, LawChange& change) {
  const Json &from = change.from, &to = change.to;
  for (size_t i = 0; i < from.size(); ++i) {
    const std::string before = from[i].at("content_hash"), after = to[i].at("content_hash");
    if (before == after) continue;
    const std::string name = to[i].at("name");
    for (std::string& receipt : BALLAST_TRY(receipts_between(config, name, before, after)))
      if (std::ranges::find(change.receipts, receipt) == change.receipts.end())
        change.receipts.push_back(std::move(receipt));
  }
  return {};
}

// The same sources, weights and order.
bool only_content_differs(const LawChange& change) {
  if (change.key != "data" || !change.from.is_array() || !change.to.is_array() ||
      change.from.size() != change.to.size())
    return false;
  for (size_t i = 0; i < change.to.size(); ++i) {
    Json before = change.from[i], after = change.to[i];
    if (!before.is_object() || !before.contains("content_hash") ||
        !before.at("content_hash").is_string())
      return false;
    before.erase("content_hash");
    after.erase("content_hash");
    if (before != after) return false;
  }
  return true;
}

bool is_named(const TrainOptions& options, std::string_view law_key) {
  return std::ranges::any_of(options.changes, [&](const std::string& change) {
    const Changeable* known = find_changeable(change.substr(0, change.find('=')));
    return known != nullptr && std::ranges::find(known->law, law_key) != known->law.end();
  });
}

Result<void> check_change(const RunConfig& config, const LawChange& change, const Json& law,
                          const TrainState& stored) {
  const std::string what = "cannot resume: " + difference_text(change);
  const std::string& run = config.typed.run;
  if (is_immutable(change.key))
    return usage_error(what, run, "give the options the run was started with, or another --run");
  if (change.key == "phases") {
    if (only_appends_phases(change, sample_of(stored.samples, stored.skip_ranges))) return {};
    return usage_error(what, run, "phases may only be appended, from where the run stands on");
  }
  if (change.key == "batch_tokens") BALLAST_TRY(check_past_batches(config, law, stored.tokens));
  if (change.key == "optimizer" && kind_of(change.from) != kind_of(change.to))
    return usage_error(what, run, "another optimizer cannot take over these states");
  if (is_named(config.typed, change.key)) return {};
  return usage_error(what, run,
                     "give the options the run was started with, or name it by --change");
}

}  // namespace

Result<void> apply_changes(TrainOptions& o) {
  if (o.changes.empty() != o.reason.empty())
    return usage_error(o.reason.empty() ? "--change without --reason" : "--reason without --change",
                       "", "an intervention and why it is made");
  for (const std::string& change : o.changes) {
    const size_t equals = change.find('=');
    const Changeable* known = find_changeable(change.substr(0, equals));
    if (equals == std::string::npos || known == nullptr) {
      std::string keys;
      for (const Changeable& c : changeables())
        keys += fmt::format("{}{}", keys.empty() ? "" : ", ", c.key);
      return usage_error(fmt::format("--change: '{}' is not KEY=VALUE that can change", change), "",
                         keys);
    }
    const std::string value = change.substr(equals + 1);
    if (known->number != nullptr) {
      const Result<double> number = parse_double(value);
      if (!number.ok()) return usage_error(fmt::format("--change: '{}' is no number", change));
      o.*known->number = *number;
      continue;
    }
    const bool names_type = known->key == "precision" || known->key == "param_dtype";
    if (names_type && value != "fp32" && value != "bf16")
      return usage_error(fmt::format("--change: '{}' is not built", change), "", "fp32 or bf16");
    if (known->key == "tokens") o.steps.clear();
    if (known->key == "steps") o.tokens.clear();
    o.*known->text = value;
  }
  return {};
}

Result<std::vector<LawChange>> law_changes(const RunConfig& config, const TrainState& stored,
                                           const JournalContents& journal) {
  const Json law = law_in_force(stored, journal);
  std::vector<LawChange> list = differences(config.law(), law);
  for (LawChange& change : list) {
    if (only_content_differs(change)) {
      BALLAST_TRY(accept_data(config, change));
    } else {
      BALLAST_TRY(check_change(config, change, law, stored));
    }
  }
  return list;
}

Result<void> check_branch(const RunConfig& config, const TrainState& stored) {
  const Json here = config.law();
  for (const LawChange& change : differences(here, stored.config)) {
    // A default of the optimizer may hang on the length of the run, so it is compared whole.
    if (change.key.starts_with("model.") || change.key == "seq_len" || change.key == "optimizer")
      return usage_error("cannot branch: " + difference_text(change), config.typed.branch);
  }
  return check_past_batches(config, stored.config, stored.tokens);
}

}  // namespace ballast
