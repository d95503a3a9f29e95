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
  [[ "$stderr" == *"no log that can be followed"*":1"* ]]
  cat bad.jsonl "$traces/clean.jsonl" > mixed.jsonl
  run "$BIN/gradstat" follow --on-error skip - < mixed.jsonl
  [ "$status" -eq 0 ]
}

@test "a trace that does not come is waited for so long" {
  run --separate-stderr "$BIN/gradstat" follow --wait 0.1s missing.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"missing.jsonl"* ]]
  run "$BIN/gradstat" follow --wait soon missing.jsonl
  [ "$status" -eq 2 ]
}

@test "a file written anew in place is read from its start" {
  head -60 "$traces/incidents.jsonl" > t.jsonl
  "$BIN/gradstat" follow --fail-on nonfinite t.jsonl > out &
  pid=$!
  # As long as what was read, and longer: its size does not give it away.
  { head -1 "$traces/incidents.jsonl"; tail -n +61 "$traces/incidents.jsonl"; } > next
  cat next > t.jsonl
  wait "$pid" && status=0 || status=$?
  [ "$status" -eq 1 ]
  grep -q 'step 130: nonfinite' out
}

# What incidents.jsonl logs, as other trainers write it; its NaN step too.
as_llmc() {
  sed -nE 's/.*"step":([0-9]+),.*"loss":"?([-0-9.eNa]+)"?,"lr":([0-9.e-]+),"grad_norm":"?([-0-9.eNa]+)"?,.*/s:\1 trl:\2 lr:\3 norm:\4/p' "$1"
}

@test "logs of other trainers are followed too" {
  as_llmc "$traces/incidents.jsonl" > main.log
  [ "$(wc -l < main.log)" -gt 100 ]
  run --separate-stderr "$BIN/gradstat" follow --fail-on nonfinite - < main.log
  [ "$status" -eq 1 ]
  [[ "$output" == *"step 90: onset of the gradient norm"* ]]
  { echo step,loss,grad_norm; sed -E 's/s:([0-9]+) trl:([^ ]*) .*norm:(.*)/\1,\2,\3/' main.log; } > log.csv
  run --separate-stderr "$BIN/gradstat" follow --fail-on onset - < log.csv
  [ "$status" -eq 1 ]
  [[ "$output" == *"step 90: onset of the gradient norm"* ]]
  sed -E 's/s:([0-9]+) trl:([^ ]*) .*norm:(.*)/{"step": \1, "train\/loss": \2, "train\/grad_norm": \3}/' main.log > log.jsonl
  run --separate-stderr "$BIN/gradstat" follow --fail-on onset - < log.jsonl
  [ "$status" -eq 1 ]
  [[ "$output" == *"step 90: onset of the gradient norm"* ]]
}

@test "what is known of a log is told to follow, and refused of a trace of ours" {
  as_llmc "$traces/incidents.jsonl" > main.log
  { echo a,b,c; sed -E 's/s:([0-9]+) trl:([^ ]*) .*norm:(.*)/\1,\2,\3/' main.log; } > log.csv
  named() { "$BIN/gradstat" follow --log-format table --map step=a --map loss=b --map grad_norm=c "$@" - < log.csv; }
  run --separate-stderr named --fail-on onset
  [ "$status" -eq 1 ]
  [[ "$output" == *"step 90: onset of the gradient norm"* ]]
  # A norm that was taken after clipping is none to judge by.
  run --separate-stderr named --norm post --fail-on onset
  [ "$status" -eq 1 ]
  [[ "$output" != *"gradient norm"* ]]
  [[ "$output" == *"onset of the loss"* ]]
  run --separate-stderr "$BIN/gradstat" follow --tokens-per-step 512 - < "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--tokens-per-step"* ]]
  run --separate-stderr "$BIN/gradstat" follow --log-format llmc --run-name x - < main.log
  [ "$status" -eq 2 ]
  for wrong in "--mark 5:x" "--log-format tfevents"; do
    # shellcheck disable=SC2086
    run --separate-stderr "$BIN/gradstat" follow $wrong - < main.log
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"${wrong%% *}"* ]]
  done
}

@test "a log that has not every step has no verdict over windows of steps" {
  awk 'BEGIN { for (n = 1; n <= 100; ++n) printf "s:%d trl:%.4f lr:0.001 norm:%.4f\n", 10 * n, 3 + 0.01 * sin(n) + (n > 60), 1 }' > main.log
  run --separate-stderr "$BIN/gradstat" follow --fail-on persistent - < main.log
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"one record in 10 steps"*"--assume-per-step"* ]]
  run --separate-stderr "$BIN/gradstat" follow --fail-on nonfinite - < main.log
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"one record in 10 steps"* ]]
  run --separate-stderr "$BIN/gradstat" follow --fail-on onset --assume-per-step - < main.log
  [ "$status" -eq 1 ]
  [[ "$output" == "step 610: onset of the loss"* ]]
}

@test "restarts that lead nowhere are a stall" {
  head -60 "$traces/clean.jsonl" > loop.jsonl
  for segment in 1 2 3; do
    echo "{\"v\":1,\"type\":\"run\",\"segment\":$segment,\"parent\":$((segment - 1)),\"parent_step\":40}" >> loop.jsonl
    grep -E '"step":4[1-5],' "$traces/clean.jsonl" | grep '"type":"step"' | sed "s/\"segment\":0/\"segment\":$segment/" >> loop.jsonl
  done
  run --separate-stderr "$BIN/gradstat" follow --fail-on stall - < loop.jsonl
  [ "$status" -eq 1 ]
  [[ "${lines[-1]}" == "stall: 3 restarts did not get beyond step "* ]]
  run --separate-stderr "$BIN/gradstat" follow --fail-on stall --stall-restarts 4 - < loop.jsonl
  [ "$status" -eq 0 ]
}

@test "a slow rise is drift; too few steps to tell are exit 7" {
  awk 'BEGIN { for (n = 1; n <= 20000; ++n)
    printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"grad_norm\":1,\"skipped\":false}\n",
      n, n, n, 2 + 0.05 * sin(7 * n) + (n > 6000 ? 2e-5 * (n - 6000) : 0) }' > rise.jsonl
  run --separate-stderr "$BIN/gradstat" follow --fail-on drift --json - < rise.jsonl
  [ "$status" -eq 1 ]
  [[ "${lines[-1]}" == '{"v":1,"type":"alarm","kind":"drift","metric":"loss",'* ]]
  run --separate-stderr "$BIN/gradstat" follow --fail-on onset,persistent - < rise.jsonl
  [ "$status" -eq 0 ]
  run "$BIN/gradstat" follow --fail-on drift - < "$traces/clean.jsonl"
  [ "$status" -eq 7 ]
}
