#include "libcore/text/tokenizer.h"

#include <fmt/format.h>

#include <array>

#include "libcore/text/nfc.h"
#include "libcore/text/tokenizer_reading.h"

namespace ballast {
namespace {

constexpr size_t kBatchPieces = 1024;

}  // namespace

const Json& optional_member(const Json& object, const char* key) {
  static const Json null = nullptr;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

std::optional<int32_t> special_named(const Tokenizer& tokenizer,
                                     std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    const auto id = tokenizer.id_of(name);
    if (id && tokenizer.is_special(*id)) return id;
  }
  return std::nullopt;
}

Tokenizer from_sentence_piece(SentencePiece model) {
  Tokenizer made;
  const auto size = static_cast<int32_t>(model.size());
  for (int32_t id = 0; id < size; ++id) {
    made.bytes_.push_back(model.bytes(id));
    made.ids_.emplace(model.piece(id), id);
    made.is_special_.push_back(model.is_control(id));
  }
  made.is_token_.assign(made.bytes_.size(), true);
  made.bos_ = model.bos();
  made.eos_ = model.eos();
  made.sentence_piece_ = std::make_shared<const SentencePiece>(std::move(model));
  return made;
}

Result<Tokenizer> Tokenizer::parse(std::string_view file, const std::string& where) {
  const size_t first = file.find_first_not_of(" \t\r\n");
  const bool json = first != file.npos && file[first] == '{';
  if (!json && SentencePiece::begins(file)) {
    SentencePiece model = BALLAST_TRY(SentencePiece::parse(file, where));
    return from_sentence_piece(std::move(model));
  }
  const Json root = BALLAST_TRY(parse_json(file, where));
  if (!root.is_object()) return corrupt_error("tokenizer is not a JSON object", where);
  const bool tekken = root.contains("config") && !root.contains("model");
  return tekken ? parse_tekken(root, where) : parse_hugging_face(root, where);
}

Result<Tokenizer> Tokenizer::load(FileSystem& fs, const std::string& path) {
  const std::string text = BALLAST_TRY(read_file(fs, path));
  return parse(text, path);
}

std::optional<int32_t> Tokenizer::id_of(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skip_special,
                                      bool at_start) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size() || !is_token_[static_cast<size_t>(id)])
      return corrupt_error(fmt::format("token id {} is not in the tokenizer", id), {},
                           fmt::format("{} ids", vocab_size()));
    if (!(skip_special && is_special_[static_cast<size_t>(id)]))
      bytes += bytes_[static_cast<size_t>(id)];
  }
  if (sentence_piece_ && at_start) return sentence_piece_->decode(ids);
  return bytes;
}

Result<void> Encoder::encode(std::string_view text, std::vector<int32_t>& ids,
                             SpecialTokens special) {
  const bool escape = special == SpecialTokens::as_text;
  if (tokenizer_.sentence_piece_) {
    if (!escape) return usage_error("SentencePiece does not recognise special tokens in texts");
    return tokenizer_.sentence_piece_->encode(text, ids);
  }
  if (tokenizer_.raw_tokens_.empty()) return encode_text(text, escape, ids);
  std::vector<AddedTokenMatcher::Part> parts;
  tokenizer_.raw_tokens_.cut(text, escape, parts);
  for (const auto& part : parts) {
    if (part.id >= 0)
      ids.push_back(part.id);
    else
      BALLAST_TRY(encode_text(part.text, escape, ids));
  }
  return {};
}

// Normalises, then cuts out the tokens that are looked for in normalised text.
Result<void> Encoder::encode_text(std::string_view text, bool escape_special,
                                  std::vector<int32_t>& ids) {
  std::string storage;
  if (tokenizer_.nfc_) text = to_nfc(text, storage);
  if (tokenizer_.normalized_tokens_.empty()) return encode_plain(text, ids);
  std::vector<AddedTokenMatcher::Part> parts;
  tokenizer_.normalized_tokens_.cut(text, escape_special, parts);
  for (const auto& part : parts) {
    if (part.id >= 0)
      ids.push_back(part.id);
    else
      BALLAST_TRY(encode_plain(part.text, ids));
  }
  return {};
}

Result<void> Encoder::encode_plain(std::string_view text, std::vector<int32_t>& ids) {
  if (const SplitFunction split = tokenizer_.pre_tokenizer_.direct()) {
    std::array<size_t, kBatchPieces> ends;
    size_t from = 0;
    while (const size_t count = split(text, from, ends)) {
      encode_pieces(text, std::span(ends).first(count), from, ids);
      from = ends[count - 1];
    }
    return {};
  }
  std::deque<std::string> storage;
  const auto pieces = BALLAST_TRY(tokenizer_.pre_tokenizer_.pieces(text, storage));
  for (const std::string_view piece : pieces) encode_piece(piece, piece.size(), ids);
  return {};
}

void Encoder::encode_pieces(std::string_view text, std::span<const size_t> ends, size_t from,
                            std::vector<int32_t>& ids) {
  // Ids go through a small buffer so that a cached piece costs one fixed-size copy.
  std::array<int32_t, kBatchPieces + PieceCache::kMaxIds> buffer;
  size_t filled = 0;
  const auto flush = [&] {
    ids.insert(ids.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(filled));
    filled = 0;
  };
  for (const size_t end : ends) {
    const size_t length = end - from;
    const char* piece = text.data() + from;
    const size_t readable = text.size() - from;
    from = end;
    if (length <= PieceCache::kMaxBytes) {
      const auto key = PieceCache::key_of(piece, length, readable);
      const auto& entry = cache_.entry_of(key, length);
      if (entry.holds(key, length)) {
        std::copy(entry.ids.begin(), entry.ids.end(), &buffer[filled]);
        filled += entry.count;
        if (filled >= kBatchPieces) flush();
        continue;
      }
    }
    flush();
    encode_piece({piece, length}, readable, ids);
  }
  flush();
}

void Encoder::encode_piece(std::string_view piece, size_t readable, std::vector<int32_t>& ids) {
  if (piece.size() > PieceCache::kMaxBytes) {
    tokenizer_.bpe_.encode(piece, scratch_, ids);
    return;
  }
  const auto key = PieceCache::key_of(piece.data(), piece.size(), readable);
  auto& entry = cache_.entry_of(key, piece.size());
  if (!entry.holds(key, piece.size())) {
    fresh_.clear();
    tokenizer_.bpe_.encode(piece, scratch_, fresh_);
    PieceCache::remember(entry, key, piece.size(), fresh_);
    ids.insert(ids.end(), fresh_.begin(), fresh_.end());
    return;
  }
  ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
}

}  // namespace ballast
