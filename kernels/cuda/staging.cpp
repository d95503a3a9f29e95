#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace ballast {

Staging::Ring::~Ring() {
  if (base_ != nullptr) runtime_.release_host(base_);
}

char* Staging::Ring::take(int64_t bytes) {
  constexpr int64_t kAlignment = 256;
  if (base_ == nullptr) base_ = static_cast<char*>(runtime_.allocate_host(kRing));
  const int64_t last_end = end_;
  begin_ = (last_end + kAlignment - 1) / kAlignment * kAlignment;
  // Pieces stand in the order of the ring: those of the last round that it skips come first.
  if (begin_ + bytes > kRing) {
    begin_ = 0;
    while (!pieces_.empty() && pieces_.front().begin >= last_end) retire_first();
  }
  end_ = begin_ + bytes;
  while (!pieces_.empty() && pieces_.front().begin < end_ && begin_ < pieces_.front().end)
    retire_first();
  return base_ + begin_;
}

void Staging::Ring::retire_first() {
  runtime_.synchronize(pieces_.front().event);
  finish(pieces_.front());
  pieces_.pop_front();
}

void Staging::Ring::use(StreamId stream, void* host) {
  pieces_.push_back({begin_, end_, runtime_.record(stream), host});
}

// Once its event is reached.
void Staging::Ring::finish(Piece& piece) {
  if (piece.host == nullptr) return;
  std::memcpy(piece.host, base_ + piece.begin, static_cast<size_t>(piece.end - piece.begin));
  piece.host = nullptr;
}

void Staging::Ring::deliver() {
  for (Piece& piece : pieces_) {
    if (piece.host != nullptr && runtime_.reached(piece.event)) finish(piece);
  }
  while (!pieces_.empty() && pieces_.front().host == nullptr) pieces_.pop_front();
}

void Staging::copy_in(void* device, const void* host, int64_t bytes, StreamId stream) {
  for (int64_t done = 0; done < bytes; done += kPiece) {
    const int64_t n = std::min(kPiece, bytes - done);
    char* const slot = in_.take(n);
    std::memcpy(slot, static_cast<const char*>(host) + done, static_cast<size_t>(n));
    runtime_.copy_in(static_cast<char*>(device) + done, slot, n, stream);
    in_.use(stream, nullptr);
  }
}

void Staging::copy_out(void* host, const void* device, int64_t bytes, StreamId stream) {
  for (int64_t done = 0; done < bytes; done += kPiece) {
    const int64_t n = std::min(kPiece, bytes - done);
    runtime_.copy_out(out_.take(n), static_cast<const char*>(device) + done, n, stream);
    out_.use(stream, static_cast<char*>(host) + done);
  }
}

}  // namespace ballast
