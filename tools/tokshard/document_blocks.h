// Documents of many inputs in blocks: lines are read one after the other, parsed in parallel, and
// given out in input order, whatever the number of threads. Hashes each input as it is read and
// counts what is left out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"
#include "libcore/io/stream.h"
#include "libcore/shard/writer.h"
#include "libcore/text/document.h"
#include "tools/tokshard/malformed_lines.h"

namespace ballast {

class DocumentBlocks {
 public:
  // With `skip_errors` malformed lines are warned about and counted, else they end the reading.
  // With `all` documents without text and rejected ones are given too, and not counted here.
  DocumentBlocks(std::vector<std::string> paths, bool skip_errors, bool all = false);
  ~DocumentBlocks();

  // The next documents, unless told otherwise with text and not rejected by a filter; an empty
  // block is the end.
  Result<std::vector<Document>> next(ThreadPool& pool);

  struct Line {
    std::string text;
    std::string where;  // file and line
  };
  // Instead of next(): about so many bytes of lines that are not blank, for callers that parse them
  // in threads of their own; no line is the end. Counts nothing.
  Result<std::vector<Line>> lines(size_t bytes);

  // Complete when next() has given an empty block.
  const std::vector<OutputFile>& inputs() const { return inputs_; }
  int64_t skipped() const { return skipped_; }    // malformed lines
  int64_t empty() const { return empty_; }        // documents without text
  int64_t rejected() const { return rejected_; }  // documents that a filter dropped
  int64_t replaced() const { return replaced_; }  // ill-formed UTF-8 sequences

 private:
  Result<bool> read_line(Line& line);
  Result<void> open_next();

  std::vector<std::string> paths_;
  bool skip_errors_, all_;
  std::vector<OutputFile> inputs_;
  MalformedLines malformed_;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<LineReader> reader_;
  int64_t skipped_ = 0, empty_ = 0, rejected_ = 0, replaced_ = 0;
};

// A filter dropped it; it is among the documents because its reasons are.
bool is_rejected(const Document& document);

// Kind io when one of `paths` is not there; standard input is.
Result<void> look_for_inputs(const std::vector<std::string>& paths);

// Kind usage when a file or shard stands twice among `paths`, under two spellings too, and so does
// standard input.
Result<void> refuse_repeated_inputs(const std::vector<std::string>& paths);

}  // namespace ballast
