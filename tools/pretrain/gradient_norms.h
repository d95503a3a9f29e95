// Norms of the gradient by tensor, for nothing: the norm that is clipped is made of sums of squares
// by block of the flat index, and a block never holds two matrices. One-dimensional parameters
// share blocks, so they have one norm together. Pure.
#pragma once

#include <span>

#include "libcore/io/json.h"
#include "libcore/model/params.h"

namespace ballast {

// Keys of a `layers` record (ballast-trace(5)): "qkv_grad" and so on with one norm per layer, and
// "embed_grad", "head_grad", "vectors_grad" with one each, where the model has them. `squares` are
// the sums of all blocks in order.
Json gradient_norms(const ParamTable& table, std::span<const double> squares);

}  // namespace ballast
