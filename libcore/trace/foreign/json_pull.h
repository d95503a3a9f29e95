// JSON as programs in Python write it, token by token: NaN, Infinity and -Infinity may stand bare
// where a number may. A whole document or a sequence of them, from a stream or from memory, without
// ever holding more than one token; ill-formed UTF-8 becomes U+FFFD. Strict otherwise: bad grammar,
// strings over 1 MiB, invalid UTF-8 escapes and nesting over 64 levels are damage, and nothing is
// read on. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"

namespace ballast {

enum class JsonToken {
  begin_object,
  end_object,
  begin_array,
  end_array,
  key,      // text()
  string,   // text()
  number,   // number(); also the bare words
  boolean,  // number() is 1 or 0
  null,
  end,      // of the input, outside of any value
  damaged,  // and everything after it; damage(), truncated()
};

class JsonPull {
 public:
  explicit JsonPull(std::string_view text);  // which outlives this
  explicit JsonPull(ByteSource& source);
  ~JsonPull();
  void reset(std::string_view text);  // begins again with another text

  // Error: the source's own.
  Result<JsonToken> next();
  const std::string& text() const;
  double number() const;
  int64_t offset() const;  // of the byte after the last token
  const std::string& damage() const;
  bool truncated() const;  // damaged only in that the input ends too early

  // Passes over the value that begins with `first`. False where it is damaged.
  Result<bool> skip(JsonToken first);
  // The value that begins with `first`, non-finite numbers as their words; null when it is longer
  // than `most` bytes. False where it is damaged.
  Result<bool> value(JsonToken first, Json& into, int64_t most = int64_t{1} << 17);
  // Every number, boolean and number-like word ("NaN") of the value that begins with `first`, named
  // by the keys that lead to it after `name`, joined by '.'; arrays are passed over.
  using NumberFunction = std::function<void(std::string_view name, double value)>;
  Result<bool> numbers(JsonToken first, std::string& name, const NumberFunction& f);

 private:
  struct State;
  Result<bool> build(JsonToken first, Json& into, int64_t limit);
  Result<bool> leave(size_t depth);
  std::unique_ptr<State> state_;
};

// "NaN", "Infinity", "-Infinity": as numbers.
bool nonfinite_word(std::string_view text, double& value);

}  // namespace ballast
