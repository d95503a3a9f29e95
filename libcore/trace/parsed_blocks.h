// A trace parsed by several threads: blocks of whole lines are read one after the other, parsed by
// whoever is free, and given back in the order of the file, so that a reader sees what it would
// have seen line by line. At most a few blocks are held, however long the trace is. next() may be
// called from one thread; it parses too while it would wait.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"
#include "libcore/trace/parser.h"

namespace ballast {

// What a line of a block is; empty lines and those that nobody wants are not in it.
struct ParsedLine {
  enum class Kind : uint8_t { step, other, bad };
  int32_t line = 0;  // within the block, from 1
  Kind kind = Kind::step;
  size_t index = 0;  // of steps, others or errors
};

struct ParsedBlock {
  std::vector<ParsedLine> found;
  std::vector<StepRecord> steps;  // the first `steps_used`; the rest keep their buffers
  size_t steps_used = 0;
  std::vector<TraceRecord> others;
  std::vector<Error> errors;
  int64_t lines = 0;
  int64_t torn_bytes = 0;      // behind the last LF of the input, in its last block
  std::optional<Error> ended;  // reading went wrong behind the lines of this block
  bool too_long = false;       // `ended` is LineBuffer::too_long(), for the line after them
};

struct BlockOptions {
  int threads = 2;  // the caller of next() included
  uint64_t fields = kAllFields;
  bool pass_over_bulk = false;  // "layers" and "amax" records
  size_t block_bytes = size_t{512} << 10;
};

class ParsedBlocks {
 public:
  ParsedBlocks(ByteSource& source, const BlockOptions& options);
  ~ParsedBlocks();
  // The next block, valid until the next call; null at the end.
  ParsedBlock* next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A line that begins as a record of many numbers that statistics of steps do not need.
bool is_bulk_line(std::string_view line);

}  // namespace ballast
