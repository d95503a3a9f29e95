// Hugging Face's trainer_state.json: the items of `log_history`, one after the other. `loss` is a
// mean over `logging_steps` while `grad_norm` is that of the last step alone (notes say so); items
// with eval_loss or eval_SET_loss are evaluations; the summary at the end (train_runtime) is no
// step. NaN and Infinity may stand bare, as Python writes them. A file that was cut gives what is
// whole. Memory is flat.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

bool looks_like_trainer_state(std::string_view head);
Result<std::unique_ptr<ForeignLog>> trainer_state_log(std::unique_ptr<ByteSource> source,
                                                      const ImportOptions& options);

}  // namespace ballast
