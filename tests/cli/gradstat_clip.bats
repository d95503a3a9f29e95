#!/usr/bin/env bats
# gradstat clip: the replay is the law that ran.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
}

@test "the run's own strategy reproduces every logged decision bit for bit" {
  for name in clean incidents branches; do
    run --separate-stderr "$BIN/gradstat" clip --check "$traces/$name.jsonl"
    [ "$status" -eq 0 ]
    [[ "$output" == *"logged decisions are reproduced bit for bit"* ]]
  done
}

@test "--line all replays the abandoned branches too" {
  run --separate-stderr "$BIN/gradstat" clip --check --line all "$traces/branches.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"all 199 logged decisions are reproduced bit for bit"* ]]
  sed '/"segment":1,"step":125,/s/"clip_z":/"clip_z":9/' "$traces/branches.jsonl" > changed.jsonl
  run --separate-stderr "$BIN/gradstat" clip --check --line all changed.jsonl
  [ "$status" -eq 1 ]
  [[ "$output" == *"first at step 125 of segment 1 (clip_z)"* ]]
  run --separate-stderr "$BIN/gradstat" clip --check changed.jsonl
  [ "$status" -eq 0 ]
}

@test "--line all is refused where the state at a fork is not known" {
  sed 's/,"clip_state":.*}$/}/' "$traces/branches.jsonl" > bare.jsonl
  run ! cmp -s "$traces/branches.jsonl" bare.jsonl
  run --separate-stderr "$BIN/gradstat" clip --line all bare.jsonl
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"segment 1"* ]]
  run "$BIN/gradstat" clip --line all --clip none "$traces/branches.jsonl"
  [ "$status" -eq 2 ]
}

@test "one changed digit in the log is a difference" {
  sed 's/"step":100,\(.*\)"clip_z":\(-\{0,1\}\)0\./"step":100,\1"clip_z":\29./' \
    "$traces/clean.jsonl" > changed.jsonl
  run ! cmp -s "$traces/clean.jsonl" changed.jsonl
  run --separate-stderr "$BIN/gradstat" clip --check changed.jsonl
  [ "$status" -eq 1 ]
  [[ "$output" == *"1 of 120 decisions differ, first at step 100 of segment 0 (clip_z)"* ]]
  run "$BIN/gradstat" clip changed.jsonl
  [ "$status" -eq 0 ]
}

@test "another strategy is replayed and called a counterfactual" {
  run --separate-stderr "$BIN/gradstat" clip --clip fixed:0.5 "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"strategy   fixed:0.5"* ]]
  [[ "$output" == *"counterfactual"* ]]
  run --separate-stderr "$BIN/gradstat" clip --json --clip none "$traces/incidents.jsonl"
  [[ "$output" == *'"strategy":"none","own":false,"steps":179,"skipped":1,"clips":0,'* ]]
}

@test "--steps prints every decision" {
  run --separate-stderr "$BIN/gradstat" clip --steps --json "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 180 ]
  [[ "${lines[89]}" == *'"step":90,'*'"clipped":true,"skip":false}' ]]
}

@test "a state that the run record carries is where a segment starts" {
  # Without its beginning, the last segment is exact all the same.
  grep -n '"type":"run"' "$traces/branches.jsonl" | tail -1 | cut -d: -f1 > at
  tail -n "+$(cat at)" "$traces/branches.jsonl" > tail.jsonl
  run --separate-stderr "$BIN/gradstat" clip --check tail.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"all 60 logged decisions"* ]]
}

@test "no strategy, a wrong one, and no norms are refused" {
  grep -v '"type":"run"' "$traces/clean.jsonl" > norun.jsonl
  run --separate-stderr "$BIN/gradstat" clip norun.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--clip"* ]]
  run --separate-stderr "$BIN/gradstat" clip --clip zclip:zz=1 "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"'zz'"* ]]
  grep '"type":"run"' "$traces/clean.jsonl" > only.jsonl
  run "$BIN/gradstat" clip only.jsonl
  [ "$status" -eq 7 ]
}
