#!/usr/bin/env bats
# Bit-exact resume over the methods of pretrain: every pair of an optimizer, a clipper, a schedule and a set of switches
# occurs in one of 35 combinations. tests/slow has all of them.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/resume_case.bash"; make_matrix_lab; }
setup() { source "$SRC/tests/support/resume_case.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# Optimizer, clipper, schedule and switches of each combination. There are five of each but the clippers: sums of the
# indices modulo 5 with different factors meet in every pair.
combinations() {
  local c s
  for ((c = 0; c < ${#MATRIX_CLIPPERS[@]}; c++)); do
    for ((s = 0; s < ${#MATRIX_SCHEDULES[@]}; s++)); do echo $(((c + s) % 5)) "$c" "$s" $(((c + 2 * s) % 5)); done
  done
}

@test "the combinations hold every pair of methods" {
  local sizes=("${#MATRIX_OPTIMIZERS[@]}" "${#MATRIX_CLIPPERS[@]}" "${#MATRIX_SCHEDULES[@]}" "${#MATRIX_SWITCHES[@]}") a b
  [ "${sizes[*]}" = "5 7 5 5" ]
  [ "$(combinations | wc -l)" -eq 35 ]
  for a in 1 2 3; do
    for ((b = a + 1; b <= 4; b++)); do
      [ "$(combinations | cut -d' ' -f "$a,$b" | sort -u | wc -l)" -eq $((sizes[a - 1] * sizes[b - 1])) ]
    done
  done
}

@test "every pair of methods resumes bit for bit at three points" {
  local indices
  while read -r -a indices <&9; do matrix_case "${indices[@]}"; done 9< <(combinations)
}
