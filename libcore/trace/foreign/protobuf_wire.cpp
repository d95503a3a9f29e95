#include "libcore/trace/foreign/protobuf_wire.h"

#include <bit>

#include "libcore/base/bytes.h"

namespace ballast {
namespace {

constexpr uint64_t kLargestFieldNumber = (uint64_t{1} << 29) - 1;

}  // namespace

double WireField::number64() const { return std::bit_cast<double>(bits); }
float WireField::number32() const { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

bool WireReader::fail() {
  damaged_ = true;
  rest_ = {};
  return false;
}

bool WireReader::next_varint(uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    if (i == 9 && byte > 1) break;  // over 64 bits
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      rest_.remove_prefix(i + 1);
      return true;
    }
  }
  return fail();
}

bool WireReader::next(WireField& field) {
  if (rest_.empty()) return false;
  uint64_t key = 0;
  if (!next_varint(key)) return false;
  const uint64_t number = key >> 3;
  if (number == 0 || number > kLargestFieldNumber) return fail();
  field = {};
  field.number = static_cast<uint32_t>(number);
  field.type = static_cast<WireType>(key & 7);
  switch (field.type) {
    case WireType::varint:
      return next_varint(field.bits);
    case WireType::fixed64:
      if (rest_.size() < 8) return fail();
      field.bits = load_le<uint64_t>(rest_.data());
      rest_.remove_prefix(8);
      return true;
    case WireType::fixed32:
      if (rest_.size() < 4) return fail();
      field.bits = load_le<uint32_t>(rest_.data());
      rest_.remove_prefix(4);
      return true;
    case WireType::bytes: {
      uint64_t length = 0;
      if (!next_varint(length)) return false;
      if (length > rest_.size()) return fail();
      field.bytes = rest_.substr(0, length);
      rest_.remove_prefix(length);
      return true;
    }
  }
  return fail();  // groups, and types that do not exist
}

}  // namespace ballast
