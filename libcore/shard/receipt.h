// The receipt of a redaction, DIR/receipt.json (ballast-shard(5)): the SHA-256 of every file before
// and after, of what was kept, and of each removed document its place, so that others can check
// with common tools that these documents are gone and nothing else has changed. A function of the
// shards and the list alone. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/sha256.h"

namespace ballast {

struct ReceiptFile {
  std::string name = {};  // without folder
  int64_t bytes = 0;
  std::string sha256 = {};
  bool operator==(const ReceiptFile&) const = default;
};

// A shard before or after.
struct ReceiptSide {
  ReceiptFile bin, idx, docs, manifest;
  std::string content_hash;  // as runs know it: shard_sample_hash()
  bool operator==(const ReceiptSide&) const = default;
};

struct ByteRange {
  int64_t begin = 0, end = 0;  // half open
  int64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

struct RemovedDocument {
  int64_t document = 0;  // number before
  int64_t tokens = 0;
  Sha256Digest sha256 = {};  // of its text
  ByteRange before = {};     // in .bin
  ByteRange after = {};      // of the tombstone, or empty
  bool operator==(const RemovedDocument&) const = default;
};

struct ReceiptShard {
  std::string name;  // last part of the prefix
  std::string dtype;
  ReceiptSide before, after;
  ReceiptFile kept;  // bytes of .bin outside the removed ranges, the same before and after; no name
  std::vector<RemovedDocument> removed;  // ascending
  bool operator==(const ReceiptShard&) const = default;
};

struct Receipt {
  std::string tool = {};
  bool compact = false, forget = false;
  std::optional<int32_t> token = {};  // that tombstones are made of
  int64_t list_bytes = 0;             // of the list as it was read
  std::string list_sha256 = {};
  std::vector<ReceiptShard> shards = {};
  bool operator==(const Receipt&) const = default;
};

std::string receipt_text(const Receipt& receipt);  // the file's bytes

// A larger one is not read again.
inline constexpr int64_t kMaxReceiptBytes = int64_t{1} << 30;
// No fewer bytes than the shard will take in the text: from the number of documents that go, the
// number of the last one, and the size of .bin.
int64_t receipt_bytes_at_most(const std::string& name, int64_t removed, int64_t last,
                              int64_t bin_bytes);

// Kind corrupt, naming `where`: ranges that overlap or leave their file too.
Result<Receipt> parse_receipt(std::string_view text, const std::string& where);

// What `sha256sum -c` reads: a line per file after the redaction and for the receipt itself, sorted
// by name.
std::string receipt_sums(const Receipt& receipt);

inline constexpr const char* kReceiptName = "receipt.json";
inline constexpr const char* kReceiptSumsName = "receipt.sha256";

}  // namespace ballast
