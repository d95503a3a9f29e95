// Ids of documents by number, one after the other in memory: 8 bytes each besides their letters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

class IdList {
 public:
  void append(std::string_view id) {
    letters_ += id;
    ends_.push_back(letters_.size());
  }
  std::string_view at(uint64_t number) const {
    const size_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(letters_).substr(begin, ends_[number] - begin);
  }
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  int64_t bytes() const {
    if (ends_.empty()) return 0;
    return static_cast<int64_t>(letters_.capacity() + ends_.capacity() * sizeof(size_t));
  }

 private:
  std::string letters_;
  std::vector<size_t> ends_;
};

}  // namespace ballast
