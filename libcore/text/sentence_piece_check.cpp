// Sources: sentencepiece_model.proto; Yata's darts-clone for the layout of the automaton.
#include "libcore/text/sentence_piece_check.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "libcore/base/bytes.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 28;
constexpr int64_t kMaxPieces = int64_t{1} << 24;
constexpr size_t kMaxPieceBytes = 4096;
constexpr float kMaxScore = 1e9F;

// One field of a protobuf message; `bytes` for lengths, `number` for the rest.
struct Field {
  uint64_t key = 0;  // number << 3 | wire type
  uint64_t number = 0;
  std::string_view bytes;
};

constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

class MessageReader {
 public:
  explicit MessageReader(std::string_view message) : rest_(message) {}

  bool done() const { return rest_.empty(); }
  // Nullopt when the message is cut or malformed.
  std::optional<Field> next() {
    Field field;
    // The library cuts tags down to 32 bits, so a longer one would be another field there.
    if (!varint(field.key) || field.key > UINT32_MAX) return std::nullopt;
    switch (field.key & 7) {
      case kVarint:
        return varint(field.number) ? std::optional(field) : std::nullopt;
      case kFixed64:
        return fixed(field, 8);
      case kFixed32:
        return fixed(field, 4);
      case kBytes:
        if (!varint(field.number) || field.number > rest_.size()) return std::nullopt;
        field.bytes = rest_.substr(0, field.number);
        rest_.remove_prefix(field.number);
        return field;
      default:
        return std::nullopt;  // groups are not used
    }
  }

 private:
  bool varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  std::optional<Field> fixed(Field& field, size_t size) {
    if (rest_.size() < size) return std::nullopt;
    field.bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }

  std::string_view rest_;
};

Error broken(const std::string& where) {
  return corrupt_error("not a SentencePiece model, or cut short", where);
}

Result<void> check_piece(std::string_view message, int64_t number, const std::string& where) {
  const std::string place = fmt::format("{}, piece {}", where, number);
  MessageReader reader(message);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) return broken(place);
    if (field->key == (1 << 3 | kBytes)) {
      if (field->bytes.empty() || field->bytes.size() > kMaxPieceBytes)
        return corrupt_error(fmt::format("a piece of {} bytes", field->bytes.size()), place,
                             fmt::format("1 to {}", kMaxPieceBytes));
      if (!is_valid_utf8(field->bytes) || field->bytes.find('\0') != field->bytes.npos)
        return corrupt_error("a piece that is not UTF-8 text", place);
    } else if (field->key == (2 << 3 | kFixed32)) {
      const auto score = load_le<float>(field->bytes.data());
      if (!(std::fabs(score) <= kMaxScore))
        return corrupt_error(fmt::format("score {} is out of range", score), place,
                             fmt::format("-{0:.0e} to {0:.0e}", kMaxScore));
    } else if (field->key == (3 << 3 | kVarint)) {
      if (field->number < 1 || field->number > 6)
        return corrupt_error(fmt::format("type {} of a piece", field->number), place, "1 to 6");
    }
  }
  return {};
}

// The rules of normalisation: u32 size of the automaton, its units, then zero-terminated strings.
// The library walks the automaton without a look at its size, so every step from every unit has to
// stay inside, and every value has to be a place in the strings.
bool is_sound_charsmap(std::string_view map) {
  if (map.empty()) return true;
  if (map.size() < 4) return false;
  const size_t bytes = load_le<uint32_t>(map.data());
  if (bytes == 0 || bytes % 1024 != 0 || bytes >= map.size() - 4) return false;
  const std::string_view strings = map.substr(4 + bytes);
  if (strings.back() != '\0') return false;
  const size_t count = bytes / 4;
  const auto unit = [&](size_t at) { return load_le<uint32_t>(map.data() + 4 + 4 * at); };
  for (size_t at = 0; at < count; ++at) {
    const uint32_t here = unit(at);
    if (at > 0 && here >> 31) continue;  // a value, to which no step leads; the walk begins at 0
    const size_t next = at ^ (here >> 10) << ((here & 1 << 9) >> 6);
    if ((next | 255) >= count) return false;
    if ((here & 1 << 8) && (unit(next) & 0x7FFFFFFF) >= strings.size()) return false;
  }
  return true;
}

Result<void> check_normalizer(std::string_view message, const std::string& where) {
  MessageReader reader(message);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) return broken(where);
    if (field->key == (2 << 3 | kBytes) && !is_sound_charsmap(field->bytes))
      return corrupt_error("the rules of normalisation are damaged", where);
  }
  return {};
}

}  // namespace

Result<void> check_sentence_piece_model(std::string_view file, const std::string& where) {
  if (file.size() > kMaxFileBytes)
    return corrupt_error(fmt::format("a model of {} bytes", file.size()), where,
                         fmt::format("at most {}", kMaxFileBytes));
  MessageReader reader(file);
  int64_t pieces = 0;
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) return broken(where);
    if (field->key == (1 << 3 | kBytes)) BALLAST_TRY(check_piece(field->bytes, pieces++, where));
    if (field->key == (3 << 3 | kBytes) || field->key == (5 << 3 | kBytes))
      BALLAST_TRY(check_normalizer(field->bytes, where));
  }
  if (pieces == 0) return broken(where);
  if (pieces > kMaxPieces)
    return corrupt_error(fmt::format("a model of {} pieces", pieces), where,
                         fmt::format("at most {}", kMaxPieces));
  return {};
}

}  // namespace ballast
