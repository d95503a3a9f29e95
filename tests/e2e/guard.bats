#!/usr/bin/env bats
# Faults on purpose: what the guard finds, what it does, and what never happens.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  train --run "$BATS_FILE_TMPDIR/calm" --schedule constant --lr 2e-3 --batch-tokens 512 --steps 170
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }
calm() { train --schedule constant --lr 2e-3 --batch-tokens 512 --steps 170 "$@"; }

@test "a NaN is dropped and the step repeated: the line is that of the calm run" {
  calm --run run --inject nan@33
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  cmp a b
  grep -q '"event":"nan"' run/trace.jsonl
  grep -q '"event":"rerun"' run/trace.jsonl
  grep -q '"loss":[^,]*,.*"grad_norm":"NaN".*"skipped":true' run/trace.jsonl
}

@test "with the guard off a NaN step is skipped and reaches nothing" {
  calm --run run --inject nan@33 --guard off
  [ "$(grep -c '"skipped":true' run/trace.jsonl)" -eq 1 ]
  run grep -E '"step":3[4-9],.*(NaN|Infinity)' run/trace.jsonl
  [ "$status" -eq 1 ]
  "$BIN/ckpt" verify --full --values run
}

@test "a spike is found at its step and replayed: the line is that of the calm run" {
  calm --run run --inject spike@150:x=100
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  cmp a b
  grep -E '"step":15[01],"event":"spike"' run/trace.jsonl
  grep -q '"event":"rollback"' run/journal.jsonl
  ls run/abandoned
}

@test "skip passes over the batches around the onset and goes on" {
  calm --run run --inject spike@150:x=100 --guard skip:5,stop
  grep -q '"event":"skip"' run/trace.jsonl
  "$BIN/ckpt" inspect run --json | grep -q skip_ranges
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  [ "$(wc -l < a)" -eq 170 ]
  cmp <(head -140 a) <(head -140 b)
  run cmp a b
  [ "$status" -eq 1 ]
}

@test "rollback:M goes further back" {
  calm --run run --inject spike@150:x=100 --guard rollback:30+3,stop --keep all
  grep -q '"to_step":120' run/trace.jsonl
  [ "$(losses run | wc -l)" -eq 170 ]
}

@test "an exhausted ladder stops with 5 and keeps the last good checkpoint" {
  run --separate-stderr calm --run run --inject spike@150:x=100 --guard stop
  [ "$status" -eq 5 ]
  [[ "$stderr" == *"ladder is exhausted"* ]]
  "$BIN/ckpt" verify --full run
}

@test "a fault fires once per run, whatever restarts" {
  run calm --run run --inject nan@33 --guard stop --steps 40
  [ "$status" -eq 5 ]
  calm --run run --inject nan@33 --guard stop --steps 40  # from step 30 on, over step 33 again
  [ "$(grep -c '"event":"inject"' run/journal.jsonl)" -eq 1 ]
  [ "$(losses run | wc -l)" -eq 40 ]
}

@test "an incident before any checkpoint is old enough goes back to the oldest one" {
  calm --run early --inject nan@2 --guard skip:5,stop --steps 8
  [ "$(losses early | wc -l)" -eq 8 ]
  # Nothing that is consumed is passed over: the skip begins where the parent ends.
  "$BIN/ckpt" inspect early --json | jq -e '.. | .skip_ranges? // empty | .[0][0] == 0'
  calm --run often --inject nan@20 --guard skip:5,stop --steps 24 --ckpt-every 1
  [ "$(losses often | wc -l)" -eq 24 ]
  grep -q '"to_step":16' often/trace.jsonl
}

@test "a rollback further back than the checkpoints goes back to the oldest one" {
  calm --run run --inject nan@37 --guard rollback:1000+2,stop --steps 40 --keep all
  grep -q '"to_step":0' run/trace.jsonl
  [ "$(losses run | wc -l)" -eq 40 ]
}

@test "what was passed over stays passed over after an older checkpoint" {
  calm --run run --inject nan@22,nan@24 --guard skip:2,rollback:20+3,stop --steps 26 --keep all
  grep -q '"to_step":0' run/trace.jsonl
  # 2 batches of 4 samples from batch 18 on, then 3 from where the second incident's suspects begin
  [ "$(losses run | wc -l)" -eq 26 ]
  "$BIN/gradstat" clip --check run
  last=$("$BIN/ckpt" inspect run --json | jq -c '.. | .skip_ranges? // empty')
  first=$(jq -c 'select(.event == "rollback") | .skip' run/journal.jsonl | head -1)
  jq -en --argjson a "$first" --argjson b "$last" '[$b[] | select(.[0] <= $a[0][0] and .[1] >= $a[0][1])] | length == 1'
}

@test "with --json a run that the guard stops still reports" {
  run --separate-stderr calm --run run --inject nan@3 --guard stop --steps 8 --json
  [ "$status" -eq 5 ]
  jq -e '.exit_code == 5 and .step == 3' <<< "$output"
}

@test "a loss that jumps in the step of a NaN is still found when the step is repeated" {
  calm --run run --inject spike@50:x=200,nan@51 --steps 60
  jq -c 'select(.type == "event" and .step == 51) | .event' run/trace.jsonl > events
  cmp events <(printf '"%s"\n' inject nan rerun spike rollback)
  [ "$(losses run | wc -l)" -eq 60 ]
}

@test "a way back stays for as long as an answer to an incident may need it" {
  calm --run run --inject spike@70:x=1000 --guard wait:30,skip:5,stop --ckpt-every 5 --keep last=1
  jq -se 'any(.[]; .event == "wait" and .step == 71)' run/journal.jsonl
  jq -se 'any(.[]; .event == "rollback" and .step < 70)' run/journal.jsonl
  [ "$(losses run | wc -l)" -eq 170 ]
}
