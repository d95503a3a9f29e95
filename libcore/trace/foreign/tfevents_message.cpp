#include "libcore/trace/foreign/tfevents_message.h"

#include <optional>

#include "libcore/base/bytes.h"
#include "libcore/trace/foreign/protobuf_wire.h"

namespace ballast {
namespace {

// tensorflow.DataType
enum class DataType : uint64_t { float32 = 1, float64 = 2, int32 = 3, int64 = 9 };

// The one number of a tensor, looked at value by value; two are no scalar.
struct Scalar {
  int64_t count = 0;
  double value = 0;
  void add(double v) {
    value = v;
    ++count;
  }
};

void add_packed(const WireField& field, DataType dtype, Scalar& scalar) {
  const std::string_view bytes = field.bytes;
  if (dtype == DataType::float32) {
    scalar.count += static_cast<int64_t>(bytes.size() / 4);
    if (bytes.size() == 4) scalar.value = load_le<float>(bytes.data());
  } else if (dtype == DataType::float64) {
    scalar.count += static_cast<int64_t>(bytes.size() / 8);
    if (bytes.size() == 8) scalar.value = load_le<double>(bytes.data());
  } else {
    WireReader numbers(bytes);
    uint64_t bits = 0;
    while (scalar.count < 2 && !numbers.at_end() && numbers.next_varint(bits))
      scalar.add(static_cast<double>(static_cast<int64_t>(bits)));
  }
}

void add_content(std::string_view bytes, DataType dtype, Scalar& scalar) {
  const bool wide = dtype == DataType::float64 || dtype == DataType::int64;
  scalar.count += static_cast<int64_t>(bytes.size() / (wide ? 8 : 4));
  if (scalar.count != 1) return;
  if (dtype == DataType::float32) scalar.value = load_le<float>(bytes.data());
  if (dtype == DataType::float64) scalar.value = load_le<double>(bytes.data());
  if (dtype == DataType::int32) scalar.value = load_le<int32_t>(bytes.data());
  if (dtype == DataType::int64) scalar.value = static_cast<double>(load_le<int64_t>(bytes.data()));
}

// The field of TensorProto that holds values of a type.
uint32_t value_field(DataType dtype) {
  switch (dtype) {
    case DataType::float32:
      return 5;
    case DataType::float64:
      return 6;
    case DataType::int32:
      return 7;
    case DataType::int64:
      return 10;
  }
  return 0;
}

bool is_one_element(std::string_view shape) {
  WireReader dims(shape);
  WireField dim;
  while (dims.next(dim)) {
    if (!dim.is(2, WireType::bytes)) continue;
    int64_t size = 0;
    WireReader parts(dim.bytes);
    WireField part;
    while (parts.next(part))
      if (part.is(1, WireType::varint)) size = part.integer();
    if (size != 1) return false;
  }
  return !dims.damaged();
}

bool parse_tensor(std::string_view message, std::optional<double>& value) {
  DataType dtype{};
  bool one = true;
  // The type goes before the values in every writer, but need not.
  for (int pass = 0; pass < 2; ++pass) {
    Scalar scalar;
    WireReader reader(message);
    WireField field;
    while (reader.next(field)) {
      if (field.is(1, WireType::varint)) dtype = static_cast<DataType>(field.bits);
      if (field.is(2, WireType::bytes)) one = is_one_element(field.bytes);
      if (pass == 0) continue;
      if (field.is(4, WireType::bytes)) add_content(field.bytes, dtype, scalar);
      if (field.number != value_field(dtype)) continue;
      if (field.type == WireType::bytes) add_packed(field, dtype, scalar);
      if (field.type == WireType::fixed32) scalar.add(field.number32());
      if (field.type == WireType::fixed64) scalar.add(field.number64());
      if (field.type == WireType::varint) scalar.add(static_cast<double>(field.integer()));
    }
    if (reader.damaged()) return false;
    if (value_field(dtype) == 0 || !one) return true;  // text, images, vectors
    // No value at all is how a zero may be written.
    if (pass == 1 && scalar.count <= 1) value = scalar.value;
  }
  return true;
}

bool parse_value(std::string_view message, TfEvent& event) {
  WireReader reader(message);
  WireField field;
  std::string_view tag;
  std::optional<double> value;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes)) tag = field.bytes;
    if (field.is(2, WireType::fixed32)) value = field.number32();
    if (field.is(8, WireType::bytes) && !parse_tensor(field.bytes, value)) return false;
  }
  if (value && !reader.damaged()) event.scalars.emplace_back(tag, *value);
  return !reader.damaged();
}

bool parse_summary(std::string_view message, TfEvent& event) {
  WireReader reader(message);
  WireField field;
  while (reader.next(field))
    if (field.is(1, WireType::bytes) && !parse_value(field.bytes, event)) return false;
  return !reader.damaged();
}

bool parse_session(std::string_view message, TfEvent& event) {
  constexpr uint64_t kStart = 1;
  WireReader reader(message);
  WireField field;
  while (reader.next(field))
    if (field.is(1, WireType::varint)) event.session_start = field.bits == kStart;
  return !reader.damaged();
}

}  // namespace

bool parse_tfevent(std::string_view payload, TfEvent& event) {
  event.wall_time = 0;
  event.step = 0;
  event.session_start = false;
  event.scalars.clear();
  WireReader reader(payload);
  WireField field;
  while (reader.next(field)) {
    if (field.is(1, WireType::fixed64)) event.wall_time = field.number64();
    if (field.is(2, WireType::varint)) event.step = field.integer();
    if (field.is(5, WireType::bytes) && !parse_summary(field.bytes, event)) return false;
    if (field.is(7, WireType::bytes) && !parse_session(field.bytes, event)) return false;
  }
  return !reader.damaged();
}

}  // namespace ballast
