// Clipping laws: from the global gradient norm of a step to the factor the gradients are multiplied
// by. The same object runs live in `pretrain` and offline in `gradstat clip`, in double, on the
// host, so a replay of a trace gives the decisions of training bit for bit. Pure: no I/O, no clock.
// One thread. A step that is skipped for another reason (non-finite loss or norm, guard, no labels)
// is not shown to the clipper at all.
//   none      factor 1
//   fixed     min(1, c / (g + 1e-6)) (the PyTorch convention)
//   autoclip  a percentile of past norms (autoclip.h)
//   zclip     Kumar et al., arXiv 2504.02507 (zclip.h)
//   zskip     drops updates whose loss or norm stands out (zskip.h)
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

// NaN in `threshold`, `target` or `z` means that there is none; the trace then has no such key.
struct ClipDecision {
  double factor = 1;  // multiply every gradient by it; 1: leave them alone
  double threshold = std::numeric_limits<double>::quiet_NaN();  // norms above it are clipped
  double target = std::numeric_limits<double>::quiet_NaN();     // norm aimed at when clipped
  double z = std::numeric_limits<double>::quiet_NaN();          // z-score of the norm
  bool clipped = false;                                         // factor < 1
  bool spike = false;    // the statistical test fired (a cap alone clips without it)
  bool warming = false;  // statistics are still being collected
  bool valid = true;     // false: the norm was not finite; nothing was learnt from it
  bool skip = false;     // drop the update of this step (zskip)
};

// The trace's skip_reason of steps that the clipper itself dropped. Replays show them to the
// clipper, other skipped steps not.
inline constexpr const char* kClipperSkip = "zscore";

class Clipper {
 public:
  virtual ~Clipper() = default;
  // Decides on this step's norm (L2, of all gradients, before clipping) and loss (NaN: not known),
  // then learns from them. Except under compat=reference a non-finite norm changes nothing.
  virtual ClipDecision decide(double grad_norm, double loss) = 0;
  ClipDecision decide(double grad_norm) {
    return decide(grad_norm, std::numeric_limits<double>::quiet_NaN());
  }
  // The run changed in a way that moves norms for good: see restarts_statistics() in
  // libcore/trace/record.h.
  virtual void on_event() {}
  // Everything decide() depends on; doubles survive JSON exactly. load() refuses the state of
  // another kind (kind corrupt).
  virtual Json state() const = 0;
  virtual Result<void> load(const Json& state) = 0;
  // The full strategy, every key written out; make_clipper() of it gives an equal clipper.
  virtual std::string spec() const = 0;
};

// `none`, `fixed:1.0`, `autoclip:p=10,window=10000,rewarm=50`,
// `zclip:form=raw|log|median,mode=reciprocal|mean|max,z=2.5,alpha=0.97,window=128,warmup=25,
// cap=none|X,compat=safe|reference,rewarm=50` (window only with form=median, which has no alpha) or
// `zskip:loss=6,norm=6,window=128,patience=20,clip=1.0|none`. Kind usage, naming `flag`, for
// anything else.
Result<std::unique_ptr<Clipper>> make_clipper(std::string_view spec,
                                              const std::string& flag = "--clip");

// For the laws of this folder: a fixed clip to `limit`, written into `decision`; a state's kind,
// and its list `key` of at most `most` finite numbers (kind corrupt).
void clip_to(double limit, double grad_norm, ClipDecision& decision);
Result<void> check_clipper_kind(const Json& state, const std::string& kind);
Json numbers_json(const std::vector<double>& values);
Result<std::vector<double>> finite_numbers(const Json& state, const std::string& key, int64_t most,
                                           const std::string& where);

}  // namespace ballast
