#include "libcore/io/temporary_paths.h"

#include <dirent.h>
#include <fcntl.h>
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

// One pass over the files of a folder; false when it removed none. A folder within stays.
bool unlink_files(int folder) {
  alignas(dirent64) char entries[4096];
  bool any = false;
  ::lseek(folder, 0, SEEK_SET);
  while (true) {
    const ssize_t bytes = ::getdents64(folder, entries, sizeof entries);
    if (bytes <= 0) return any;
    for (ssize_t at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      any = ::unlinkat(folder, entry->d_name, 0) == 0 || any;
      at += entry->d_reclen;
    }
  }
}

// opendir(3) allocates. What is removed while it is read may hide other entries, hence the passes.
void remove_folder(const char* path) {
  const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  while (unlink_files(folder)) {
  }
  ::close(folder);
  ::rmdir(path);
}

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
    if (states[slot].load() == kReady && ::unlink(paths[slot]) != 0) remove_folder(paths[slot]);
}

}  // namespace ballast
