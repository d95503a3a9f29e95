// What a strategy option such as `zclip:mode=max,z=2.5`, `fixed:1.0` or `wsd:cooldown=20%` says: a
// kind, at most one bare value, and k=v pairs. The taker pulls its keys out with take_*; finish()
// then refuses what is left and names the accepted keys. No command line library is involved, so
// laws can parse the string that a trace recorded. Errors: kind usage, naming the flag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

class StrategySpec {
 public:
  static Result<StrategySpec> parse(std::string_view text, const std::string& flag);
  const std::string& kind() const { return kind_; }
  const std::string& flag() const { return flag_; }

  // The value of `key`, or `fallback` when it was not given; both bounds are included.
  Result<double> take_number(const std::string& key, double fallback, double minimum,
                             double maximum);
  Result<int64_t> take_count(const std::string& key, int64_t fallback, int64_t minimum,
                             int64_t maximum);
  Result<std::string> take_word(const std::string& key, const std::string& fallback,
                                const std::vector<std::string>& accepted);
  // Any text, for values that the taker parses itself (lengths such as `20%` or `4B`).
  std::string take_text(const std::string& key, const std::string& fallback);
  // The bare value of `fixed:1.0`; empty when none was given.
  std::string take_positional();
  bool has(const std::string& key) const;
  Result<void> finish();

 private:
  const std::string* take(const std::string& key);
  Error bad_value(const std::string& key, const std::string& value, const std::string& why) const;

  struct Entry {
    std::string key, value;  // key "" is the bare value
    bool taken = false;
  };
  std::string flag_, kind_;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

}  // namespace ballast
