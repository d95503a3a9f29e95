// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), eight bytes at a time from tables, on any
// machine; and the masked form of TFRecord files and LevelDB. Vectors: RFC 3720, B.4.
#pragma once

#include <cstdint>

#include "libcore/base/bytes.h"

namespace ballast {

uint32_t crc32c(Bytes data);

// Rotated and shifted, so that checksums of data that hold checksums stay good.
constexpr uint32_t masked_crc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

}  // namespace ballast
