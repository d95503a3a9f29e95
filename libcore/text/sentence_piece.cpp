#include "libcore/text/sentence_piece.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <exception>

#include "libcore/text/sentence_piece_check.h"

namespace sentencepiece::logging {
void SetMinLogLevel(int level);  // exported by the library, but in none of its headers
}

namespace ballast {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, which stands for a space

// The library writes to stderr what it also returns.
void silence() {
  static const bool once = [] {
    sentencepiece::logging::SetMinLogLevel(4);
    return true;
  }();
  (void)once;
}

}  // namespace

struct SentencePiece::Processor {
  sentencepiece::SentencePieceProcessor library;
};

SentencePiece::SentencePiece(std::unique_ptr<Processor> processor)
    : processor_(std::move(processor)) {}
SentencePiece::SentencePiece(SentencePiece&&) noexcept = default;
SentencePiece& SentencePiece::operator=(SentencePiece&&) noexcept = default;
SentencePiece::~SentencePiece() = default;

// The first field of a model is its first piece.
bool SentencePiece::begins(std::string_view file) {
  return file.size() > 2 && file[0] == '\n' && (file[2] == '\n' || (file[1] & 0x80));
}

Result<SentencePiece> SentencePiece::parse(std::string_view file, const std::string& where) {
  BALLAST_TRY(check_sentence_piece_model(file, where));
  silence();
  auto processor = std::make_unique<Processor>();
  try {
    const auto status = processor->library.LoadFromSerializedProto(file);
    if (!status.ok())
      return corrupt_error("SentencePiece refuses the model", where, status.message());
  } catch (const std::exception& error) {  // its builder of automata throws
    return corrupt_error("SentencePiece refuses the model", where, error.what());
  }
  return SentencePiece(std::move(processor));
}

int64_t SentencePiece::size() const { return processor_->library.GetPieceSize(); }

std::string SentencePiece::piece(int32_t id) const { return processor_->library.IdToPiece(id); }

std::string SentencePiece::bytes(int32_t id) const {
  const std::string text = piece(id);
  if (processor_->library.IsByte(id))  // <0x41>
    return std::string(1, static_cast<char>(std::stoi(text.substr(3, 2), nullptr, 16)));
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const bool space = text.compare(at, kSpace.size(), kSpace) == 0;
    bytes += space ? ' ' : text[at];
    at += space ? kSpace.size() : 1;
  }
  return bytes;
}

bool SentencePiece::is_control(int32_t id) const { return processor_->library.IsControl(id); }

std::optional<int32_t> SentencePiece::bos() const {
  const int id = processor_->library.bos_id();
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

std::optional<int32_t> SentencePiece::eos() const {
  const int id = processor_->library.eos_id();
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

Result<void> SentencePiece::encode(std::string_view text, std::vector<int32_t>& ids) const {
  if (static_cast<int64_t>(text.size()) > kMaxTextBytes)
    return usage_error(fmt::format("a text of {} bytes is too long for SentencePiece", text.size()),
                       {}, fmt::format("at most {}", kMaxTextBytes));
  std::vector<int> found;
  const auto status = processor_->library.Encode(text, &found);
  if (!status.ok()) return corrupt_error("SentencePiece fails on a text", {}, status.message());
  ids.insert(ids.end(), found.begin(), found.end());
  return {};
}

Result<std::string> SentencePiece::decode(std::span<const int32_t> ids) const {
  std::string text;
  const auto status = processor_->library.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
  if (!status.ok()) return corrupt_error("SentencePiece fails on ids", {}, status.message());
  return text;
}

}  // namespace ballast
