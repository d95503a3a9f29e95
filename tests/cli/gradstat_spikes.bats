#!/usr/bin/env bats
# gradstat summary and spikes on the golden traces.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
}

@test "a clean run has no incident, and --fail-on passes" {
  run --separate-stderr "$BIN/gradstat" spikes "$traces/clean.jsonl"
  [ "$status" -eq 0 ]
  [ "$output" = "no incident in 120 steps" ]
  run "$BIN/gradstat" summary --fail-on onset,persistent,nonfinite "$traces/clean.jsonl"
  [ "$status" -eq 0 ]
}

@test "both injected incidents are found at their steps and nothing else" {
  run --separate-stderr "$BIN/gradstat" spikes --json "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
  [[ "${lines[0]}" == *'"first":90,"onset":91,'* ]]
  [[ "${lines[0]}" == *'"class":1,'* ]]
  [[ "${lines[0]}" == *'"detected":90,'* ]]
  [[ "${lines[0]}" == *'"lead":1,'* ]]
  [[ "${lines[1]}" == *'"first":130,"onset":130,'* ]]
  [[ "${lines[1]}" == *'"nonfinite":true,'* ]]
  [[ "${lines[1]}" == *'"skipped_steps":1,'* ]]
  [[ "${lines[1]}" == *'"samples_begin":2064,"samples_end":2080,'* ]]
}

@test "an incident on an abandoned branch is listed and marked" {
  run --separate-stderr "$BIN/gradstat" spikes --json "$traces/branches.jsonl"
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"segment":1,"abandoned":true,"first":120,"onset":120,'* ]]
  run --separate-stderr "$BIN/gradstat" spikes --line surviving "$traces/branches.jsonl"
  [[ "$output" == "no incident in"* ]]
}

@test "--fail-on matches what it names and nothing else" {
  run "$BIN/gradstat" spikes --fail-on nonfinite "$traces/incidents.jsonl"
  [ "$status" -eq 1 ]
  run "$BIN/gradstat" summary --fail-on onset "$traces/incidents.jsonl"
  [ "$status" -eq 1 ]
  run "$BIN/gradstat" summary --fail-on persistent "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  run "$BIN/gradstat" spikes --fail-on nonfinite "$traces/branches.jsonl"
  [ "$status" -eq 0 ]
}

@test "a kind that is not built is refused by name" {
  run --separate-stderr "$BIN/gradstat" spikes --fail-on drift "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"'drift'"* ]]
  run --separate-stderr "$BIN/gradstat" summary --fail-on stall "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
}

@test "too few steps for a verdict is exit 7" {
  head -20 "$traces/clean.jsonl" > short.jsonl
  run "$BIN/gradstat" spikes --fail-on onset short.jsonl
  [ "$status" -eq 7 ]
  run "$BIN/gradstat" spikes --fail-on nonfinite short.jsonl
  [ "$status" -eq 0 ]
  : > empty.jsonl
  run "$BIN/gradstat" summary empty.jsonl
  [ "$status" -eq 7 ]
}

@test "summary counts steps, tokens, skips, branches and events" {
  run --separate-stderr "$BIN/gradstat" summary --json "$traces/branches.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *'"segments":3,"first_step":1,"last_step":160,"steps":160,"skipped":0,"abandoned":39,'* ]]
  [[ "$output" == *'"tokens":655360,'* ]]
  [[ "$output" == *'"events":{"resume":2,"rollback":1}'* ]]
  [[ "$output" == *'"log_problems":[]'* ]]
  run --separate-stderr "$BIN/gradstat" summary "$traces/incidents.jsonl"
  [[ "$output" == *"1 to 180 (180 on the line, 1 skipped, 1 segment)"* ]]
  [[ "$output" == *"clipped    8 of 179"* ]]
}

@test "directories, stdin, gzip and zstd give the same answer" {
  expected=$("$BIN/gradstat" summary --json "$traces/branches.jsonl")
  mkdir run
  cp "$traces/branches.jsonl" run/trace.jsonl
  [ "$("$BIN/gradstat" summary --json run)" = "$expected" ]
  [ "$("$BIN/gradstat" summary --json - < run/trace.jsonl)" = "$expected" ]
  gzip -c run/trace.jsonl > t.gz
  [ "$("$BIN/gradstat" summary --json t.gz)" = "$expected" ]
}

@test "a damaged line ends with its number, or is skipped and counted" {
  { head -50 "$traces/clean.jsonl"; echo '{"type":"step","step":'; tail -n +51 "$traces/clean.jsonl"; } > bad.jsonl
  run --separate-stderr "$BIN/gradstat" summary bad.jsonl
  [ "$status" -eq 3 ]
  [ -z "$output" ]
  [[ "$stderr" == *"bad.jsonl:51"* ]]
  run --separate-stderr "$BIN/gradstat" summary --on-error skip bad.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"1 damaged lines"* ]]
}

@test "a missing trace is exit 3 and names the path" {
  run --separate-stderr "$BIN/gradstat" summary nowhere.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"nowhere.jsonl"* ]]
}
