// Protocol Buffers, wire format only: the fields of one message, in order, without a schema. Enough
// for the few messages that logs are made of. Reads within the message's bytes, allocates nothing;
// groups are taken for damage. One thread per reader.
#pragma once

#include <cstdint>
#include <string_view>

namespace ballast {

enum class WireType { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::varint;
  uint64_t bits = 0;       // varint, fixed64, fixed32
  std::string_view bytes;  // length-delimited: text, a message, packed numbers

  int64_t integer() const { return static_cast<int64_t>(bits); }
  int64_t zigzag() const {
    return static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
  }
  double number64() const;  // of a fixed64
  float number32() const;   // of a fixed32
  bool is(uint32_t n, WireType t) const { return number == n && type == t; }
};

class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}
  // The next field; false at the end of the message and where it is damaged.
  bool next(WireField& field);
  bool damaged() const { return damaged_; }

  // The next number of a packed field, which has no keys; false where it is damaged.
  bool next_varint(uint64_t& value);
  bool at_end() const { return rest_.empty(); }

 private:
  bool fail();

  std::string_view rest_;
  bool damaged_ = false;
};

}  // namespace ballast
