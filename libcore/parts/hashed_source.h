// Counts and hashes bytes as they are read.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "libcore/base/hash.h"
#include "libcore/io/stream.h"

namespace ballast {

class HashedSource final : public ByteSource {
 public:
  explicit HashedSource(std::unique_ptr<ByteSource> inner) : inner_(std::move(inner)) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t got = BALLAST_TRY(inner_->read(into));
    hasher_.update(Bytes(into).first(got));
    bytes_ += static_cast<int64_t>(got);
    return got;
  }
  const std::string& name() const override { return inner_->name(); }
  int64_t bytes() const { return bytes_; }
  Hash128 hash() const { return hasher_.digest(); }

 private:
  std::unique_ptr<ByteSource> inner_;
  Xxh3Hasher hasher_;
  int64_t bytes_ = 0;
};

}  // namespace ballast
