// A long trace for benchmarks, on standard output: what `pretrain` writes of a healthy run, with
// every key of step records, a spike of the norm every 20,000 steps, and the decisions of ZClip.
//   make_trace [STEPS [SEED]]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "libcore/base/rng.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/trace/record.h"

namespace {

using ballast::ClipDecision;
using ballast::StepRecord;

constexpr int64_t kBatch = 256;
constexpr int64_t kBatchTokens = kBatch * 2048;
constexpr int64_t kStart = 1'700'000'000'000'000;
constexpr int64_t kSpikes = 20'000;  // steps from one to the next
constexpr size_t kAhead = 1 << 20;

class Run {
 public:
  Run(int64_t steps, uint64_t seed) : steps_(steps), seed_(seed) {
    auto clipper = ballast::make_clipper("zclip");
    if (!clipper.ok()) std::exit(3);
    clipper_ = clipper.take_value();
  }

  ballast::RunRecord head() const {
    ballast::RunRecord run;
    run.time_us = kStart;
    run.run = "bench";
    run.version = "1";
    run.model = "llama-1b";
    run.optimizer = "adamw:beta1=0.9,beta2=0.95";
    run.schedule = "wsd";
    run.clip = clipper_->spec();
    run.precision = "bf16";
    run.ranks = 8;
    run.batch_tokens = kBatchTokens;
    run.seq_len = 2048;
    return run;
  }

  StepRecord next() {
    const int64_t step = ++step_;
    const auto x = static_cast<double>(step);
    StepRecord r;
    r.time_us = kStart + step * 512'345;
    r.step = step;
    r.tokens = step * kBatchTokens;
    r.samples = step * kBatch;
    r.tokens_trained = r.tokens;
    r.loss = 2 + 8 / std::pow(1 + x / 100, 0.3) + 0.02 * normal();
    r.lr = 3e-4 * std::min(1.0, x / 2000) * (1 - 0.9 * x / static_cast<double>(steps_));
    r.grad_norm = 0.3 * std::exp(0.1 * normal()) * (step % kSpikes == 0 ? 12 : 1);
    if (step % kSpikes == 1 && step > 1) r.loss = *r.loss * 1.3;
    clip(r);
    r.z_loss = 1e-4 * std::abs(normal());
    r.param_norm = 100 + 1e-5 * x + 1e-3 * normal();
    r.update_norm = 0.05 * std::exp(0.05 * normal());
    r.v_norm = 1e-3 * std::exp(0.1 * normal());
    r.update_rms = 1 + 0.1 * std::abs(normal());
    r.compute_ms = 480 + normal();
    r.data_ms = 0.5 + 0.1 * std::abs(normal());
    r.comm_ms = 20 + normal();
    r.step_ms = *r.compute_ms + *r.data_ms + *r.comm_ms;
    r.tokens_per_s = 1e3 * static_cast<double>(kBatchTokens) / *r.step_ms;
    r.mfu = 0.4 + 0.001 * normal();
    r.checkpoint_ms = step % 1000 == 0 ? 900 : 0;
    r.phase = "stable";
    r.precision = "bf16";
    r.n_valid = kBatchTokens;
    r.loss_max_rank = *r.loss + 0.05 * std::abs(normal());
    r.batch_start = (step - 1) * kBatch;
    r.source_loss = {{"web", *r.loss + 0.1}, {"code", *r.loss - 0.8}, {"books", *r.loss + 0.2}};
    return r;
  }

 private:
  double normal() { return ballast::random_normal(seed_, 0, drawn_++); }
  void clip(StepRecord& r) {
    const ClipDecision decision = clipper_->decide(*r.grad_norm, *r.loss);
    r.grad_norm_clipped = *r.grad_norm * decision.factor;
    if (!std::isnan(decision.threshold)) r.clip_threshold = decision.threshold;
    if (!std::isnan(decision.z)) r.clip_z = decision.z;
  }

  int64_t steps_;
  int64_t step_ = 0;
  uint64_t seed_;
  uint64_t drawn_ = 0;
  std::unique_ptr<ballast::Clipper> clipper_;
};

bool put(std::string& text) {
  const bool done = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  text.clear();
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t steps = argc > 1 ? std::atoll(argv[1]) : 10'000'000;
  Run run(steps, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  std::string text;
  ballast::append_record(text, run.head());
  for (int64_t i = 0; i < steps; ++i) {
    ballast::append_record(text, run.next());
    if (text.size() >= kAhead && !put(text)) return 3;
  }
  return put(text) && std::fflush(stdout) == 0 ? 0 : 3;
}
