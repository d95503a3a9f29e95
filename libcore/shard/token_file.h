// Files of token ids that other trainers read (ballast-shard(5), "Files of others"), as one stream
// of documents:
//   datatrove  X.ds, X.ds.index (ends of documents), X.ds.metadata (tokenizer and width)
//   olmo       X.npy, which is raw ids without a NumPy header, and X.csv.gz (start,end,id,src,loc)
//   llmc       a header of 256 int32, then ids; documents begin at the beginning-of-text id
// Where a file has no borders of documents beside it they are found by the ids around documents.
// Every length is checked against the size of the file. Memory: 8 bytes per document, and for olmo
// its id and source. After open() const; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

enum class TokenFileFormat { datatrove, olmo, llmc };

inline constexpr int64_t kLlmcHeaderBytes = 1024;
inline constexpr int32_t kLlmcMagicU16 = 20240520, kLlmcVersionU16 = 1;
inline constexpr int32_t kLlmcMagicU32 = 20240801, kLlmcVersionU32 = 7;

struct TokenFileOptions {
  std::optional<int64_t> width;  // bytes of an id, 2 or 4, where the files do not say it; usually 2
  std::optional<int32_t> bos, eos;  // borders, where no file says them
};

struct TokenFileDocument {
  std::string id, source;
};

class TokenFile {
 public:
  // Kind usage when nothing says where documents end; corrupt when the files disagree.
  static Result<TokenFile> open(FileSystem& fs, const std::string& path, TokenFileFormat format,
                                const TokenFileOptions& options);

  const std::string& path() const { return path_; }
  const std::vector<std::string>& files() const { return files_; }       // that were read
  const std::string& tokenizer_name() const { return tokenizer_name_; }  // datatrove's
  int64_t width() const { return width_; }
  int64_t total_tokens() const { return tokens_; }
  int64_t documents() const { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t document_begin(int64_t document) const { return begins_[static_cast<size_t>(document)]; }
  int64_t document_length(int64_t document) const {
    return document_begin(document + 1) - document_begin(document);
  }
  // What the file says of it; empty where it says nothing.
  TokenFileDocument document(int64_t number) const;
  Result<void> read_tokens(int64_t first_token, std::span<int32_t> out) const;

 private:
  TokenFile() = default;
  Result<void> open_datatrove(FileSystem& fs, const TokenFileOptions& options);
  Result<void> read_metadata(FileSystem& fs);
  Result<void> check_loss(FileSystem& fs);
  Result<void> read_ends(FileSystem& fs);
  Result<void> open_olmo(FileSystem& fs, const TokenFileOptions& options);
  Result<void> read_rows(FileSystem& fs, const std::string& table);
  Result<void> open_llmc();
  Result<void> count_tokens();
  Result<void> find_borders(const TokenFileOptions& options);

  std::string path_;
  std::vector<std::string> files_;
  std::string tokenizer_name_;
  std::shared_ptr<ReadableFile> file_;
  int64_t header_ = 0;
  int64_t width_ = 2;
  int64_t tokens_ = 0;
  std::vector<int64_t> begins_;  // documents + 1 entries once open
  std::vector<TokenFileDocument> described_;
};

// "X.npy" and "X" give "X.csv.gz".
std::string olmo_table_path(const std::string& path);

// The fields of a row of CSV, quotes undone; kind corrupt when a quote is not closed.
Result<std::vector<std::string>> parse_csv_line(std::string_view line, const std::string& where);

}  // namespace ballast
