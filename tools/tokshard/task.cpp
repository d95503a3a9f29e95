#include "tools/tokshard/task.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <optional>

namespace ballast {
namespace {

constexpr int64_t kMostTasks = int64_t{1} << 24;
using Variable = std::function<std::string(const char*)>;

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0)
    return std::nullopt;
  return value;
}

// None when the variable is not set.
Result<std::optional<int64_t>> number(const Variable& variable, const char* name) {
  const std::string text = variable(name);
  if (text.empty()) return std::optional<int64_t>();
  const auto value = whole(text);
  if (!value) return usage_error("not a whole number", name, text);
  return value;
}

// A place in a numbered set of processes; one alone when the variables are not set.
Result<std::optional<Share>> numbered(const Variable& variable, const char* index,
                                      const char* count) {
  const auto at = BALLAST_TRY(number(variable, index));
  const auto of = BALLAST_TRY(number(variable, count));
  if (!at || !of) return std::optional<Share>();
  if (*at >= *of || *of > kMostTasks)
    return usage_error(fmt::format("{} and {} do not fit", index, count), "--task auto",
                       fmt::format("{} of {}", *at, *of));
  return std::optional<Share>(Share{*at, *of});
}

// Array indexes may begin anywhere and go in steps.
Result<Share> array_place(const Variable& variable) {
  const auto index = BALLAST_TRY(number(variable, "SLURM_ARRAY_TASK_ID"));
  if (!index) return Share{};
  const auto least = BALLAST_TRY(number(variable, "SLURM_ARRAY_TASK_MIN"));
  const auto most = BALLAST_TRY(number(variable, "SLURM_ARRAY_TASK_MAX"));
  const auto count = BALLAST_TRY(number(variable, "SLURM_ARRAY_TASK_COUNT"));
  if (!least || !most || !count || *count < 1 || *least > *index || *index > *most)
    return usage_error("the variables of the array do not fit", "SLURM_ARRAY_TASK_ID",
                       "give --task I/N");
  const int64_t step = *count > 1 ? (*most - *least) / (*count - 1) : 1;
  // A list like 0,3,4 has no numbers from 0 on; a part of an array that is run again has too few.
  if (step < 1 || *least + step * (*count - 1) != *most || (*index - *least) % step != 0)
    return usage_error("the indexes of the array are not evenly spaced", "SLURM_ARRAY_TASK_ID",
                       "give --task I/N");
  if (*count > kMostTasks) return usage_error("too many tasks", "SLURM_ARRAY_TASK_COUNT");
  return Share{(*index - *least) / step, *count};
}

// srun sets its variables in each process of a step; a batch script alone has SLURM_NTASKS too.
Result<Share> step_place(const Variable& variable) {
  const bool step = !variable("SLURM_STEP_ID").empty();
  const std::pair<const char*, const char*> launchers[] = {
      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}};
  for (const auto& [index, count] : launchers)
    if (const auto place = BALLAST_TRY(numbered(variable, index, count))) return *place;
  if (step)
    if (const auto place = BALLAST_TRY(numbered(variable, "SLURM_PROCID", "SLURM_NTASKS")))
      return *place;
  return Share{};
}

}  // namespace

Result<Share> parse_task(const std::string& text, const Variable& variable) {
  if (text.empty()) return Share{};
  if (text == "auto") {
    const Share array = BALLAST_TRY(array_place(variable));
    const Share step = BALLAST_TRY(step_place(variable));
    return Share{array.task * step.tasks + step.task, array.tasks * step.tasks};
  }
  const size_t slash = text.find('/');
  const auto task = whole(std::string_view(text).substr(0, slash));
  const auto tasks =
      slash == text.npos ? std::nullopt : whole(std::string_view(text).substr(slash + 1));
  if (!task || !tasks || *task >= *tasks || *tasks > kMostTasks)
    return usage_error(fmt::format("is not I/N with 0 <= I < N <= {}", kMostTasks), "--task", text);
  return Share{*task, *tasks};
}

Result<Share> parse_task(const std::string& text) {
  return parse_task(text, [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
}

}  // namespace ballast
