#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <thread>

#include "libcore/base/thread_pool.h"
#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/checkpoint/tensor_file.h"
#include "libcore/precision/half.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct VerifyOptions {
  std::vector<std::string> addresses;
  bool full = false;
  bool values = false;
};

struct Finding {
  std::string path;
  bool good = true;
  bool replicas_differ = false;
  std::string why;
  int64_t bytes = 0;
};

int64_t count_nonfinite(const std::string& dtype, Bytes data) {
  int64_t count = 0;
  if (dtype == "F32") {
    for (size_t i = 0; i + 4 <= data.size(); i += 4)
      count += (load_le<uint32_t>(&data[i]) & 0x7F800000u) == 0x7F800000u;
  } else if (dtype == "BF16") {
    for (size_t i = 0; i + 2 <= data.size(); i += 2)
      count += (load_le<uint16_t>(&data[i]) & 0x7F80u) == 0x7F80u;
  }
  return count;
}

// Hashes of a file; with `values` the first tensor that holds NaN or Inf is an error too.
Result<void> check_content(FileSystem& fs, const std::string& path, const FileRecord& file,
                           bool values) {
  if (!values || file.tensors.empty()) return check_file(fs, path, file);
  std::string first;
  int64_t count = 0;
  BALLAST_TRY(
      read_tensor_file(fs, path, file, [&](const TensorRecord& tensor, int64_t, Bytes data) {
        const int64_t found = count_nonfinite(tensor.dtype, data);
        if (found > 0 && first.empty()) first = tensor.name;
        count += first == tensor.name ? found : 0;
      }));
  if (count == 0) return {};
  return corrupt_error("values are not finite", join_path(path, file.name) + ": " + first,
                       fmt::format("{} of them", count));
}

// All files of a checkpoint, the largest first, over the threads. The first damage in the order of
// the manifest is reported, however the threads come along.
Result<void> check_files(FileSystem& fs, const std::string& path, const Manifest& manifest,
                         bool values, int threads) {
  std::vector<size_t> order(manifest.files.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](size_t i) { return manifest.files[i].bytes; });
  std::vector<std::optional<Error>> errors(order.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) {
      auto checked = check_content(fs, path, manifest.files[order[i]], values);
      if (!checked.ok()) errors[order[i]] = checked.take_error();
    }
  };
  std::vector<std::thread> pool;
  for (int i = 1; i < std::min<int>(threads, static_cast<int>(order.size())); ++i)
    pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  for (std::optional<Error>& error : errors) {
    if (error) return std::move(*error);
  }
  return {};
}

Result<Finding> verify_one(FileSystem& fs, const std::string& path, const VerifyOptions& options,
                           int threads) {
  Finding finding;
  finding.path = path;
  const auto damaged = [&](const Error& error) {
    finding.good = false;
    finding.why = error.message();
    return finding;
  };
  auto manifest = check_complete(fs, path);
  if (!manifest.ok()) return damaged(manifest.error());
  finding.bytes = manifest->bytes();
  const CoverageReport coverage = check_coverage(*manifest);
  if (coverage.verdict != Coverage::complete) {
    finding.replicas_differ = coverage.verdict == Coverage::replicas_differ;
    return damaged(corrupt_error(coverage.why));
  }
  auto state = load_checkpoint_state(fs, path);
  if (!state.ok()) return damaged(state.error());
  if (options.full || options.values) {
    auto checked = check_files(fs, path, *manifest, options.values, threads);
    if (!checked.ok()) {
      // What the system refuses to read is no verdict about the bytes.
      if (checked.error().kind == ErrorKind::io) return checked.take_error();
      return damaged(checked.error());
    }
  }
  return finding;
}

// A bare RUN stands for all its checkpoints here: the newest complete one would hide what is wrong
// with a newer one.
Result<std::vector<std::string>> paths_of(FileSystem& fs, const std::string& address) {
  std::vector<std::string> paths;
  if (fs.exists(checkpoint_directory(address))) {
    for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs, address)))
      paths.push_back(entry.path);
    if (paths.empty()) return io_error("run has no checkpoint", address);
    return paths;
  }
  if (!fs.exists(address)) {
    const Address parsed = BALLAST_TRY(parse_address(address));
    const std::string path =
        join_path(checkpoint_directory(parsed.base), step_directory_name(parsed.first));
    if (parsed.kind == Address::Kind::step && fs.exists(path)) {
      paths.push_back(path);
      return paths;
    }
  }
  if (step_of_directory(file_name(address)) >= 0 && fs.exists(address)) {
    paths.push_back(address);
    return paths;
  }
  for (const CheckpointRef& ref : BALLAST_TRY(resolve_checkpoints(fs, address)))
    paths.push_back(ref.path);
  return paths;
}

void print_finding(const Finding& finding, const VerifyOptions& options, bool as_json) {
  const char* depth = options.full || options.values ? "full" : "sizes";
  if (as_json) {
    Json json{{"v", 1}, {"path", finding.path}, {"ok", finding.good}, {"checked", depth}};
    json["bytes"] = finding.bytes;
    if (!finding.good) json["why"] = finding.why;
    print_out(to_json_line(json) + "\n");
  } else if (finding.good) {
    print_out(
        fmt::format("ok       {} ({}, {})\n", finding.path, depth, format_bytes(finding.bytes)));
  } else {
    print_out(fmt::format("damaged  {}: {}\n", finding.path, finding.why));
  }
}

Result<int> verify(const VerifyOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const int threads = common.threads > 0 ? common.threads : available_cores();
  int code = kExitDone;
  for (const std::string& address : options.addresses) {
    for (const std::string& path : BALLAST_TRY(paths_of(fs, address))) {
      const Finding finding = BALLAST_TRY(verify_one(fs, path, options, threads));
      print_finding(finding, options, common.json);
      if (finding.replicas_differ) code = kExitHardware;
      if (!finding.good && code == kExitDone) code = kExitNo;
    }
  }
  return code;
}

}  // namespace

VerbRun add_verify(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<VerifyOptions>();
  path_option(
      app.add_option("address", options->addresses,
                     "RUN (all its checkpoints), RUN@STEP, RUN@A..B, RUN@pin:NAME or a path")
          ->required());
  app.add_flag("--full", options->full, "read everything and compare every hash");
  app.add_flag("--values", options->values, "as --full, and look for NaN and Inf in all tensors");
  return [options, &common] { return verify(*options, common); };
}

}  // namespace ballast
