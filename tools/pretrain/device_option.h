// --device of the verbs that compute: one of the words of open_backend(), or cuda:N.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace ballast {

CLI::Option* device_option(CLI::App& app, std::string& device);

}  // namespace ballast
