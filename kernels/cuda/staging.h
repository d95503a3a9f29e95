// Copies between ordinary host memory and the device, by way of page-locked memory: the host never
// waits for one. What is copied in may be changed at once; what is copied out arrives when the host
// next waits for an event behind it. Two rings hold what is on its way; a copy larger than a ring
// goes in pieces and waits for the first of them. One thread.
#pragma once

#include <cstdint>
#include <deque>

#include "kernels/cuda/runtime.h"

namespace ballast {

class Staging {
 public:
  explicit Staging(Runtime& runtime) : in_(runtime), out_(runtime), runtime_(runtime) {}

  void copy_in(void* device, const void* host, int64_t bytes, StreamId stream);
  void copy_out(void* host, const void* device, int64_t bytes, StreamId stream);
  // Hands over what has arrived: after every wait of the host.
  void deliver() { out_.deliver(); }

 private:
  // A stretch of the ring that a copy reads or fills until `event`.
  struct Piece {
    int64_t begin = 0, end = 0;
    EventId event = 0;
    void* host = nullptr;  // where it goes then; null: nowhere
  };
  class Ring {
   public:
    explicit Ring(Runtime& runtime) : runtime_(runtime) {}
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    // The next `bytes`, at most kPiece; waits while something in them is on its way.
    char* take(int64_t bytes);
    // What take() gave is in use until all work queued on `stream` so far has run.
    void use(StreamId stream, void* host);
    void deliver();

   private:
    void retire_first();
    void finish(Piece& piece);
    Runtime& runtime_;
    char* base_ = nullptr;
    int64_t begin_ = 0, end_ = 0;  // of what was taken last
    std::deque<Piece> pieces_;     // in the order of the ring
  };

  static constexpr int64_t kRing = int64_t{16} << 20, kPiece = kRing / 4;

  Ring in_, out_;
  Runtime& runtime_;
};

}  // namespace ballast
