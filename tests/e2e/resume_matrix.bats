#!/usr/bin/env bats
# Bit-exact resume over the methods of pretrain: every pair of optimizer and clipper, optimizer and schedule, clipper and
# schedule occurs in one of 35 combinations. tests/slow has all of them.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/resume_case.bash"; make_matrix_lab; }
setup() { source "$SRC/tests/support/resume_case.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

@test "every pair of methods resumes bit for bit at three points" {
  local c s cases=0
  for ((c = 0; c < ${#MATRIX_CLIPPERS[@]}; c++)); do
    for ((s = 0; s < ${#MATRIX_SCHEDULES[@]}; s++)); do
      matrix_case $(((c + s) % ${#MATRIX_OPTIMIZERS[@]})) "$c" "$s"
      cases=$((cases + 1))
    done
  done
  [ "$cases" -eq 35 ]
}
