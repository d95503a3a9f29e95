// A ByteSource that shows what passes, for hashing and counting an input as it is read.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libcore/io/stream.h"

namespace ballast {

class TappedSource final : public ByteSource {
 public:
  TappedSource(std::unique_ptr<ByteSource> inner, std::function<void(Bytes)> tap)
      : inner_(std::move(inner)), tap_(std::move(tap)) {}
  Result<size_t> read(MutableBytes into) override {
    const size_t got = BALLAST_TRY(inner_->read(into));
    tap_(Bytes(into).first(got));
    return got;
  }
  const std::string& name() const override { return inner_->name(); }

 private:
  std::unique_ptr<ByteSource> inner_;
  std::function<void(Bytes)> tap_;
};

}  // namespace ballast
