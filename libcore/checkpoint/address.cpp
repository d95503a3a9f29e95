#include "libcore/checkpoint/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/checkpoint/journal.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int64_t kManifestLimit = int64_t{256} << 20;
constexpr const char* kAccepted = "accepted: RUN, RUN@latest, RUN@STEP, RUN@pin:NAME, a path";

bool parse_step(std::string_view text, int64_t& step) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  return error == std::errc() && end == text.data() + text.size() && step >= 0;
}

// A and B of "A..B", either may be empty.
bool parse_range(std::string_view text, Address& address) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  const std::string_view first = text.substr(0, dots), last = text.substr(dots + 2);
  address.kind = Address::Kind::range;
  return (first.empty() || parse_step(first, address.first)) &&
         (last.empty() || parse_step(last, address.last)) && address.first <= address.last;
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool is_checkpoint_path(FileSystem& fs, const std::string& path) {
  return step_of_directory(file_name(path)) >= 0 || fs.exists(join_path(path, kManifestName));
}

Result<CheckpointRef> checkpoint_at(FileSystem& fs, const std::string& path) {
  const Manifest manifest = BALLAST_TRY(check_complete(fs, path));
  CheckpointRef ref;
  ref.path = path;
  ref.step = manifest.step;
  const std::string parent = parent_directory(path);
  if (file_name(parent) == "ckpt") ref.run = parent_directory(parent);
  return ref;
}

// "ckpt/step-000000100" or "abandoned/seg-2/step-000000100", and nothing that leads elsewhere.
bool is_pinned_directory(std::string_view directory) {
  const bool known = directory.starts_with("ckpt/") || directory.starts_with("abandoned/");
  return known && directory.find("..") == std::string_view::npos &&
         printable(directory) == directory &&
         step_of_directory(file_name(std::string(directory))) >= 0;
}

std::string known_steps(FileSystem& fs, const std::string& run) {
  const auto entries = list_checkpoints(fs, run);
  if (!entries.ok()) return "";
  std::string text;
  size_t complete = 0;
  for (const CheckpointEntry& entry : *entries) {
    if (!entry.complete) continue;
    if (++complete <= 8) text += (text.empty() ? "" : ", ") + std::to_string(entry.step);
  }
  if (complete == 0) return "it has no complete checkpoint";
  return "complete are " + text + (complete > 8 ? fmt::format(" and {} more", complete - 8) : "");
}

Result<CheckpointRef> newest_or_error(FileSystem& fs, const std::string& run) {
  auto newest = BALLAST_TRY(newest_checkpoint(fs, run));
  if (!newest) return io_error("no complete checkpoint", run);
  return *newest;
}

Result<CheckpointRef> resolve_in_run(FileSystem& fs, const Address& address) {
  const std::string run = address.base;
  if (address.kind == Address::Kind::newest) return newest_or_error(fs, run);
  CheckpointRef ref;
  if (address.kind == Address::Kind::pin) {
    for (const Pin& pin : BALLAST_TRY(read_pins(fs, run))) {
      if (pin.name == address.pin) ref.path = join_path(run, pin.directory);
    }
    if (ref.path.empty()) return io_error("no pin '" + address.pin + "'", run);
  } else {
    ref.path = join_path(checkpoint_directory(run), step_directory_name(address.first));
    if (!fs.exists(ref.path)) {
      return io_error(fmt::format("no checkpoint of step {}", address.first), run,
                      known_steps(fs, run));
    }
  }
  ref = BALLAST_TRY(checkpoint_at(fs, ref.path));
  ref.run = run;
  return ref;
}

// Text that names something as it stands is not taken apart: paths may contain '@'.
Result<Address> address_of(FileSystem& fs, const std::string& text) {
  if (fs.exists(text)) {
    Address address;
    address.base = without_trailing_slashes(text);
    return address;
  }
  Address address = BALLAST_TRY(parse_address(text));
  if (!fs.exists(address.base)) return io_error("no such run or checkpoint", address.base);
  return address;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  Address address;
  const size_t at = text.rfind('@');
  address.base = without_trailing_slashes(std::string(text.substr(0, at)));
  if (address.base.empty())
    return usage_error("empty address '" + printable(text) + "'", "", kAccepted);
  if (at == std::string_view::npos) return address;
  const std::string_view tail = text.substr(at + 1);
  if (tail == "latest") return address;
  if (tail.starts_with("pin:")) {
    address.kind = Address::Kind::pin;
    address.pin = std::string(tail.substr(4));
    if (is_pin_name(address.pin)) return address;
  } else if (parse_step(tail, address.first)) {
    address.kind = Address::Kind::step;
    return address;
  } else if (parse_range(tail, address)) {
    return address;
  }
  return usage_error("malformed address '" + printable(text) + "'", "", kAccepted);
}

Result<Manifest> check_complete(FileSystem& fs, const std::string& path) {
  const std::string manifest_path = join_path(path, kManifestName);
  if (!fs.exists(manifest_path)) return corrupt_error("checkpoint has no manifest", path);
  const std::string text = BALLAST_TRY(read_file(fs, manifest_path, kManifestLimit));
  Manifest manifest = BALLAST_TRY(parse_checkpoint_manifest(text, manifest_path));
  const int64_t named = step_of_directory(file_name(path));
  if (named >= 0 && named != manifest.step) {
    return corrupt_error(fmt::format("manifest is of step {}", manifest.step), path);
  }
  for (const FileRecord& file : manifest.files) {
    const std::string file_path = join_path(path, file.name);
    if (!fs.exists(file_path)) return corrupt_error("file is missing", file_path);
    const FileInfo info = BALLAST_TRY(fs.info(file_path));
    if (!info.is_regular) return corrupt_error("not a regular file", file_path);
    if (info.size != file.bytes) {
      return corrupt_error("file has another size", file_path,
                           fmt::format("{} bytes, {} in the manifest", info.size, file.bytes));
    }
  }
  return manifest;
}

Result<std::vector<CheckpointEntry>> list_checkpoints(FileSystem& fs, const std::string& run) {
  std::vector<CheckpointEntry> entries;
  const std::string directory = checkpoint_directory(run);
  if (!fs.exists(directory)) return entries;
  const std::vector<Pin> pins = BALLAST_TRY(read_pins(fs, run));
  for (const std::string& name : BALLAST_TRY(fs.list(directory))) {
    CheckpointEntry entry;
    entry.step = step_of_directory(name);
    if (entry.step < 0) continue;
    entry.path = join_path(directory, name);
    auto manifest = check_complete(fs, entry.path);
    entry.complete = manifest.ok();
    if (manifest.ok()) {
      entry.manifest = std::move(*manifest);
    } else {
      entry.why = manifest.error().message();
    }
    for (const Pin& pin : pins) {
      if (pin.directory == "ckpt/" + name) entry.pins.push_back(pin.name);
    }
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, {}, &CheckpointEntry::step);
  return entries;
}

Result<std::optional<CheckpointRef>> newest_checkpoint(FileSystem& fs, const std::string& run,
                                                       int64_t at_most) {
  std::optional<CheckpointRef> none;
  const std::string directory = checkpoint_directory(run);
  if (!fs.exists(directory)) return none;
  // A damaged journal must not hide checkpoints; resuming and `ckpt journal` report it.
  const auto pending = pending_rollback(fs, run);
  if (pending.ok() && pending->has_value()) at_most = std::min(at_most, (*pending)->step);
  std::vector<int64_t> steps;
  for (const std::string& name : BALLAST_TRY(fs.list(directory))) {
    const int64_t step = step_of_directory(name);
    if (step >= 0 && step <= at_most) steps.push_back(step);
  }
  std::ranges::sort(steps, std::greater<>());
  for (const int64_t step : steps) {
    const std::string path = join_path(directory, step_directory_name(step));
    if (check_complete(fs, path).ok()) return std::optional(CheckpointRef{run, path, step});
  }
  return none;
}

Result<CheckpointRef> resolve_checkpoint(FileSystem& fs, const std::string& text) {
  const Address address = BALLAST_TRY(address_of(fs, text));
  if (address.kind == Address::Kind::range) {
    return usage_error("a range where one checkpoint is expected", text);
  }
  if (is_checkpoint_path(fs, address.base)) {
    if (address.kind == Address::Kind::newest) return checkpoint_at(fs, address.base);
    return usage_error("a checkpoint directory has no steps or pins", text);
  }
  if (!fs.exists(checkpoint_directory(address.base))) {
    return io_error("neither a checkpoint nor a run with a folder ckpt", address.base);
  }
  return resolve_in_run(fs, address);
}

Result<std::vector<CheckpointRef>> resolve_checkpoints(FileSystem& fs, const std::string& text) {
  const Address address = BALLAST_TRY(address_of(fs, text));
  if (address.kind != Address::Kind::range) {
    return std::vector<CheckpointRef>{BALLAST_TRY(resolve_checkpoint(fs, text))};
  }
  if (is_checkpoint_path(fs, address.base))
    return usage_error("a checkpoint directory has no steps or pins", text);
  std::vector<CheckpointRef> refs;
  for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs, address.base))) {
    if (entry.complete && entry.step >= address.first && entry.step <= address.last)
      refs.push_back({address.base, entry.path, entry.step});
  }
  if (refs.empty())
    return io_error("no complete checkpoint in the range", text, known_steps(fs, address.base));
  return refs;
}

bool is_pin_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name.front() != '.' && name.front() != '-' &&
         std::ranges::all_of(name, is_plain) && name.find(".tmp-") == std::string_view::npos;
}

Result<std::vector<Pin>> read_pins(FileSystem& fs, const std::string& run) {
  std::vector<Pin> pins;
  const std::string directory = join_path(run, "pins");
  if (!fs.exists(directory)) return pins;
  for (const std::string& name : BALLAST_TRY(fs.list(directory))) {
    if (!is_pin_name(name)) continue;
    const std::string path = join_path(directory, name);
    std::string line = BALLAST_TRY(read_file(fs, path, 4096));
    if (!line.empty() && line.back() == '\n') line.pop_back();
    if (!is_pinned_directory(line))
      return corrupt_error("pin does not name a checkpoint", path, printable(line));
    pins.push_back({name, line});
  }
  return pins;
}

Result<void> write_pin(FileSystem& fs, const std::string& run, const Pin& pin) {
  if (!is_pin_name(pin.name)) {
    return usage_error("malformed pin name '" + printable(pin.name) + "'", "",
                       "letters, digits, '.', '_', '-'; at most 100");
  }
  BALLAST_CHECK(is_pinned_directory(pin.directory));
  const std::string directory = join_path(run, "pins");
  if (!fs.exists(directory)) {
    BALLAST_TRY(fs.make_directories(directory));
    BALLAST_TRY(fs.sync_directory(run));
  }
  AtomicFile file(fs, join_path(directory, pin.name), true);
  BALLAST_TRY(file.write(pin.directory + "\n"));
  return file.commit();
}

Result<void> remove_pin(FileSystem& fs, const std::string& run, const std::string& name) {
  const std::string directory = join_path(run, "pins"), path = join_path(directory, name);
  if (!is_pin_name(name) || !fs.exists(path))
    return io_error("no pin '" + printable(name) + "'", run);
  BALLAST_TRY(fs.remove(path));
  return fs.sync_directory(directory);
}

}  // namespace ballast
