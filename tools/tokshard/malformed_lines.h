// Warnings of malformed lines that are skipped: the first of a run one by one, the others, of which
// a damaged crawl may have millions, as a number at its end. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace ballast {

class MalformedLines {
 public:
  void warn(const std::string& message);
  // At the end of the inputs.
  void finish();

 private:
  std::mutex mutex_;
  int64_t count_ = 0;
};

}  // namespace ballast
