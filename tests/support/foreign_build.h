// Builds what the binary readers read, from the formats' documents: protocol buffers, TFRecord
// framing, W&B's framing.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/trace/foreign/crc32c.h"

namespace ballast::build {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  store_le(bytes.data(), value);
  return bytes;
}

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7f) | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
inline std::string key(uint32_t number, uint32_t type) { return varint(number << 3 | type); }
inline std::string whole(uint32_t number, int64_t value) {
  return key(number, 0) + varint(static_cast<uint64_t>(value));
}
inline std::string float64(uint32_t number, double value) { return key(number, 1) + raw(value); }
inline std::string float32(uint32_t number, float value) { return key(number, 5) + raw(value); }
inline std::string text(uint32_t number, std::string_view value) {
  return key(number, 2) + varint(value.size()) + std::string(value);
}

// A record of a TFRecord file.
inline std::string tfrecord(std::string_view payload) {
  const std::string length = raw<uint64_t>(payload.size());
  return length + raw(masked_crc32c(crc32c(as_bytes(length)))) + std::string(payload) +
         raw(masked_crc32c(crc32c(as_bytes(payload))));
}

inline std::string event(int64_t step, std::string_view rest) {
  return float64(1, 1700000000.0 + static_cast<double>(step)) + whole(2, step) + std::string(rest);
}
inline std::string scalar(std::string_view tag, float value) {
  return text(5, text(1, text(1, tag) + float32(2, value)));
}
// One event with one scalar, framed.
inline std::string scalar_record(int64_t step, std::string_view tag, float value) {
  return tfrecord(event(step, scalar(tag, value)));
}

// A .wandb file of the records' payloads, laid out as LevelDB's writer does.
inline std::string wandb_file(const std::vector<std::string>& payloads) {
  constexpr size_t kBlock = 32768;
  std::string file(":W&B\xe1\xbe\0", 7);
  for (std::string_view rest : payloads) {
    bool first = true;
    do {
      size_t left = kBlock - file.size() % kBlock;
      if (left < 7) {
        file.append(left, '\0');
        left = kBlock;
      }
      const size_t size = std::min(rest.size(), left - 7);
      const bool last = size == rest.size();
      std::string chunk(1, static_cast<char>(first ? (last ? 1 : 2) : (last ? 4 : 3)));
      chunk += rest.substr(0, size);
      rest.remove_prefix(size);
      const uLong crc = ::crc32(0, reinterpret_cast<const unsigned char*>(chunk.data()),
                                static_cast<uInt>(chunk.size()));
      file += raw(static_cast<uint32_t>(crc)) + raw(static_cast<uint16_t>(size)) + chunk;
      first = false;
    } while (!rest.empty());
  }
  return file;
}
// A history record: key and value as JSON, in turn.
inline std::string wandb_history(std::initializer_list<std::pair<const char*, const char*>> items) {
  std::string record;
  for (const auto& [name, value] : items) record += text(1, text(2, name) + text(16, value));
  return text(2, record);
}

}  // namespace ballast::build
