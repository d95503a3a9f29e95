// The formats that are known: how each is recognised and opened. The order is that of recognition,
// the narrow ones first.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

struct FileFormat {
  LogFormat format;
  LooksLike looks_like;
  Result<std::unique_ptr<ForeignLog>> (*open)(std::unique_ptr<ByteSource> source,
                                              const ImportOptions& options);
};
std::span<const FileFormat> file_formats();  // without our own

// Logs that are folders.
struct FolderFormat {
  LogFormat format;
  bool (*is)(FileSystem& fs, const std::string& path);
  Result<std::unique_ptr<ForeignLog>> (*open)(FileSystem& fs, const std::string& path,
                                              const ImportOptions& options);
};
std::span<const FolderFormat> folder_formats();

bool looks_like_ballast(std::string_view head);

}  // namespace ballast
