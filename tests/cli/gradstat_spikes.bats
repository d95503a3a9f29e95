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
  [ "${lines[0]}" = "no incident in 120 steps" ]
  [[ "${lines[1]}" == "scores: OLMo 2 loss too few steps,"*"; jumps to 2x 0" ]]
  [ "${#lines[@]}" -eq 2 ]
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

@test "--help names the kinds that --fail-on takes, and no others" {
  for verb in summary spikes follow; do
    words=$(COLUMNS=1000 "$BIN/gradstat" $verb --help | tr -s ' \n' ' ' | grep -oE -- 'of these(:| was seen:) (onset|persistent|nonfinite|drift|stall|, )+' | sed 's/.*: //; s/, */ /g')
    taken=""
    for word in onset persistent nonfinite drift stall; do
      code=0
      "$BIN/gradstat" $verb --fail-on $word - < "$traces/clean.jsonl" > out 2>&1 || code=$?
      [ "$code" -eq 2 ] || taken+="$word "
    done
    echo "$verb: $words / $taken"
    [ -n "$words" ]
    [ "$(echo $words)" = "$(echo $taken)" ]
  done
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

# trace STEPS SPIKE: a run of so many steps with one loss of twice the others, without times.
trace() {
  awk -v n="$1" -v at="$2" 'BEGIN {
    print "{\"v\":1,\"type\":\"run\",\"segment\":0,\"run\":\"made\"}"
    for (i = 1; i <= n; i++) {
      loss = 3 + 0.01 * sin(2.1 * i) + (i == at ? 4 : 0)
      norm = 1 + 0.02 * cos(1.3 * i) + (i == at - 2 || i == at ? 20 : 0)
      printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"grad_norm\":%.6f,\"tokens_per_s\":500,\"skipped\":false}\n", i, i * 1000, i * 10, loss, norm
    }
  }'
}

@test "the table has peak, recovery, lead, samples and what it cost" {
  trace 1500 1200 > one.jsonl
  run --separate-stderr "$BIN/gradstat" spikes --cost-per-hour 36 one.jsonl
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == *"peak loss"*"at"*"recovered"*"lead"*"tokens"*"cost"*"samples" ]]
  # Three steps of 1000 tokens at 500 a second and 36 an hour.
  [[ "${lines[1]}" =~ 1\ +1200\ +1\ recoverable.*\ 1200\ .*\ 1201\ +2\ +3K\ +0.06\ +11970:12000 ]]
  run --separate-stderr "$BIN/gradstat" spikes one.jsonl
  [[ "${lines[0]}" != *"cost"* ]]
  run -2 "$BIN/gradstat" spikes --cost-per-hour -1 one.jsonl
}

@test "the price in the trace goes before the option" {
  sed '1s/"cost_per_hour":[0-9.]*/"cost_per_hour":7200/' "$traces/incidents.jsonl" > priced.jsonl
  grep -q '"cost_per_hour":7200}' priced.jsonl
  run --separate-stderr "$BIN/gradstat" spikes --json --cost-per-hour 1 priced.jsonl
  [[ "${lines[0]}" == *'"seconds":0.75,"cost":1.5,'* ]]
  sed '1s/,"cost_per_hour":7200//' priced.jsonl > free.jsonl
  run --separate-stderr "$BIN/gradstat" spikes --json free.jsonl
  [[ "${lines[0]}" != *'"cost"'* ]]
}

@test "--scores tells what the rules of others say, and the rollback passes it over" {
  trace 1500 1200 > one.jsonl
  run --separate-stderr "$BIN/gradstat" spikes --scores one.jsonl
  [[ "$output" == *"OLMo 2, 7 deviations of 1000 values        loss  0.2 % (1 of 500)"* ]]
  [[ "$output" == *"norm  0.4 % (2 of 500)"* ]]
  [[ "$output" == *"OLMo-core, 6 deviations of 128 values      both  2 of 1372 steps"* ]]
  [[ "$output" == *"llm.c, z above 6 in a ring of 128          loss  1 of 1372, largest 11.27"* ]]
  [[ "$output" == *"a jump to 2 times within 100 steps         loss  1 jumps, 1 steps, largest 2.343"* ]]
  run --separate-stderr "$BIN/gradstat" spikes --json --scores one.jsonl
  [ "${#lines[@]}" -eq 2 ]
  [[ "${lines[1]}" == '{"v":1,"type":"scores","steps":1500,"olmo2_loss":{"tested":500,"spikes":1,"percent":0.2,'* ]]
  mkdir run
  cp one.jsonl run/trace.jsonl
  # Past the scores the rollback asks for a checkpoint, of which there is none.
  run --separate-stderr bash -c '"$BIN/gradstat" spikes --json --scores run | "$BIN/ckpt" rollback run - --before-incident 7 --reason r -n'
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"no incident '7'"*"1 (step 1198)"* ]]
}

@test "every parameter of both laws is an option with a range" {
  run -0 "$BIN/gradstat" spikes --onset-sigmas 1e3 --onset-ratio 100 --detector-sigmas 1000 "$traces/incidents.jsonl"
  [[ "$output" != *"recoverable   loss"* ]]
  run -0 "$BIN/gradstat" spikes --minimum 100 "$traces/incidents.jsonl"
  [[ "${lines[1]}" == *" - "*"loss+norm"* ]]
  run -0 "$BIN/gradstat" spikes --detector-minimum 100 "$traces/incidents.jsonl"
  [[ "${lines[1]}" == *"1 recoverable   hindsight"* ]]
  run -7 "$BIN/gradstat" spikes --fail-on onset --detector-minimum 128 --detector-sigmas 100 "$traces/clean.jsonl"
  BALLAST_DETECTOR_MINIMUM=100 run -0 "$BIN/gradstat" spikes "$traces/incidents.jsonl"
  [[ "${lines[1]}" == *"hindsight"* ]]
  for wrong in "--window 1" "--minimum 501" "--recent 501" "--onset-votes 4" "--settle-begin 1000" "--mad-floor 2" \
    "--divergent-share -1" "--detector-window 5000" "--detector-minimum 129" "--detector-sigmas nan" "--detector-persistent-limit 0" "--lead-span -1"; do
    # shellcheck disable=SC2086
    run --separate-stderr "$BIN/gradstat" spikes $wrong "$traces/clean.jsonl"
    [ "$status" -eq 2 ] || { echo "$wrong: $status"; return 1; }
    [[ "$stderr" == *"${wrong%% *}"* ]]
  done
}

@test "a spike on its way back is not persistent unless the count alone decides" {
  awk 'BEGIN { for (n = 1; n <= 700; ++n)
    printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"grad_norm\":1,\"skipped\":false}\n",
      n, n, n, 2 + 0.02 * sin(7 * n) + (n > 200 ? 2 * exp((200 - n) / 80) : 0) }' > slow.jsonl
  run -0 "$BIN/gradstat" spikes --fail-on persistent slow.jsonl
  [[ "$output" == *"recoverable"* ]]
  [[ "$output" != *"persistent"* ]]
  run -1 "$BIN/gradstat" spikes --fail-on persistent --detector-persistent-limit 50 slow.jsonl
  [[ "$output" == *"persistent"* ]]
}

@test "--diagnose says what speaks for a cause, and undetermined where that is little" {
  run --separate-stderr "$BIN/gradstat" spikes --diagnose "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"#1 at step 91: undetermined (heaviest: rare tokens, 0.25)"* ]]
  [[ "$output" == *"rare tokens     0.25 + step 90: the norm is 19.7, one step before"* ]]
  [[ "$output" == *"not recorded: "*"v_norm, update_rms, beta2 (stale beta2)"* ]]
  run --separate-stderr "$BIN/gradstat" spikes "$traces/incidents.jsonl"
  [[ "$output" != *"undetermined"* ]]
}

@test "--diagnose finds an injected fault and other bits, also as JSON that the rollback takes" {
  inject='{"v":1,"type":"event","time":"2026-01-01T00:00:00.000000Z","segment":0,"step":90,"event":"inject","reason":"spike@90:x=30"}'
  bits='{"v":1,"type":"event","time":"2026-01-01T00:00:00.000000Z","segment":0,"step":130,"event":"hardware","reason":"a rerun of the step gave other bits","rank":2,"host":"n7"}'
  { head -89 "$traces/incidents.jsonl"; echo "$inject"; tail -n +90 "$traces/incidents.jsonl"; echo "$bits"; } > told.jsonl
  run --separate-stderr "$BIN/gradstat" spikes --diagnose told.jsonl
  [[ "$output" == *"#1 at step 91: injected fault (0.95)"* ]]
  [[ "$output" == *"#2 at step 130: hardware (0.95)"* ]]
  [[ "$output" == *'+ step 130: a rerun of the step gave other bits rank 2 host "n7"'* ]]
  run --separate-stderr "$BIN/gradstat" spikes --diagnose --json told.jsonl
  [ "${#lines[@]}" -eq 2 ]
  [[ "${lines[0]}" == *'"diagnosis":{"cause":"injected","weight":0.95'* ]]
  [[ "${lines[1]}" == *'"diagnosis":{"cause":"hardware",'*'"evidence":[{"kind":"for","text":"step 130: '* ]]
  mkdir run
  cp told.jsonl run/trace.jsonl
  run --separate-stderr bash -c '"$BIN/gradstat" spikes --diagnose --json run | "$BIN/ckpt" rollback run - --before-incident 7 --reason r -n'
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"no incident '7'"*"2 (step 130)"* ]]
}
