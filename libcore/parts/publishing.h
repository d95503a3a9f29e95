// The outputs of a job in parts appear one after the other. A note in the folder of the parts,
// publishing.json, says which they are before the first one does, so that a run that failed or was
// killed there can be repeated: what it left is its own and goes. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

inline constexpr const char* kPublishingName = "publishing.json";

// Where a call writes. The note names outputs by what they are to it, never by a path: a folder
// that was copied with its parts must not reach back to where it came from.
struct PublishedPaths {
  std::string prefix;          // of all shards
  std::string rejects, stats;  // empty: not asked for
};

struct PublishingNote {
  int64_t begun_ns = 0;              // nothing that was written before is the job's
  std::vector<std::string> endings;  // of shards: what follows the prefix, without '/'
  bool rejects = false, stats = false;

  std::string text() const;
  bool operator==(const PublishingNote&) const = default;
};
Result<PublishingNote> parse_publishing(std::string_view text, const std::string& where);

// Is there a note of an earlier run?
bool was_publishing(FileSystem& fs, const std::string& folder);

// Before the outputs are written: a note that names none of them. The time of its writing, by the
// clock of the file system.
Result<int64_t> open_publishing(FileSystem& fs, const std::string& folder);

// When the outputs are whole but for their names: the note that names them. Kind usage if one of
// the names is taken.
Result<void> begin_publishing(FileSystem& fs, const std::string& folder, const PublishingNote& note,
                              const PublishedPaths& paths);

// The outputs of the note that are there, in the order in which they appeared. Kind usage when one
// of them was written before the job began to write, or after the note: by somebody else, or moved
// there.
Result<std::vector<std::string>> left_outputs(FileSystem& fs, const std::string& folder,
                                              const PublishedPaths& paths);
// Removes these, the last one first, and the note; nothing, if that is refused.
Result<void> take_back(FileSystem& fs, const std::string& folder, const PublishedPaths& paths);

}  // namespace ballast
