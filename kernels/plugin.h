// Finds and loads the shared objects of open_backend and open_comm.
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

// The address of `symbol` in ballast_PLUGIN.so; the object stays loaded to the end of the process.
Result<void*> load_plugin_symbol(const std::string& plugin, const char* symbol);

// Whether the file is there; loads nothing.
bool plugin_present(const std::string& plugin);

}  // namespace ballast
