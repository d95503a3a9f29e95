// Models of SentencePiece (`tokenizer.model`), encoded and decoded by its own library. The file is
// checked first for what the library takes on trust: lengths, scores, the automaton that normalises
// text. Immutable after parse(); any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

class SentencePiece {
 public:
  // A text of more bytes is refused: the library builds a lattice over all of it, many bytes for
  // each.
  static constexpr int64_t kMaxTextBytes = int64_t{1} << 26;

  // Whether a file that is not JSON begins as a model does.
  static bool begins(std::string_view file);
  // Kind corrupt for a damaged or hostile model, and for what the library does not take.
  static Result<SentencePiece> parse(std::string_view file, const std::string& where);

  SentencePiece(SentencePiece&&) noexcept;
  SentencePiece& operator=(SentencePiece&&) noexcept;
  ~SentencePiece();

  int64_t size() const;
  std::string piece(int32_t id) const;
  // What the id stands for in the middle of a text; of a byte piece that byte.
  std::string bytes(int32_t id) const;
  bool is_control(int32_t id) const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;

  // Appends the ids of a text; never ids of control pieces.
  Result<void> encode(std::string_view text, std::vector<int32_t>& ids) const;
  // The text that the ids were made of, as far as normalisation left it; ids are in range.
  Result<std::string> decode(std::span<const int32_t> ids) const;

 private:
  struct Processor;
  explicit SentencePiece(std::unique_ptr<Processor> processor);
  std::unique_ptr<Processor> processor_;
};

}  // namespace ballast
