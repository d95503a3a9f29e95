#include "tools/pretrain/gradient_norms.h"

#include <algorithm>
#include <cmath>

namespace ballast {
namespace {

Json norm_of(std::span<const double> squares, int64_t first_block, int64_t blocks) {
  const auto part = squares.subspan(static_cast<size_t>(first_block), static_cast<size_t>(blocks));
  return json_number(std::sqrt(sum_pairwise(part)));
}

}  // namespace

Json gradient_norms(const ParamTable& table, std::span<const double> squares) {
  Json json = Json::object();
  int64_t matrices = 0;  // blocks
  for (const StoredTensor& tensor : table.stored) {
    if (!tensor.matrix) continue;
    const int64_t first = tensor.flat_begin / kFlatBlock;
    const int64_t blocks = (tensor.rows * tensor.cols + kFlatBlock - 1) / kFlatBlock;
    const Json norm = norm_of(squares, first, blocks);
    const size_t dot = tensor.name.rfind('.');  // "layers.3.qkv"
    const bool of_layer = dot != std::string::npos;
    const std::string key = (of_layer ? tensor.name.substr(dot + 1) : tensor.name) + "_grad";
    if (of_layer) {
      json[key].push_back(norm);
    } else {
      json[key] = norm;
    }
    matrices = std::max(matrices, first + blocks);
  }
  const auto left = static_cast<int64_t>(squares.size()) - matrices;
  if (left > 0) json["vectors_grad"] = norm_of(squares, matrices, left);
  return json;
}

}  // namespace ballast
