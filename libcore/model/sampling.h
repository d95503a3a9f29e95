// Choosing the next token from logits. Pure; the same arguments give the same token.
#pragma once

#include <cstdint>
#include <span>

namespace ballast {

struct SamplingOptions {
  double temperature = 0;  // 0: the largest logit (ties go to the smaller id)
  int64_t top_k = 0;       // only the k likeliest; 0: all
  double top_p = 1;        // only the likeliest that together reach p, at least one
};

// `uniform` in [0, 1) draws from the distribution that is left, likeliest first. Non-finite logits
// are never chosen; -1 when there is no other.
int32_t pick_token(std::span<const float> logits, const SamplingOptions& options, double uniform);

}  // namespace ballast
