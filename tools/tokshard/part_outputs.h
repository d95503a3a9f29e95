// The files of the part that is being made of an input, in the order of their suffixes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libcore/io/stream.h"
#include "libcore/parts/part_reader.h"
#include "libcore/parts/parts_folder.h"
#include "tools/tokshard/parts_job.h"

namespace ballast {

class PartOutputs {
 public:
  PartOutputs(const PartsFolder& folder, int64_t input, PartsProgress& progress,
              std::vector<std::string> suffixes)
      : folder_(folder), input_(input), progress_(progress), suffixes_(std::move(suffixes)) {}

  Result<void> begin(int64_t part) {
    sinks_.clear();
    for (const std::string& suffix : suffixes_)
      sinks_.push_back(
          BALLAST_TRY(open_sink(folder_.file_system(), folder_.path(input_, part, suffix), true)));
    return {};
  }
  // Null when there is no file of that number.
  ByteSink* sink(size_t number) const {
    return number < sinks_.size() ? sinks_[number].get() : nullptr;
  }
  Result<void> end(PartRecord record, Json counts) {
    for (const auto& sink : sinks_) BALLAST_TRY(sink->finish());
    record.counts = std::move(counts);
    const int64_t part = record.part, records = record.records;
    BALLAST_TRY(folder_.write(std::move(record), suffixes_));
    progress_.made();
    print_verbose(fmt::format("part {} of {}: {} records", part,
                              folder_.plan().inputs[static_cast<size_t>(input_)].path, records));
    return {};
  }

 private:
  const PartsFolder& folder_;
  const int64_t input_;
  PartsProgress& progress_;
  const std::vector<std::string> suffixes_;
  std::vector<std::unique_ptr<ByteSink>> sinks_;
};

}  // namespace ballast
