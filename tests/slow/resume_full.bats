#!/usr/bin/env bats
# The whole matrix of tests/e2e/resume_matrix.bats: ctest -L slow.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/resume_case.bash"; make_matrix_lab; }
setup() { source "$SRC/tests/support/resume_case.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

@test "every combination of methods resumes bit for bit at three points" {
  local o c s w
  for ((o = 0; o < ${#MATRIX_OPTIMIZERS[@]}; o++)); do
    for ((c = 0; c < ${#MATRIX_CLIPPERS[@]}; c++)); do
      for ((s = 0; s < ${#MATRIX_SCHEDULES[@]}; s++)); do
        for ((w = 0; w < ${#MATRIX_SWITCHES[@]}; w++)); do matrix_case "$o" "$c" "$s" "$w"; done
      done
    done
  done
}
