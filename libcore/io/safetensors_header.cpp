// The header of a safetensors file, read event by event: a document tree would have forgotten
// duplicate keys and turned whole numbers into doubles before we could object.
#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "libcore/io/json.h"
#include "libcore/io/safetensors.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr uint64_t kLargestNumber = uint64_t{1} << 53;
constexpr size_t kLargestRank = 32;
constexpr size_t kLargestCount = size_t{1} << 20;

bool has_control_characters(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    // U+0080..U+009F: C1 controls, which terminals obey too.
    if (byte == 0xC2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderHandler(std::string where) : where_(std::move(where)) {}

  SafetensorsHeader header;
  Error error;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override {
    return at_ == At::number_list ? bad_number() : unexpected("a number");
  }
  bool number_float(number_float_t, const string_t&) override {
    return at_ == At::number_list ? bad_number() : unexpected("a number");
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (at_ != At::number_list) return unexpected("a number");
    if (value > kLargestNumber) return bad_number();
    auto number = static_cast<int64_t>(value);
    if (field_ == Field::shape) {
      if (entry_.shape.size() == kLargestRank) {
        return fail("shape of '" + printable(entry_.name) + "' has too many dimensions",
                    "at most " + std::to_string(kLargestRank));
      }
      entry_.shape.push_back(number);
      return true;
    }
    if (offsets_ == 2) return bad_offsets();
    (offsets_++ == 0 ? entry_.begin : entry_.end) = number;
    return true;
  }
  bool string(string_t& value) override {
    if (at_ == At::metadata_value) {
      header.metadata.emplace(metadata_key_, std::move(value));
      at_ = At::metadata;
      return true;
    }
    if (at_ != At::field_value || field_ != Field::dtype) return unexpected("a string");
    if (safetensors_bits(value) == 0) {
      return fail("unknown dtype '" + printable(value) + "' of '" + printable(entry_.name) + "'");
    }
    entry_.dtype = std::move(value);
    at_ = At::entry;
    return true;
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool start_object(std::size_t) override {
    switch (at_) {
      case At::start:
        at_ = At::top;
        return true;
      case At::entry_value:
        at_ = At::entry;
        return true;
      case At::metadata_object:
        at_ = At::metadata;
        return true;
      default:
        return unexpected("an object");
    }
  }
  bool key(string_t& name) override {
    if (at_ == At::top) return top_key(name);
    if (at_ == At::metadata) return metadata_key(name);
    return entry_key(name);
  }
  bool end_object() override {
    if (at_ == At::entry) return finish_entry();
    at_ = at_ == At::metadata ? At::top : At::end;
    return true;
  }
  bool start_array(std::size_t) override {
    if (at_ != At::field_value || field_ == Field::dtype) return unexpected("an array");
    at_ = At::number_list;
    return true;
  }
  bool end_array() override {
    if (field_ == Field::offsets && offsets_ != 2) return bad_offsets();
    at_ = At::entry;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return fail(at_ == At::end ? "junk after the safetensors header"
                               : "safetensors header is not valid JSON",
                "near header byte " + std::to_string(position));
  }

 private:
  enum class At {
    start,
    top,
    entry_value,
    entry,
    field_value,
    number_list,
    metadata_object,
    metadata,
    metadata_value,
    end
  };
  enum class Field { dtype, shape, offsets };

  bool fail(std::string what, std::string why = {}) {
    error = corrupt_error(std::move(what), where_, std::move(why));
    return false;
  }
  bool unexpected(const char* what) {
    if (at_ == At::metadata_value) {
      return fail("metadata '" + printable(metadata_key_) + "' is not a string");
    }
    if (at_ == At::metadata_object) return fail("__metadata__ is not an object of strings");
    if (at_ == At::start) return fail("safetensors header is not an object");
    return fail(std::string("unexpected ") + what + " in the entry of '" + printable(entry_.name) +
                "'");
  }
  bool bad_number() {
    return fail("bad number in the entry of '" + printable(entry_.name) + "'",
                "a whole number from 0 to 9007199254740992 is needed");
  }
  bool bad_offsets() {
    return fail("data_offsets of '" + printable(entry_.name) + "' are not two numbers");
  }

  bool top_key(string_t& name) {
    if (!names_.insert(name).second) return fail("duplicate tensor name '" + printable(name) + "'");
    if (names_.size() > kLargestCount) {
      return fail("too many tensors", "at most " + std::to_string(kLargestCount));
    }
    if (name == "__metadata__") {
      at_ = At::metadata_object;
      return true;
    }
    if (name.empty()) return fail("empty tensor name");
    if (has_control_characters(name)) {
      return fail("control characters in tensor name '" + printable(name) + "'");
    }
    entry_ = {};
    entry_.name = std::move(name);
    seen_ = {};
    offsets_ = 0;
    at_ = At::entry_value;
    return true;
  }
  bool metadata_key(string_t& name) {
    if (header.metadata.contains(name)) {
      return fail("duplicate metadata key '" + printable(name) + "'");
    }
    metadata_key_ = std::move(name);
    at_ = At::metadata_value;
    return true;
  }
  bool entry_key(string_t& name) {
    if (name == "dtype") {
      field_ = Field::dtype;
    } else if (name == "shape") {
      field_ = Field::shape;
    } else if (name == "data_offsets") {
      field_ = Field::offsets;
    } else {
      return fail("unknown key '" + printable(name) + "' in the entry of '" +
                  printable(entry_.name) + "'");
    }
    bool& seen = seen_[static_cast<size_t>(field_)];
    if (seen) {
      return fail("duplicate key '" + name + "' in the entry of '" + printable(entry_.name) + "'");
    }
    seen = true;
    at_ = At::field_value;
    return true;
  }
  bool finish_entry() {
    constexpr std::array<const char*, 3> kNames = {"dtype", "shape", "data_offsets"};
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (!seen_[i]) {
        return fail(std::string("missing key '") + kNames[i] + "' in the entry of '" +
                    printable(entry_.name) + "'");
      }
    }
    header.entries.push_back(std::move(entry_));
    at_ = At::top;
    return true;
  }

  std::string where_;
  At at_ = At::start;
  Field field_ = Field::dtype;
  std::array<bool, 3> seen_ = {};
  int offsets_ = 0;
  SafetensorsEntry entry_;
  std::string metadata_key_;
  std::unordered_set<std::string> names_;
};

// Bits of the whole tensor, or an error when they overflow or do not fill bytes or the range.
Result<void> check_size(const SafetensorsEntry& entry, const std::string& where) {
  const std::string name = printable(entry.name);
  if (entry.end < entry.begin) {
    return corrupt_error("data_offsets of '" + name + "' end before they begin", where);
  }
  int64_t bits = safetensors_bits(entry.dtype);
  for (int64_t extent : entry.shape) {
    if (__builtin_mul_overflow(bits, extent, &bits)) {
      return corrupt_error("shape of '" + name + "' overflows", where);
    }
  }
  if (bits % 8 != 0) {
    return corrupt_error("'" + name + "' does not fill whole bytes", where,
                         std::to_string(bits) + " bits");
  }
  if (bits / 8 != entry.bytes()) {
    return corrupt_error("data_offsets of '" + name + "' disagree with its shape", where,
                         std::to_string(entry.bytes()) + " bytes for " + std::to_string(bits / 8));
  }
  return {};
}

// Ranges must tile the data section: no overlap, no hole, nothing behind the last tensor.
Result<void> check_layout(const std::vector<SafetensorsEntry>& entries, int64_t data_bytes,
                          const std::string& where) {
  int64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    const std::string name = printable(entry.name);
    if (entry.begin < position) {
      return corrupt_error(
          "data of '" + name + "' overlap another tensor's", where,
          "begin at " + std::to_string(entry.begin) + ", free from " + std::to_string(position));
    }
    if (entry.begin > position) {
      return corrupt_error("hole before the data of '" + name + "'", where,
                           std::to_string(entry.begin - position) + " bytes");
    }
    position = entry.end;
  }
  if (position > data_bytes) {
    return corrupt_error(
        "safetensors file is truncated", where,
        std::to_string(data_bytes) + " of " + std::to_string(position) + " data bytes are there");
  }
  if (position < data_bytes) {
    return corrupt_error("bytes after the last tensor", where,
                         std::to_string(data_bytes - position));
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, int64_t data_bytes,
                                                   const std::string& where) {
  if (json.empty() || json.front() != '{') {
    return corrupt_error("safetensors header does not begin with '{'", where);
  }
  if (!is_valid_utf8(json)) return corrupt_error("safetensors header is not UTF-8", where);
  // The JSON lexer takes a NUL for the end of its input and would not see what follows.
  if (size_t nul = json.find('\0'); nul != std::string_view::npos) {
    return corrupt_error("NUL in the safetensors header", where, "byte " + std::to_string(nul));
  }
  HeaderHandler handler(where);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) return handler.error;
  SafetensorsHeader header = std::move(handler.header);
  for (const SafetensorsEntry& entry : header.entries) BALLAST_TRY(check_size(entry, where));
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  BALLAST_TRY(check_layout(header.entries, data_bytes, where));
  return header;
}

}  // namespace ballast
