#include "libcore/parts/parts_folder.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/io/atomic_file.h"
#include "libcore/parts/plan_difference.h"
#include "libcore/parts/record_size.h"
#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

constexpr const char* kPlanType = "parts_plan";
constexpr const char* kRecordType = "part";
constexpr int64_t kVersion = 1;
constexpr int64_t kPlanLimit = int64_t{1} << 30;
constexpr const char* kRecordSuffix = ".json";

Result<Json> parse_versioned(std::string_view text, const char* type, const std::string& where) {
  Json root = BALLAST_TRY(parse_json(text, where));
  if (!root.is_object()) return corrupt_error("not an object", where);
  const std::string found = BALLAST_TRY(string_member(root, "type", where));
  const int64_t version = BALLAST_TRY(integer_member(root, "v", where));
  if (found != type || version != kVersion)
    return corrupt_error(fmt::format("'{}' version {} is not supported", found, version), where,
                         fmt::format("'{}' version {} is expected", type, kVersion));
  return root;
}

}  // namespace

std::string PartsPlan::text() const {
  Json record = {{"v", kVersion}, {"type", kPlanType}, {"verb", verb}, {"options", options}};
  record["part_bytes"] = part_bytes;
  record["inputs"] = Json::array();
  for (const Input& input : inputs)
    record["inputs"].push_back({{"file", input.path}, {"bytes", input.bytes}});
  return to_json_text(record);
}

Result<PartsPlan> parse_parts_plan(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_versioned(text, kPlanType, where));
  PartsPlan plan;
  plan.verb = BALLAST_TRY(string_member(root, "verb", where));
  plan.options = *BALLAST_TRY(member(root, "options", where));
  plan.part_bytes = BALLAST_TRY(integer_member(root, "part_bytes", where));
  if (plan.part_bytes < 1) return corrupt_error("'part_bytes' is not positive", where);
  const Json* inputs = BALLAST_TRY(member(root, "inputs", where));
  if (!inputs->is_array() || inputs->empty())
    return corrupt_error("'inputs' is not a list of files", where);
  for (const Json& one : *inputs) {
    PartsPlan::Input input;
    input.path = BALLAST_TRY(string_member(one, "file", where));
    input.bytes = BALLAST_TRY(count_member(one, "bytes", where));
    plan.inputs.push_back(std::move(input));
  }
  return plan;
}

std::string PartRecord::text() const {
  Json record = {{"v", kVersion}, {"type", kRecordType}, {"input", input}, {"part", part}};
  record["begin"] = begin;
  record["end"] = end;
  record["xxh3_128"] = content.hex();
  record["records"] = records;
  record["last"] = last;
  if (last) record["source"] = {{"bytes", source_bytes}, {"xxh3_128", source_hash.hex()}};
  record["files"] = files_json(files);
  record["counts"] = counts;
  return to_json_text(record);
}

Result<PartRecord> parse_part_record(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_versioned(text, kRecordType, where));
  PartRecord record;
  record.input = BALLAST_TRY(count_member(root, "input", where));
  record.part = BALLAST_TRY(count_member(root, "part", where));
  record.begin = BALLAST_TRY(count_member(root, "begin", where));
  record.end = BALLAST_TRY(count_member(root, "end", where));
  if (record.end < record.begin) return corrupt_error("'end' is before 'begin'", where);
  const std::string content = BALLAST_TRY(string_member(root, "xxh3_128", where));
  record.content = BALLAST_TRY(parse_hash(content, where));
  record.records = BALLAST_TRY(count_member(root, "records", where));
  const Json* last = BALLAST_TRY(member(root, "last", where));
  if (!last->is_boolean()) return corrupt_error("'last' is neither true nor false", where);
  record.last = last->get<bool>();
  if (record.last) {
    const Json* source = BALLAST_TRY(member(root, "source", where));
    record.source_bytes = BALLAST_TRY(count_member(*source, "bytes", where));
    const std::string hash = BALLAST_TRY(string_member(*source, "xxh3_128", where));
    record.source_hash = BALLAST_TRY(parse_hash(hash, where));
  }
  record.files = BALLAST_TRY(parse_files(root, "files", where));
  record.counts = *BALLAST_TRY(member(root, "counts", where));
  return record;
}

bool is_parts_folder(FileSystem& fs, const std::string& path) {
  return fs.exists(join_path(path, kPlanName));
}

namespace {

Result<void> refuse_other_job(FileSystem& fs, const std::string& path, const std::string& text) {
  const std::string found = BALLAST_TRY(read_file(fs, path, kPlanLimit));
  if (found == text) return {};
  const PartsPlan there = BALLAST_TRY(parse_parts_plan(found, path));
  std::string difference = plan_difference(there, BALLAST_TRY(parse_parts_plan(text, path)));
  if (difference.empty()) difference = "its plan is written in another way";
  return usage_error("the folder is another job's, " + difference, path,
                     "name another --parts, or remove this one");
}

}  // namespace

Result<void> PartsFolder::look(FileSystem& fs, const std::string& directory,
                               const PartsPlan& plan) {
  const std::string path = join_path(directory, kPlanName);
  if (!fs.exists(path)) return {};
  return refuse_other_job(fs, path, plan.text());
}

Result<PartsFolder> PartsFolder::create(FileSystem& fs, std::string directory, PartsPlan plan) {
  const std::string path = join_path(directory, kPlanName);
  const std::string text = plan.text();
  if (!fs.exists(path)) {
    BALLAST_TRY(fs.make_directories(directory));
    // Of tasks that start together one writes the plan, and all compare theirs with it below.
    AtomicFile file(fs, path, false);
    Result<void> made = file.write(text);
    if (made.ok()) made = file.commit();
    if (!made.ok() && !fs.exists(path)) return made.take_error();
  }
  BALLAST_TRY(refuse_other_job(fs, path, text));
  return PartsFolder(fs, std::move(directory), std::move(plan));
}

Result<PartsFolder> PartsFolder::open(FileSystem& fs, std::string directory) {
  const std::string path = join_path(directory, kPlanName);
  const std::string text = BALLAST_TRY(read_file(fs, path, kPlanLimit));
  PartsPlan plan = BALLAST_TRY(parse_parts_plan(text, path));
  return PartsFolder(fs, std::move(directory), std::move(plan));
}

std::string PartsFolder::name(int64_t input, int64_t part, const std::string& suffix) {
  return fmt::format("{:07}-{:06}{}", input, part, suffix);
}
std::string PartsFolder::path(int64_t input, int64_t part, const std::string& suffix) const {
  return join_path(directory_, name(input, part, suffix));
}

bool PartsFolder::has(int64_t input, int64_t part) const {
  return fs_->exists(path(input, part, kRecordSuffix));
}

Result<std::optional<PartRecord>> PartsFolder::read(int64_t input, int64_t part) const {
  const std::string file = path(input, part, kRecordSuffix);
  if (!fs_->exists(file)) return std::optional<PartRecord>();
  const std::string text = BALLAST_TRY(read_file(*fs_, file, kRecordLimit));
  PartRecord record = BALLAST_TRY(parse_part_record(text, file));
  if (record.input != input || record.part != part)
    return corrupt_error("the record of another part", file);
  return std::optional<PartRecord>(std::move(record));
}

Result<bool> PartsFolder::has_files(const PartRecord& record) const {
  for (const OutputFile& said : record.files) {
    const std::string file = join_path(directory_, file_name(said.path));
    if (!fs_->exists(file)) return false;
    if (BALLAST_TRY(fs_->info(file)).size != said.bytes) return false;
  }
  return true;
}

Result<void> check_record_bytes(int64_t bytes, const std::string& where) {
  if (bytes <= kRecordLimit) return {};
  return io_error(fmt::format("cannot write, counts of a part take {}", format_bytes(bytes)), where,
                  fmt::format("at most {}: a smaller --part-size counts fewer names",
                              format_bytes(kRecordLimit)));
}

Result<void> PartsFolder::write(PartRecord record, const std::vector<std::string>& suffixes) const {
  record.files.clear();
  for (const std::string& suffix : suffixes) {
    OutputFile file = BALLAST_TRY(hash_file(*fs_, path(record.input, record.part, suffix)));
    file.path = name(record.input, record.part, suffix);
    record.files.push_back(std::move(file));
  }
  const std::string text = record.text();
  const std::string target = path(record.input, record.part, kRecordSuffix);
  BALLAST_TRY(check_record_bytes(std::ssize(text), target));
  AtomicFile file(*fs_, target, true);
  BALLAST_TRY(file.write(text));
  return file.commit();
}

}  // namespace ballast
