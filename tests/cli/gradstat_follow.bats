#!/usr/bin/env bats
# gradstat follow: pipes, growing files, rotation, stopping.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
}

@test "a pipe that ends without a match is exit 0" {
  run --separate-stderr "$BIN/gradstat" follow --fail-on onset,nonfinite - < "$traces/clean.jsonl"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "the first match ends it with exit 1 and says where" {
  run --separate-stderr "$BIN/gradstat" follow --fail-on nonfinite - < "$traces/incidents.jsonl"
  [ "$status" -eq 1 ]
  [[ "$output" == *"step 90: onset of the gradient norm"* ]]
  [[ "${lines[-1]}" == "step 130: nonfinite of the"* ]]
  [[ "$stderr" == *"step 130"* ]]
}

@test "alarms are JSON Lines with --json" {
  run --separate-stderr "$BIN/gradstat" follow --json - < "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == '{"v":1,"type":"alarm","kind":"onset","metric":"grad_norm","segment":0,"step":90,'* ]]
}

@test "the writer of the pipe sees it closed" {
  run bash -c "{ cat '$traces/incidents.jsonl'; while echo '{\"type\":\"note\"}'; do :; done; echo closed >&2; } 2> err |
    '$BIN/gradstat' follow --fail-on nonfinite - > out; echo \"\${PIPESTATUS[*]}\""
  [[ "$output" == *" 1" ]]
}

@test "--stop leaves the stop file of the run, only on a match" {
  mkdir run
  cp "$traces/clean.jsonl" run/trace.jsonl
  run "$BIN/gradstat" follow --fail-on nonfinite --stop run --idle 0.1s run
  [ "$status" -eq 0 ]
  [ ! -e run/control/stop ]
  cp "$traces/incidents.jsonl" run/trace.jsonl
  run "$BIN/gradstat" follow --fail-on nonfinite --stop run run
  [ "$status" -eq 1 ]
  grep -q 'step 130' run/control/stop
}

@test "a growing file is followed, half lines and rotation included" {
  head -100 "$traces/incidents.jsonl" > t.jsonl
  printf '{"v":1,"type":"step","seg' >> t.jsonl
  "$BIN/gradstat" follow --fail-on nonfinite t.jsonl > out &
  pid=$!
  # Rotated: the rest stands in a new file of the same name.
  { head -1 "$traces/incidents.jsonl"; tail -n +101 "$traces/incidents.jsonl"; } > next.jsonl
  mv next.jsonl t.jsonl
  wait "$pid" && status=0 || status=$?
  [ "$status" -eq 1 ]
  grep -q 'step 130: nonfinite' out
}

@test "a run that does not exist yet is waited for" {
  "$BIN/gradstat" follow --fail-on nonfinite run > out &
  pid=$!
  mkdir run
  cp "$traces/incidents.jsonl" run/trace.jsonl
  wait "$pid" && status=0 || status=$?
  [ "$status" -eq 1 ]
  grep -q 'step 130: nonfinite' out
}

@test "the cut of a torn line is not a restart" {
  { cat "$traces/clean.jsonl"; } > t.jsonl
  "$BIN/gradstat" follow --fail-on nonfinite --on-error fail t.jsonl > out 2> err &
  pid=$!
  # The golden file ends in a torn line; a restarting writer cuts it and goes on.
  lines=$(wc -l < t.jsonl)
  head -"$lines" "$traces/clean.jsonl" > whole
  size=$(stat -c %s whole)
  truncate -s "$size" t.jsonl
  echo '{"v":1,"type":"step","segment":0,"step":121,"loss":"NaN","grad_norm":"NaN","skipped":true}' >> t.jsonl
  wait "$pid" && status=0 || status=$?
  [ "$status" -eq 1 ]
  [ "$(grep -c 'step 121' out)" -ge 1 ]
}

@test "--new passes over what is old" {
  run "$BIN/gradstat" follow --new --fail-on nonfinite --idle 0.1s "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
}

@test "a stall is noticed" {
  run "$BIN/gradstat" follow --fail-on stall --stall-after 0.1s "$traces/clean.jsonl"
  [ "$status" -eq 1 ]
}

@test "too little data is exit 7, and --stop alone is refused" {
  head -5 "$traces/clean.jsonl" > short.jsonl
  run "$BIN/gradstat" follow --fail-on onset - < short.jsonl
  [ "$status" -eq 7 ]
  run "$BIN/gradstat" follow --stop . - < short.jsonl
  [ "$status" -eq 2 ]
}

@test "a damaged line ends it, or is skipped" {
  echo garbage > bad.jsonl
  run --separate-stderr "$BIN/gradstat" follow - < bad.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *":1"* ]]
  cat bad.jsonl "$traces/clean.jsonl" > mixed.jsonl
  run "$BIN/gradstat" follow --on-error skip - < mixed.jsonl
  [ "$status" -eq 0 ]
}
