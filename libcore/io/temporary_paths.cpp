#include "libcore/io/temporary_paths.h"

#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstring>
#include <functional>

namespace ballast {
namespace {

constexpr size_t kSlots = 4096;  // 1024 shards that appear together

enum SlotState : int { kFree, kBusy, kReady };

// Pages of paths that were never used take no memory.
std::atomic<int> states[kSlots];
std::atomic<size_t> hashes[kSlots];  // of the paths, which only their writer and the handler read
char paths[kSlots][PATH_MAX];
std::atomic<bool> ending = false;

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

}  // namespace

// A path is only written between kFree and kReady, and never once `ending` is set: what the handler
// finds ready stays whole while it reads.
void remember_temporary(std::string_view path) {
  if (path.size() >= PATH_MAX) return;
  for (size_t slot = 0; slot < kSlots; ++slot) {
    int expected = kFree;
    if (!states[slot].compare_exchange_strong(expected, kBusy)) continue;
    while (ending.load()) ::pause();
    std::memcpy(paths[slot], path.data(), path.size());
    paths[slot][path.size()] = '\0';
    hashes[slot].store(std::hash<std::string_view>()(path));
    states[slot].store(kReady);
    return;
  }
}

void forget_temporary(std::string_view path) {
  const size_t hash = std::hash<std::string_view>()(path);
  for (size_t slot = 0; slot < kSlots; ++slot) {
    if (states[slot].load() != kReady || hashes[slot].load() != hash) continue;
    states[slot].store(kFree);
    return;
  }
}

void unlink_temporaries() {
  ending.store(true);
  for (size_t slot = 0; slot < kSlots; ++slot)
    if (states[slot].load() == kReady) ::unlink(paths[slot]);
}

}  // namespace ballast
