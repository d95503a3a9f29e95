// Interventions: what may be different when a run is resumed. The model, the sources and their
// order, sequence length, seeds, and the past of batch schedule and data phases never, but for
// documents that were overwritten and whose receipts are given by --accept-data; phases to come may
// be appended; anything else only when it is named by --change KEY=VALUE with a --reason.
// The journal remembers changes, and they stay in force on every later start and way back.
#pragma once

#include <string>
#include <vector>

#include "libcore/checkpoint/journal.h"
#include "libcore/checkpoint/state.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

// Puts the values of --change into the options they name. Kind usage.
Result<void> apply_changes(TrainOptions& options);

struct LawChange {
  std::string key;    // of RunConfig::law()
  Json from, to;      // null: not there
  std::string event;  // of the trace: lr, clip, batch_size, data, precision or note
  // SHA-256 of the receipts of --accept-data that explain other data.
  std::vector<std::string> receipts = {};
};

// How `config` differs from the law in force: the checkpoint's, and what the journal has changed
// since. Kind usage naming the first difference that is not allowed.
Result<std::vector<LawChange>> law_changes(const RunConfig& config, const TrainState& stored,
                                           const JournalContents& journal);

// May a branch of a run with this state begin with `config`? Kind usage: another model, sequence
// length, optimizer or past of the batch schedule.
Result<void> check_branch(const RunConfig& config, const TrainState& stored);

}  // namespace ballast
