#include "libcore/parts/accounting.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

class Accountant {
 public:
  Accountant(const PartsFolder& folder, const std::vector<std::string>& suffixes,
             const CountedRecords& counted, bool full)
      : folder_(folder), suffixes_(suffixes), counted_(counted), full_(full) {}

  Result<PartsAccount> run() {
    for (int64_t input = 0; input < folder_.inputs(); ++input) {
      account_.inputs.emplace_back();
      BALLAST_TRY(follow(input, account_.inputs.back()));
    }
    return std::move(account_);
  }

 private:
  void found(std::string line) { account_.damage.push_back(std::move(line)); }

  // Part by part until the last one.
  Result<void> follow(int64_t input, InputAccount& account) {
    int64_t part = 0, end = 0;
    while (true) {
      auto read = folder_.read(input, part);
      if (!read.ok() && read.error().kind != ErrorKind::corrupt) return read.take_error();
      if (!read.ok()) {
        found(read.error().message());
        return {};
      }
      if (!*read) {
        account_.missing.push_back({input, part});
        return {};
      }
      const PartRecord& record = **read;
      const std::string path = folder_.path(input, part, ".json");
      if (record.begin != end) {
        found(fmt::format("begins at byte {}, where {} is expected: {}", record.begin, end, path));
        return {};
      }
      BALLAST_TRY(check(record, path));
      end = record.end;
      ++account.parts;
      account.records += record.records;
      account.decoded_bytes = end;
      if (record.last) return close(input, record, account);
      const int64_t next = end / folder_.plan().part_bytes;
      if (next <= part) {
        found(fmt::format("ends before the next part begins: {}", path));
        return {};
      }
      part = next;
    }
  }

  Result<void> check(const PartRecord& record, const std::string& path) {
    for (const std::string& suffix : suffixes_) {
      const std::string name = PartsFolder::name(record.input, record.part, suffix);
      if (std::ranges::none_of(record.files,
                               [&](const OutputFile& file) { return file.path == name; }))
        found(fmt::format("has no file {}: {}", name, path));
    }
    for (const OutputFile& file : record.files)
      BALLAST_TRY(check_file(file, join_path(folder_.directory(), file_name(file.path)), full_,
                             "; remove it and run the job again"));
    auto counted = counted_(record);
    if (!counted.ok()) {
      found(counted.error().message());
    } else if (*counted != record.records) {
      found(fmt::format("accounts for {} of {} records: {}", *counted, record.records, path));
    }
    return {};
  }

  Result<void> close(int64_t input, const PartRecord& last, InputAccount& account) {
    const std::string& path = folder_.plan().inputs[static_cast<size_t>(input)].path;
    account.source = {path, last.source_bytes, last.source_hash};
    const int64_t planned = folder_.plan().inputs[static_cast<size_t>(input)].bytes;
    if (last.source_bytes != planned)
      found(fmt::format("{} bytes were read where the plan has {}: {}", last.source_bytes, planned,
                        path));
    // Inputs may be gone when their parts are put together; then the records stand for them.
    if (full_ && folder_.file_system().exists(path))
      return check_file(account.source, path, true, "");
    return {};
  }

  Result<void> check_file(const OutputFile& said, const std::string& path, bool hash,
                          const char* remedy) {
    FileSystem& fs = folder_.file_system();
    if (!fs.exists(path)) {
      found(fmt::format("file of a part is gone: {}; run the job again", path));
      return {};
    }
    const FileInfo info = BALLAST_TRY(fs.info(path));
    if (info.size != said.bytes) {
      found(fmt::format("size differs from the record: {} ({} bytes, {} expected){}", path,
                        info.size, said.bytes, remedy));
    } else if (hash) {
      const OutputFile now = BALLAST_TRY(hash_file(fs, path));
      if (now.hash != said.hash)
        found(fmt::format("content differs from the record's hash: {}{}", path, remedy));
    }
    return {};
  }

  const PartsFolder& folder_;
  const std::vector<std::string>& suffixes_;
  const CountedRecords& counted_;
  const bool full_;
  PartsAccount account_;
};

template <class Value>
int64_t sum(const std::vector<InputAccount>& inputs, Value value) {
  int64_t total = 0;
  for (const InputAccount& input : inputs) total += value(input);
  return total;
}

}  // namespace

int64_t PartsAccount::source_bytes() const {
  return sum(inputs, [](const InputAccount& input) { return input.source.bytes; });
}
int64_t PartsAccount::decoded_bytes() const {
  return sum(inputs, [](const InputAccount& input) { return input.decoded_bytes; });
}
int64_t PartsAccount::parts() const {
  return sum(inputs, [](const InputAccount& input) { return input.parts; });
}
int64_t PartsAccount::records() const {
  return sum(inputs, [](const InputAccount& input) { return input.records; });
}

Result<PartsAccount> account_parts(const PartsFolder& folder,
                                   const std::vector<std::string>& suffixes,
                                   const CountedRecords& counted, bool full) {
  return Accountant(folder, suffixes, counted, full).run();
}

Result<void> visit_parts(const PartsFolder& folder,
                         const std::function<Result<void>(const PartRecord& part)>& visit) {
  for (int64_t input = 0; input < folder.inputs(); ++input) {
    for (int64_t part = 0;;) {
      const auto record = BALLAST_TRY(folder.read(input, part));
      if (!record) break;
      BALLAST_TRY(visit(*record));
      const int64_t next = record->end / folder.plan().part_bytes;
      if (record->last || next <= part) break;
      part = next;
    }
  }
  return {};
}

}  // namespace ballast
