// Reads a foreign log from memory for the tests of its readers.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcore/io/stream.h"
#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

struct ReadLog {
  std::vector<TraceRecord> records;
  std::vector<StepRecord> steps;
  std::vector<EvalRecord> evals;
  std::vector<EventRecord> events;
  ForeignNotes notes;
};

inline ReadLog read_log(std::unique_ptr<ForeignLog> log) {
  ReadLog read;
  TraceRecord record;
  while (true) {
    const Result<bool> got = log->next(record);
    EXPECT_TRUE(got.ok()) << (got.ok() ? "" : got.error().message());
    if (!got.ok() || !*got) break;
    read.records.push_back(record);
    if (record.type == RecordType::step) read.steps.push_back(record.step);
    if (record.type == RecordType::eval) read.evals.push_back(record.eval);
    if (record.type == RecordType::event) read.events.push_back(record.event);
  }
  read.notes = log->notes();
  return read;
}

inline std::vector<int64_t> steps_of(const ReadLog& read) {
  std::vector<int64_t> steps;
  for (const StepRecord& step : read.steps) steps.push_back(step.step);
  return steps;
}

}  // namespace ballast
