#include "tools/pretrain/rehearse.h"

namespace ballast {

Rehearsal* begin_rehearsal(Backend& backend, Rehearsal::Kind kind) {
  auto* const rehearsal = dynamic_cast<Rehearsal*>(&backend);
  if (rehearsal != nullptr) rehearsal->begin_rehearsal(kind);
  return rehearsal;
}

void walk_through(const StepParts& parts) {
  Backend& backend = parts.backend;
  const TrainBuffers& b = parts.buffers;
  const int64_t rows = parts.config.micro_batch * parts.config.seq_len;
  const Model::Stores stores = parts.model.serve({});  // nobody else takes part
  parts.model.after_update();
  parts.model.watch(parts.layers);
  parts.model.forward_backward(b.inputs[0], cols_of(b.loss_rows, 0, rows),
                               cols_of(b.lse_rows, 0, rows),
                               static_cast<float>(parts.config.z_loss));
  parts.model.watch(nullptr);
  parts.model.forward(b.inputs[0], cols_of(b.loss_rows, 0, rows), cols_of(b.lse_rows, 0, rows));
  parts.model.serve(stores);
  if (parts.layers != nullptr) parts.layers->collect();
  OptimizerStep step = parts.config.optimizer.at(1);
  step.grad = b.grads;
  step.m = b.m;
  step.v = b.v;
  step.m2 = b.m2;
  step.ratio_sums = b.ratio_sums;
  step.block_sums = b.block_sums;
  for (const ShardPiece& piece : parts.shard) {
    const FlatRange& range = piece.range;
    backend.norm_blocks(cols_of(b.norm_blocks, range.begin / kFlatBlock, range.size() / kFlatBlock),
                        cols_of(b.grads, piece.gradient, range.size()));
    const OptimizerStep own = step_of_piece(step, piece, b.weights);
    if (!b.ratio_sums.empty()) backend.update_ratio(b.ratio_sums, own);
    backend.optimizer_step(own);
  }
}

std::string product_choices(Backend& backend) {
  auto* const rehearsal = dynamic_cast<Rehearsal*>(&backend);
  return rehearsal == nullptr ? "" : rehearsal->product_choices();
}

bool take_product_choices(Backend& backend, const std::string& choices) {
  auto* const rehearsal = dynamic_cast<Rehearsal*>(&backend);
  return rehearsal == nullptr ? choices.empty() : rehearsal->take_product_choices(choices);
}

std::optional<RehearsedMemory> rehearse(Rehearsal::Kind kind, const StepParts& parts) {
  Rehearsal* const rehearsal = begin_rehearsal(parts.backend, kind);
  if (rehearsal == nullptr) return std::nullopt;
  walk_through(parts);
  return rehearsal->end_rehearsal();
}

}  // namespace ballast
