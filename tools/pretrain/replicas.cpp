#include "tools/pretrain/replicas.h"

#include <algorithm>

namespace ballast {
namespace {

constexpr size_t kWords = 4;  // of 32 bits, each exact as a double

}  // namespace

Hash128 hash_tensors(Backend& backend, const std::vector<Tensor>& tensors) {
  constexpr int64_t kPiece = int64_t{4} << 20;
  std::vector<std::byte> piece;
  Xxh3Hasher hasher;
  for (const Tensor& tensor : tensors) {
    const int64_t bytes = tensor.elements() * bytes_of(tensor.dtype);
    for (int64_t begin = 0; begin < bytes; begin += kPiece) {
      piece.resize(static_cast<size_t>(std::min(kPiece, bytes - begin)));
      backend.copy_out(piece.data(), tensor.as<char>() + begin, std::ssize(piece),
                       StreamId::compute);
      backend.synchronize(backend.record(StreamId::compute));
      hasher.update(Bytes(piece));
    }
  }
  return hasher.digest();
}

std::vector<Hash128> gather_hashes(Comm& comm, const Hash128& mine) {
  const auto ranks = static_cast<size_t>(comm.size());
  std::vector<double> words(ranks * kWords, 0.0);
  double* own = words.data() + static_cast<size_t>(comm.rank()) * kWords;
  own[0] = static_cast<double>(mine.high >> 32);
  own[1] = static_cast<double>(mine.high & 0xffffffffu);
  own[2] = static_cast<double>(mine.low >> 32);
  own[3] = static_cast<double>(mine.low & 0xffffffffu);
  comm.all_reduce_host(words, ReduceOp::sum);
  std::vector<Hash128> hashes(ranks);
  for (size_t r = 0; r < ranks; ++r) {
    const auto word = [&](size_t k) { return static_cast<uint64_t>(words[r * kWords + k]); };
    hashes[r] = {word(0) << 32 | word(1), word(2) << 32 | word(3)};
  }
  return hashes;
}

std::vector<int64_t> odd_ranks(const std::vector<Hash128>& hashes) {
  const auto frequency = [&](const Hash128& hash) { return std::ranges::count(hashes, hash); };
  const auto usual = std::ranges::max_element(hashes, {}, frequency);  // the first of equals
  std::vector<int64_t> odd;
  for (size_t r = 0; r < hashes.size(); ++r)
    if (hashes[r] != *usual) odd.push_back(static_cast<int64_t>(r));
  return odd;
}

}  // namespace ballast
