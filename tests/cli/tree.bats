#!/usr/bin/env bats
# Rules about the tree that a compiler does not check.
bats_require_minimum_version 1.5.0

setup() { cd "$SRC"; }

@test "libcore includes no device, collective or MPI header" {
  run ! grep -rnE '#include *[<"](cuda|cublas|cudnn|nccl|mpi|nvtx|curand|driver_types)' libcore
}

@test "dependencies run one way: libcore includes neither tools nor kernels" {
  run ! grep -rnE '#include *"(tools|kernels)/' libcore
  run ! grep -rnE '#include *"tools/' kernels
}

@test "a tool's main.cpp is its verb table" {
  for main in tools/*/main.cpp; do
    [ -e "$main" ] || skip "no tool yet"
    lines=$(wc -l < "$main")
    [ "$lines" -le 120 ] || { echo "$main has $lines lines"; return 1; }
  done
}

@test "headers are guarded and say what they are for" {
  for header in $(find libcore kernels tools -name '*.h'); do
    # Highway compiles -inl.h files once per target.
    [[ "$header" == *-inl.h ]] || grep -q '^#pragma once' "$header" || { echo "$header lacks #pragma once"; return 1; }
    [[ "$(head -c 3 "$header")" == "// " ]] || { echo "$header lacks its comment"; return 1; }
  done
}

@test "libraries neither print nor exit" {
  ! grep -rnE '\b(std::)?(printf|puts|cout|cerr)\b|\bstd::exit\(|[^_]\bexit\(' libcore --include='*.cpp' --include='*.h' |
    grep -v '^libcore/cli/' | grep -v '^libcore/base/check.cpp' | grep -vE '^[^:]+:[0-9]+: *//'
}

@test "no test hides a condition in a list: a false command before && does not end it" {
  local check='(\[\[?|cmp|diff|grep|jq|test|run) '
  found=$(grep -rnE "^ *$check.* && (! )?$check|\|\| \{.* && $check" tests --include='*.bats' |
    grep -vE ' && return$|^[^{]* \|\| [^{]*$') || true
  [ -z "$found" ] || { echo "$found"; return 1; }
}

# clang 14 builds the fuzz targets, and refuses views of Debian 12's standard library.
@test "what fuzz targets link keeps to what clang 14 reads" {
  found=$(grep -rnE 'std::views::|std::ranges::(views|subrange|unique|remove|remove_if|partition|search|rotate|equal_range)\b' \
    libcore tests/fuzz --include='*.h' --include='*.cpp' | grep -vE '^[^:]+:[0-9]+: *//') || true
  [ -z "$found" ] || { echo "$found"; return 1; }
}
