// A tokenizer as its file describes it; the sort of the file is seen from its content:
// tokenizer.json of Hugging Face, restricted to byte-level BPE (added tokens, NFC or no normaliser,
// ByteLevel/Split pre-tokenizers, BPE, template post-processor), tekken.json of mistral-common, and
// SentencePiece models. What is not built is refused by name. The ids are those of Hugging Face
// tokenizers, mistral-common and SentencePiece, except that special tokens written out in a
// document are ordinary text unless asked for.
//
// Tokenizer is immutable; any thread. Encoder holds one thread's buffers and piece cache (8 MiB).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/text/added_tokens.h"
#include "libcore/text/bpe.h"
#include "libcore/text/piece_cache.h"
#include "libcore/text/pretokenizer.h"
#include "libcore/text/sentence_piece.h"

namespace ballast {

enum class SpecialTokens { as_text, recognised };

class Tokenizer {
 public:
  // Kind corrupt: malformed (duplicate keys, ids that collide, merges outside the vocabulary ...);
  // kind usage: well formed, but of a sort that is not built.
  static Result<Tokenizer> parse(std::string_view file, const std::string& where);
  static Result<Tokenizer> load(FileSystem& fs, const std::string& path);

  Tokenizer(Tokenizer&&) noexcept = default;
  Tokenizer& operator=(Tokenizer&&) noexcept = default;

  int64_t vocab_size() const { return static_cast<int64_t>(bytes_.size()); }  // highest id + 1
  std::optional<int32_t> id_of(std::string_view token) const;
  bool is_special(int32_t id) const { return is_special_[static_cast<size_t>(id)]; }
  const std::vector<AddedToken>& added_tokens() const { return added_; }

  // What a text begins and ends with: the post-processor's template if it says so, else the first
  // of the usual names (<s>, <|begin_of_text|>, <bos>; </s>, <|end_of_text|>, <|endoftext|>, <eos>,
  // ...) that is a special token.
  std::optional<int32_t> bos() const { return bos_; }
  std::optional<int32_t> eos() const { return eos_; }

  // One line about a file that can be read and is known to be wrong; empty for any other. Several
  // of Mistral's tokenizer.json files carry the split pattern of Llama 3 (transformers#42299).
  const std::string& warning() const { return warning_; }

  // The bytes of a sequence of ids; kind corrupt for an id without a token. `skip_special` leaves
  // special tokens out. The bytes need not be valid UTF-8 when ids were cut out of a longer text.
  // SentencePiece may begin a text with a space of its own, which is left out `at_start` of one.
  Result<std::string> decode(std::span<const int32_t> ids, bool skip_special,
                             bool at_start = true) const;

 private:
  friend class Encoder;
  friend class TokenizerParser;
  friend class TekkenParser;
  friend Tokenizer from_sentence_piece(SentencePiece model);
  Tokenizer() = default;

  std::shared_ptr<const SentencePiece> sentence_piece_;  // if set, it does the work of all these:
  BpeModel bpe_;
  PreTokenizer pre_tokenizer_;
  bool nfc_ = false;
  std::vector<AddedToken> added_;
  AddedTokenMatcher raw_tokens_, normalized_tokens_;
  std::unordered_map<std::string, int32_t> ids_;  // token text, as in the file -> id
  std::vector<std::string> bytes_;                // id -> what it decodes to
  std::vector<bool> is_token_, is_special_;
  std::optional<int32_t> bos_, eos_;
  std::string warning_;
};

class Encoder {
 public:
  explicit Encoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // Appends the ids of a valid UTF-8 text, without BOS or EOS. Errors only come from split patterns
  // that PCRE2 gives up on, and from SentencePiece: for texts that are too long, and since it
  // cannot recognise special tokens.
  Result<void> encode(std::string_view text, std::vector<int32_t>& ids,
                      SpecialTokens special = SpecialTokens::as_text);

 private:
  Result<void> encode_text(std::string_view text, bool escape_special, std::vector<int32_t>& ids);
  Result<void> encode_plain(std::string_view text, std::vector<int32_t>& ids);
  void encode_pieces(std::string_view text, std::span<const size_t> ends, size_t from,
                     std::vector<int32_t>& ids);
  void encode_piece(std::string_view piece, size_t readable, std::vector<int32_t>& ids);

  const Tokenizer& tokenizer_;
  PieceCache cache_;
  BpeScratch scratch_;
  std::vector<int32_t> fresh_;
};

}  // namespace ballast
