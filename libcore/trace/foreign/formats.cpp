#include "libcore/trace/foreign/formats.h"

#include "libcore/trace/foreign/json_lines.h"
#include "libcore/trace/foreign/llmc.h"
#include "libcore/trace/foreign/megatron.h"
#include "libcore/trace/foreign/mlflow.h"
#include "libcore/trace/foreign/olmo_core.h"
#include "libcore/trace/foreign/table.h"
#include "libcore/trace/foreign/tfevents.h"
#include "libcore/trace/foreign/torchtitan.h"
#include "libcore/trace/foreign/trainer_state.h"
#include "libcore/trace/foreign/wandb_csv.h"
#include "libcore/trace/foreign/wandb_history.h"
#include "libcore/trace/foreign/wandb_run.h"

namespace ballast {

std::span<const FileFormat> file_formats() {
  static constexpr FileFormat kFormats[] = {
      {LogFormat::wandb_run, looks_like_wandb_run, wandb_run_log},
      {LogFormat::tfevents, looks_like_tfevents, tfevents_log},
      {LogFormat::trainer_state, looks_like_trainer_state, trainer_state_log},
      {LogFormat::wandb_history, looks_like_wandb_history, wandb_history_log},
      {LogFormat::json_lines, looks_like_json_lines, json_lines_log},
      {LogFormat::megatron, looks_like_megatron, megatron_log},
      {LogFormat::torchtitan, looks_like_torchtitan, torchtitan_log},
      {LogFormat::olmo_core, looks_like_olmo_core, olmo_core_log},
      {LogFormat::llmc, looks_like_llmc, llmc_log},
      {LogFormat::wandb_csv, looks_like_wandb_csv, wandb_csv_log},
      {LogFormat::table, looks_like_table, table_log},
  };
  return kFormats;
}

std::span<const FolderFormat> folder_formats() {
  static constexpr FolderFormat kFormats[] = {
      {LogFormat::wandb_run, is_wandb_run_folder, wandb_run_folder_log},
      {LogFormat::mlflow, is_mlflow_folder, mlflow_log},
      {LogFormat::tfevents, is_tfevents_folder, tfevents_folder_log},
  };
  return kFormats;
}

}  // namespace ballast
