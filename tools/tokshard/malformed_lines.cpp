#include "tools/tokshard/malformed_lines.h"

#include <fmt/format.h>

#include "libcore/cli/message.h"
#include "tools/tokshard/counted.h"

namespace ballast {
namespace {

constexpr int64_t kNamed = 10;

}  // namespace

void MalformedLines::warn(const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (++count_ <= kNamed)
    print_warning(message);
  else
    print_verbose(message);
}

void MalformedLines::finish() {
  const std::lock_guard lock(mutex_);
  if (count_ > kNamed)
    print_warning(fmt::format("{} more skipped, {} in all; -v names all of them",
                              counted(count_ - kNamed, "malformed line"), count_));
  count_ = 0;
}

}  // namespace ballast
