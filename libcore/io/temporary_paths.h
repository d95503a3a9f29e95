// Paths of the temporary files and folders that this process is writing, for the handler of a
// signal that ends it: a fixed table, since a handler can neither allocate nor lock. Process-wide,
// as signals are. Any thread. When the table is full or a path is longer than the system takes,
// that file is left behind, as after kill -9. Of a folder its files go with it; one with folders
// stays.
#pragma once

#include <string_view>

namespace ballast {

// Before it is created, and after it was renamed or removed.
void remember_temporary(std::string_view path);
void forget_temporary(std::string_view path);

// Removes what is remembered; async-signal-safe. From now on remember_temporary() does not return:
// the process is about to end.
void unlink_temporaries();

}  // namespace ballast
