// The outputs of a job in parts appear one after the other. A note in the folder of the parts,
// publishing.json, says which they are before the first one does, so that a run that failed or was
// killed there can be repeated: what it left is its own and goes. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

inline constexpr const char* kPublishingName = "publishing.json";

// Is there a note of an earlier run?
bool was_publishing(FileSystem& fs, const std::string& folder);

// Writes the note. The outputs are whole but for their names, of which none is a file: kind usage.
Result<void> begin_publishing(FileSystem& fs, const std::string& folder,
                              const std::vector<std::string>& outputs);

// Removes the outputs that the note names, the last one first, and the note. Kind usage, and
// nothing is removed, when one of them was written after the note, hence by somebody else.
Result<void> take_back(FileSystem& fs, const std::string& folder);

std::string publishing_text(const std::vector<std::string>& outputs);  // of the note
Result<std::vector<std::string>> parse_publishing(std::string_view text, const std::string& where);

}  // namespace ballast
