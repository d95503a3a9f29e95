// What the matrix product keeps between calls.
#pragma once

#include <string>

namespace ballast {

class GemmCache {};

std::string gemm_library();  // "oneDNN 2.6.3 avx512_core"

}  // namespace ballast
