#include "libcore/io/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <system_error>

namespace ballast {
namespace {

Error refused(int code, const std::string& path) {
  return io_error("cannot change or read", path, std::generic_category().message(code));
}

// What programs see (live) and what would survive a power cut (durable), side by side.
struct Node {
  bool is_directory = false;
  uint64_t inode = 0;
  int64_t mtime_ns = 0;
  std::string live, durable;
  std::map<std::string, std::shared_ptr<Node>> live_entries, durable_entries;

  void crash() {
    live = durable;
    live_entries = durable_entries;
    for (const auto& [name, child] : live_entries) child->crash();
  }
};
using NodePtr = std::shared_ptr<Node>;

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
  }
  return parts;
}

}  // namespace

struct MemoryFileSystem::State {
  std::mutex mutex;
  NodePtr root = std::make_shared<Node>();
  uint64_t next_inode = 1;
  int64_t clock_ns = 0;  // one tick per change
  int64_t free = std::numeric_limits<int64_t>::max();

  NodePtr make(bool is_directory) {
    auto node = std::make_shared<Node>();
    node->is_directory = is_directory;
    node->inode = next_inode++;
    node->mtime_ns = ++clock_ns;
    return node;
  }

  NodePtr find(const std::vector<std::string>& parts) const {
    NodePtr node = root;
    for (const std::string& part : parts) {
      const auto found = node->live_entries.find(part);
      if (found == node->live_entries.end()) return nullptr;
      node = found->second;
    }
    return node;
  }
  NodePtr find(const std::string& path) const { return find(parts_of(path)); }

  // The directory that holds `path` and the name in it.
  struct Place {
    NodePtr directory;
    std::string name;
    NodePtr node() const {
      const auto found = directory->live_entries.find(name);
      return found == directory->live_entries.end() ? nullptr : found->second;
    }
  };
  Result<Place> place(const std::string& path) const {
    std::vector<std::string> parts = parts_of(path);
    if (parts.empty()) return refused(EBUSY, path);
    const std::string name = parts.back();
    parts.pop_back();
    NodePtr directory = find(parts);
    if (!directory) return refused(ENOENT, path);
    if (!directory->is_directory) return refused(ENOTDIR, path);
    return Place{directory, name};
  }

  Result<void> move(const std::string& from, const std::string& to, bool exclusive) {
    const Place source = BALLAST_TRY(place(from));
    const Place target = BALLAST_TRY(place(to));
    const NodePtr node = source.node(), old = target.node();
    if (!node) return refused(ENOENT, from);
    if (old && exclusive) return refused(EEXIST, to);
    if (old && old->is_directory != node->is_directory)
      return refused(old->is_directory ? EISDIR : ENOTDIR, to);
    if (old && !old->live_entries.empty()) return refused(ENOTEMPTY, to);
    source.directory->live_entries.erase(source.name);
    target.directory->live_entries[target.name] = node;
    return {};
  }
};

namespace {

class MemoryReadable final : public ReadableFile {
 public:
  MemoryReadable(std::mutex& mutex, NodePtr node)
      : mutex_(mutex), node_(std::move(node)), size_(static_cast<int64_t>(node_->live.size())) {}
  Result<size_t> read_at(int64_t offset, MutableBytes into) override {
    const std::lock_guard lock(mutex_);
    const auto begin = std::min(static_cast<size_t>(offset), node_->live.size());
    const size_t n = std::min(into.size(), node_->live.size() - begin);
    if (n > 0) std::memcpy(into.data(), node_->live.data() + begin, n);  // an empty span is null
    return n;
  }
  int64_t size() const override { return size_; }

 private:
  std::mutex& mutex_;  // of the file system, which outlives its files
  NodePtr node_;
  int64_t size_;
};

class MemoryWritable final : public WritableFile {
 public:
  MemoryWritable(std::mutex& mutex, NodePtr node, int64_t& free, int64_t& clock_ns,
                 std::string path)
      : mutex_(mutex),
        node_(std::move(node)),
        free_(free),
        clock_ns_(clock_ns),
        path_(std::move(path)) {}
  Result<void> append(Bytes data) override {
    const std::lock_guard lock(mutex_);
    const auto n = static_cast<int64_t>(data.size());
    if (n > free_) return refused(ENOSPC, path_);
    free_ -= n;
    node_->live += as_text(data);
    node_->mtime_ns = ++clock_ns_;
    return {};
  }
  Result<void> sync() override {
    const std::lock_guard lock(mutex_);
    node_->durable = node_->live;
    return {};
  }
  Result<void> close() override { return {}; }

 private:
  std::mutex& mutex_;
  NodePtr node_;
  int64_t& free_;
  int64_t& clock_ns_;
  std::string path_;
};

}  // namespace

MemoryFileSystem::MemoryFileSystem() : state_(std::make_shared<State>()) {
  state_->root->is_directory = true;
}
MemoryFileSystem::~MemoryFileSystem() = default;

void MemoryFileSystem::crash() {
  const std::lock_guard lock(state_->mutex);
  state_->root->crash();
}

void MemoryFileSystem::set_free_bytes(int64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->free = bytes;
}

Result<std::unique_ptr<ReadableFile>> MemoryFileSystem::open_read(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  NodePtr node = state_->find(path);
  if (!node) return refused(ENOENT, path);
  if (node->is_directory) return refused(EISDIR, path);
  return std::make_unique<MemoryReadable>(state_->mutex, std::move(node));
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::create_exclusive(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto place = BALLAST_TRY(state_->place(path));
  if (place.node()) return refused(EEXIST, path);
  NodePtr node = place.directory->live_entries[place.name] = state_->make(false);
  return std::make_unique<MemoryWritable>(state_->mutex, std::move(node), state_->free,
                                          state_->clock_ns, path);
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::open_append(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto place = BALLAST_TRY(state_->place(path));
  NodePtr node = place.node();
  if (node && node->is_directory) return refused(EISDIR, path);
  if (!node) node = place.directory->live_entries[place.name] = state_->make(false);
  return std::make_unique<MemoryWritable>(state_->mutex, std::move(node), state_->free,
                                          state_->clock_ns, path);
}

Result<void> MemoryFileSystem::truncate(const std::string& path, int64_t size) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->find(path);
  if (!node) return refused(ENOENT, path);
  if (node->is_directory) return refused(EISDIR, path);
  node->live.resize(static_cast<size_t>(size));
  node->mtime_ns = ++state_->clock_ns;
  return {};
}

Result<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  return state_->move(from, to, false);
}

Result<void> MemoryFileSystem::rename_exclusive(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  return state_->move(from, to, true);
}

Result<bool> MemoryFileSystem::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->find(from);
  const auto place = BALLAST_TRY(state_->place(to));
  if (!node) return refused(ENOENT, from);
  if (node->is_directory) return refused(EPERM, from);
  if (place.node()) return refused(EEXIST, to);
  place.directory->live_entries[place.name] = node;
  return true;
}

Result<void> MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto place = BALLAST_TRY(state_->place(path));
  const NodePtr node = place.node();
  if (!node) return refused(ENOENT, path);
  if (!node->live_entries.empty()) return refused(ENOTEMPTY, path);
  place.directory->live_entries.erase(place.name);
  return {};
}

Result<void> MemoryFileSystem::remove_all(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto place = state_->place(path);
  if (place.ok()) place->directory->live_entries.erase(place->name);
  return {};
}

Result<void> MemoryFileSystem::make_directories(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  NodePtr node = state_->root;
  for (const std::string& part : parts_of(path)) {
    NodePtr& child = node->live_entries[part];
    if (!child) child = state_->make(true);
    if (!child->is_directory) return refused(ENOTDIR, path);
    node = child;
  }
  return {};
}

Result<void> MemoryFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->find(path);
  if (!node) return refused(ENOENT, path);
  if (!node->is_directory) return refused(ENOTDIR, path);
  node->durable_entries = node->live_entries;
  return {};
}

Result<FileInfo> MemoryFileSystem::info(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->find(path);
  if (!node) return refused(ENOENT, path);
  FileInfo info;
  info.is_directory = node->is_directory;
  info.is_regular = !node->is_directory;
  info.size = static_cast<int64_t>(node->live.size());
  info.device = 1;
  info.inode = node->inode;
  info.mtime_ns = node->mtime_ns;
  return info;
}

bool MemoryFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return state_->find(path) != nullptr;
}

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& directory) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = state_->find(directory);
  if (!node) return refused(ENOENT, directory);
  if (!node->is_directory) return refused(ENOTDIR, directory);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->live_entries) names.push_back(name);
  return names;
}

Result<int64_t> MemoryFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(state_->mutex);
  return state_->free;
}

}  // namespace ballast
