#!/usr/bin/env bats
# What gradstat says afterwards about a run whose guard answered injected faults, and what ckpt does with it.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  cd "$BATS_FILE_TMPDIR"
  train --run run --schedule constant --lr 2e-3 --batch-tokens 512 --steps 170 --keep all --inject spike@150:x=100,nan@33
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

@test "the replay of the clipping law gives the logged bits, on the line and on all branches" {
  run --separate-stderr "$BIN/gradstat" clip --check --json run
  [ "$status" -eq 0 ]
  [[ "$output" == *'"steps":170,'*'"compared":170,"differences":0}' ]]
  all=$(grep '"type":"step"' run/trace.jsonl | grep -vc '"skipped":true')
  [ "$all" -gt 170 ]
  run --separate-stderr "$BIN/gradstat" clip --check --json --line all run
  [ "$status" -eq 0 ]
  [[ "$output" == *"\"steps\":$all,"*"\"compared\":$all,\"differences\":0}" ]]
}

@test "both injected incidents are found at their steps, and no other" {
  run --separate-stderr "$BIN/gradstat" spikes --json run
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
  [[ "${lines[0]}" =~ '"onset":3'[34],.*'"nonfinite":true,' ]]
  [[ "${lines[1]}" =~ '"onset":15'[01],.*'"nonfinite":false,' ]]
}

@test "ckpt goes back before what gradstat found" {
  for id in last 2; do
    run --separate-stderr bash -c '"$BIN/gradstat" spikes --json run |
      "$BIN/ckpt" rollback run --before-incident "$0" - --margin 20 --dry-run --json' "$id"
    [ "$status" -eq 0 ]
    [[ "$output" =~ '"step":130,'.*'"onset":15'[01],.*'"done":false' ]]
  done
  run --separate-stderr bash -c '"$BIN/gradstat" spikes --json run |
    "$BIN/ckpt" rollback run --before-incident 1 - --margin 5 --dry-run'
  [ "$status" -eq 0 ]
  [[ "$output" == *"onset    step 33"*"parent   step 20 "* ]]
}

@test "a run without faults has no incident" {
  source "$SRC/tests/support/training.bash"
  train --run calm --schedule constant --lr 2e-3 --batch-tokens 512 --steps 170
  run --separate-stderr "$BIN/gradstat" spikes --fail-on onset,persistent,nonfinite calm
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "no incident in 170 steps" ]
}
