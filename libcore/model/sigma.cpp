#include "libcore/model/sigma.h"

#include <fmt/format.h>

namespace ballast {
namespace {

constexpr std::array kMatrices = {"qkv", "proj", "fc1", "fc2"};

std::array<Tensor*, 4> matrices_of(BlockParams& block) {
  return {&block.qkv, &block.proj.matrix, &block.fc1, &block.fc2.matrix};
}

}  // namespace

SigmaMatrices::SigmaMatrices(Arena& arena, const ModelConfig& config, const ParamTable& table,
                             const Types& types, bool training, bool resident)
    : layers_(static_cast<size_t>(config.num_hidden_layers)), resident_(resident) {
  for (size_t k = 0; k < kMatrices.size(); ++k) {
    const StoredTensor& shape = table.stored_named(fmt::format("layers.0.{}", kMatrices[k]));
    const Tensor dhat = training ? arena.take(types.statistic, shape.rows, shape.cols) : Tensor();
    Tensor hat;
    for (auto& layer : layers_) {
      if (resident || &layer == &layers_.front())
        hat = arena.take(types.activation, shape.rows, shape.cols);
      layer[k].hat = hat;
      layer[k].sigma = arena.take(types.statistic, 1, 1);
      layer[k].dhat = dhat;
    }
  }
}

void SigmaMatrices::bind(const ParamTable& table, const FlatPlaces& params, const FlatPlaces& grads,
                         std::vector<BlockParams>& blocks, std::vector<BlockParams>& dblocks) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    const std::array<Tensor*, 4> weights = matrices_of(blocks[l]), dw = matrices_of(dblocks[l]);
    for (size_t k = 0; k < kMatrices.size(); ++k) {
      const std::string name = fmt::format("layers.{}.{}", l, kMatrices[k]);
      Matrix& m = layers_[l][k];
      m.gain = table.view(params, name + ".sigma_gain");
      m.u = table.view(params, name + ".sigma_u");
      m.v = table.view(params, name + ".sigma_v");
      m.dgain = table.view(grads, name + ".sigma_gain");
      m.w = *weights[k];
      m.dw = *dw[k];
      *weights[k] = m.hat;
      *dw[k] = m.dhat;
    }
  }
}

void SigmaMatrices::scale(Backend& backend, size_t layer) {
  for (const Matrix& m : layers_[layer])
    backend.spectral_scale(m.hat, m.sigma, m.w, m.gain, m.u, m.v);
  scaled_ = layer;
}

void SigmaMatrices::iterate(Backend& backend, size_t layer) const {
  for (const Matrix& m : layers_[layer]) backend.power_iteration(m.u, m.v, m.w);
}

void SigmaMatrices::begin_backward(Backend& backend) const {
  for (const Matrix& m : layers_.front())
    backend.zero(m.dhat.data, m.dhat.elements() * bytes_of(m.dhat.dtype));
}

void SigmaMatrices::end_backward(Backend& backend, size_t layer) const {
  for (const Matrix& m : layers_[layer])
    backend.spectral_scale_bwd(m.dw, m.dgain, m.dhat, m.w, m.gain, m.sigma, m.u, m.v);
}

}  // namespace ballast
