// Which inputs, and which parts of them, are one task's. Content does not enter: the assignment
// follows from the numbers alone, so that a task that runs again finds the same share. While there
// are at least as many inputs as tasks an input belongs to one task; otherwise tasks share an input
// and take its parts in turn.
#pragma once

#include <cstdint>

namespace ballast {

struct Share {
  int64_t task = 0;
  int64_t tasks = 1;

  // Of things that are not divided further.
  bool has_item(int64_t item) const { return item % tasks == task; }
  bool has_input(int64_t input, int64_t inputs) const {
    return tasks <= inputs ? input % tasks == task : task % inputs == input;
  }
  // Of an input that has_input().
  bool has_part(int64_t input, int64_t part, int64_t inputs) const {
    if (tasks <= inputs) return true;
    const int64_t sharing = (tasks - input + inputs - 1) / inputs;
    return part % sharing == task / inputs;
  }
};

}  // namespace ballast
