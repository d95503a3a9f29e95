#include "libcore/shard/token_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/base/bytes.h"
#include "libcore/io/stream.h"

namespace ballast {
namespace {

constexpr int64_t kChunk = int64_t{1} << 18;   // ids, bytes or entries read at once
constexpr int64_t kMaxRow = int64_t{1} << 20;  // bytes of a row of a table

Result<int64_t> parse_whole(std::string_view text, const std::string& where) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0)
    return corrupt_error("not a count: '" + std::string(text.substr(0, 40)) + "'", where);
  return value;
}

// A line, with those that follow while a quote is open, without the end of the last one.
Result<std::optional<std::string>> next_row(LineReader& lines, const std::string& table) {
  const auto first = BALLAST_TRY(lines.next());
  if (!first) return std::optional<std::string>();
  std::string row(*first);
  const int64_t number = lines.line_number();
  const auto quotes = [](std::string_view text) { return std::ranges::count(text, '"'); };
  for (bool open = quotes(row) % 2 != 0; open;) {
    const auto more = BALLAST_TRY(lines.next());
    if (!more) return corrupt_error("a quote is not closed", fmt::format("{}:{}", table, number));
    if (std::ssize(row) + std::ssize(*more) >= kMaxRow)
      return corrupt_error("a row is too long", fmt::format("{}:{}", table, number),
                           fmt::format("at most {} bytes", kMaxRow));
    row += '\n';
    row += *more;
    open = quotes(*more) % 2 == 0;
  }
  if (row.ends_with('\r')) row.pop_back();  // Python's csv writes CR LF
  return std::optional<std::string>(std::move(row));
}

}  // namespace

std::string olmo_table_path(const std::string& path) {
  const bool named = path.ends_with(".npy");
  return (named ? path.substr(0, path.size() - 4) : path) + ".csv.gz";
}

Result<std::vector<std::string>> parse_csv_line(std::string_view line, const std::string& where) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return corrupt_error("a quote is not closed in the line", where);
  return fields;
}

TokenFileDocument TokenFile::document(int64_t number) const {
  return described_.empty() ? TokenFileDocument() : described_[static_cast<size_t>(number)];
}

Result<void> TokenFile::read_tokens(int64_t first_token, std::span<int32_t> out) const {
  const auto count = static_cast<int64_t>(out.size());
  if (first_token < 0 || first_token > tokens_ || count > tokens_ - first_token)
    return usage_error(
        "token range is outside the file", path_,
        fmt::format("tokens {} to {} of {}", first_token, first_token + count, tokens_));
  const auto raw = std::as_writable_bytes(out).last(static_cast<size_t>(count * width_));
  const size_t got = BALLAST_TRY(file_->read_at(header_ + first_token * width_, raw));
  if (got != raw.size()) return corrupt_error("the file is truncated", path_);
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t id =
        width_ == 2 ? load_le<uint16_t>(&raw[2 * i]) : load_le<uint32_t>(&raw[4 * i]);
    if (id > 0x7FFFFFFF)
      return corrupt_error(fmt::format("token id {} is above 2^31-1", id), path_,
                           fmt::format("token {}", first_token + static_cast<int64_t>(i)));
    out[i] = static_cast<int32_t>(id);
  }
  return {};
}

Result<void> TokenFile::count_tokens() {
  const int64_t bytes = file_->size() - header_;
  if (bytes % width_ != 0)
    return corrupt_error("the file is no whole number of ids", path_,
                         fmt::format("{} bytes, {} each", bytes, width_));
  tokens_ = bytes / width_;
  return {};
}

Result<void> TokenFile::find_borders(const TokenFileOptions& options) {
  if (!options.bos && !options.eos)
    return usage_error("nothing says where documents end", path_, "give --eos or --bos");
  begins_ = {0};
  std::vector<int32_t> ids;
  for (int64_t at = 0; at < tokens_; at += kChunk) {
    ids.resize(static_cast<size_t>(std::min(kChunk, tokens_ - at)));
    BALLAST_TRY(read_tokens(at, ids));
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t here = at + static_cast<int64_t>(i);
      // With both, the end decides: what follows it begins a document.
      if (options.eos ? ids[i] == *options.eos : ids[i] == *options.bos) {
        const int64_t border = options.eos ? here + 1 : here;
        if (border > begins_.back()) begins_.push_back(border);
      }
    }
  }
  if (begins_.back() != tokens_) begins_.push_back(tokens_);
  return {};
}

Result<void> TokenFile::read_metadata(FileSystem& fs) {
  const std::string path = path_ + ".metadata";
  if (!fs.exists(path)) return {};
  files_.push_back(path);
  const std::string text = BALLAST_TRY(read_file(fs, path, int64_t{1} << 20));
  const size_t line = text.find('\n');
  const std::string first = text.substr(0, line);
  const size_t bar = first.rfind('|');
  if (line == text.npos || bar == text.npos)
    return corrupt_error("metadata is not 'TOKENIZER|BYTES' and a count", path);
  tokenizer_name_ = first.substr(0, bar);
  const std::string width = first.substr(bar + 1);
  if (width != "2" && width != "4")
    return corrupt_error("ids of '" + width.substr(0, 20) + "' bytes", path, "accepted: 2, 4");
  width_ = width == "2" ? 2 : 4;
  BALLAST_TRY(count_tokens());
  const std::string rest = text.substr(line + 1);
  const int64_t said = BALLAST_TRY(parse_whole(rest.substr(0, rest.find('\n')), path));
  if (said != tokens_)
    return corrupt_error("metadata and data differ in the number of tokens", path,
                         fmt::format("{}, the data has {}", said, tokens_));
  return {};
}

// A shard of ours masks nothing but tombstones.
Result<void> TokenFile::check_loss(FileSystem& fs) {
  const std::string path = path_ + ".loss";
  if (!fs.exists(path)) return {};
  files_.push_back(path);
  const auto file = BALLAST_TRY(fs.open_read(path));
  if (file->size() != tokens_)
    return corrupt_error("loss mask and data differ in the number of tokens", path,
                         fmt::format("{}, the data has {}", file->size(), tokens_));
  std::vector<std::byte> bytes;
  for (int64_t at = 0; at < tokens_; at += kChunk) {
    bytes.resize(static_cast<size_t>(std::min(kChunk, tokens_ - at)));
    if (BALLAST_TRY(file->read_at(at, bytes)) != bytes.size())
      return corrupt_error("the file is truncated", path);
    const auto masked = std::ranges::find(bytes, std::byte{0});
    if (masked != bytes.end())
      return usage_error("the loss mask leaves tokens out, which a shard cannot say", path,
                         fmt::format("token {}", at + (masked - bytes.begin())));
  }
  return {};
}

Result<void> TokenFile::read_ends(FileSystem& fs) {
  const std::string path = path_ + ".index";
  files_.push_back(path);
  const auto index = BALLAST_TRY(fs.open_read(path));
  if (index->size() % 8 != 0)
    return corrupt_error("index is no whole number of 8-byte entries", path,
                         fmt::format("{} bytes", index->size()));
  begins_ = {0};
  begins_.reserve(static_cast<size_t>(index->size() / 8) + 1);
  std::vector<uint64_t> ends;
  for (int64_t left = index->size() / 8, at = 0; left > 0; left -= std::ssize(ends)) {
    ends.resize(static_cast<size_t>(std::min(kChunk, left)));
    const auto raw = std::as_writable_bytes(std::span(ends));
    if (BALLAST_TRY(index->read_at(at, raw)) != raw.size())
      return corrupt_error("index is truncated", path);
    at += std::ssize(raw);
    for (size_t i = 0; i < ends.size(); ++i) {
      const auto end = load_le<uint64_t>(&raw[8 * i]);
      if (end < static_cast<uint64_t>(begins_.back()) || end > static_cast<uint64_t>(tokens_))
        return corrupt_error(
            fmt::format("end {} of document {} is out of order", end, begins_.size() - 1), path,
            fmt::format("the data has {} tokens", tokens_));
      begins_.push_back(static_cast<int64_t>(end));
    }
  }
  if (begins_.back() != tokens_)
    return corrupt_error("index does not end where the data does", path,
                         fmt::format("{}, the data has {} tokens", begins_.back(), tokens_));
  return {};
}

Result<void> TokenFile::open_datatrove(FileSystem& fs, const TokenFileOptions& options) {
  width_ = options.width.value_or(2);
  const bool described = fs.exists(path_ + ".metadata");
  if (described) BALLAST_TRY(read_metadata(fs));
  if (described && options.width && *options.width != width_)
    return usage_error("metadata says another type than asked for", path_ + ".metadata",
                       fmt::format("{} bytes an id", width_));
  if (!described) BALLAST_TRY(count_tokens());
  BALLAST_TRY(check_loss(fs));
  return fs.exists(path_ + ".index") ? read_ends(fs) : find_borders(options);
}

Result<void> TokenFile::read_rows(FileSystem& fs, const std::string& table) {
  files_.push_back(table);
  const auto source = BALLAST_TRY(open_source(fs, table));
  LineReader lines(*source, kMaxRow);
  begins_ = {0};
  while (auto row = BALLAST_TRY(next_row(lines, table))) {
    const std::string where = fmt::format("{}:{}", table, lines.line_number());
    auto fields = BALLAST_TRY(parse_csv_line(*row, where));
    if (fields.size() != 5)
      return corrupt_error(fmt::format("row of {} fields", fields.size()), where,
                           "start,end,id,src,loc");
    const int64_t begin = BALLAST_TRY(parse_whole(fields[0], where));
    const int64_t end = BALLAST_TRY(parse_whole(fields[1], where));
    if (begin != begins_.back() || end < begin || end > tokens_)
      return corrupt_error(
          fmt::format("document from {} to {} is not where its predecessor ends", begin, end),
          where, fmt::format("{} of {}", begins_.back(), tokens_));
    begins_.push_back(end);
    described_.push_back({std::move(fields[2]), std::move(fields[3])});
  }
  if (begins_.back() != tokens_)
    return corrupt_error("table does not end where the data does", table,
                         fmt::format("{}, the data has {} tokens", begins_.back(), tokens_));
  return {};
}

Result<void> TokenFile::open_olmo(FileSystem& fs, const TokenFileOptions& options) {
  width_ = options.width.value_or(2);
  std::string magic(6, '\0');
  const size_t got = BALLAST_TRY(file_->read_at(0, std::as_writable_bytes(std::span(magic))));
  if (got == magic.size() && magic == "\x93NUMPY")
    return usage_error("a NumPy file with a header", path_, "OLMo's are raw ids");
  BALLAST_TRY(count_tokens());
  const std::string table = olmo_table_path(path_);
  return fs.exists(table) ? read_rows(fs, table) : find_borders(options);
}

Result<void> TokenFile::open_llmc() {
  char head[12];
  const size_t got = BALLAST_TRY(file_->read_at(0, std::as_writable_bytes(std::span(head))));
  if (got != sizeof head || file_->size() < kLlmcHeaderBytes)
    return corrupt_error("shorter than the header of llm.c", path_,
                         fmt::format("{} bytes", file_->size()));
  const auto magic = load_le<int32_t>(&head[0]), version = load_le<int32_t>(&head[4]);
  const bool narrow = magic == kLlmcMagicU16 && version == kLlmcVersionU16;
  if (!narrow && (magic != kLlmcMagicU32 || version != kLlmcVersionU32))
    return corrupt_error(fmt::format("not tokens of llm.c: magic {}, version {}", magic, version),
                         path_, "known: 20240520 version 1, 20240801 version 7");
  header_ = kLlmcHeaderBytes;
  width_ = narrow ? 2 : 4;
  BALLAST_TRY(count_tokens());
  const auto said = load_le<int32_t>(&head[8]);
  if (said != tokens_)
    return corrupt_error("header and data differ in the number of tokens", path_,
                         fmt::format("{}, the data has {}", said, tokens_));
  return {};
}

Result<TokenFile> TokenFile::open(FileSystem& fs, const std::string& path, TokenFileFormat format,
                                  const TokenFileOptions& options) {
  TokenFile file;
  file.path_ = path;
  file.files_ = {path};
  file.file_ = BALLAST_TRY(fs.open_read(path));
  if (format == TokenFileFormat::datatrove) {
    BALLAST_TRY(file.open_datatrove(fs, options));
  } else if (format == TokenFileFormat::olmo) {
    BALLAST_TRY(file.open_olmo(fs, options));
  } else {
    BALLAST_TRY(file.open_llmc());
    BALLAST_TRY(file.find_borders(options));
  }
  return file;
}

}  // namespace ballast
