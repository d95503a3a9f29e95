// The one version number of all five tools.
#pragma once
namespace ballast {
inline constexpr const char* kVersion = "0.1.0";
}
