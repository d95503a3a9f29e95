// Bytes of the sidecar's trailer, shared by its reader and writer. Content of the skippable frame:
//
//   16 F   frames: i64 file offset, u32 documents, u32 bytes of their lines
//   H      zstd frame of the host table: per host, ascending by bytes, a varint length, the name, a
//          varint count, then that many varints: the first document, then the differences
//   48     u64 F, u64 documents, u64 H, u64 bytes of the host table unpacked, u64 xxh3-64 of all
//          content before this field, the 8 bytes "BLSTDOCS"
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ballast {

inline constexpr uint32_t kSidecarFrameMagic = 0x184D2A5B;
inline constexpr std::string_view kSidecarMagic = "BLSTDOCS";
inline constexpr int64_t kSidecarTailBytes = 48;
inline constexpr int64_t kSidecarFrameEntryBytes = 16;
inline constexpr int64_t kSidecarMaxLines = 1024;

// LEB128: seven bits a byte, low ones first.
inline void append_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

// Takes one from the front; nullopt when it is cut off or longer than 64 bits.
inline std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

}  // namespace ballast
