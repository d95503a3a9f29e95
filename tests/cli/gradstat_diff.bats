#!/usr/bin/env bats
# gradstat diff: two runs beside each other.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
}

# made STEPS TOKENS-PER-STEP SECONDS-PER-STEP LOSS [RUN-KEYS]: loss as an expression of x, the tokens.
made() {
  echo "{\"v\":1,\"type\":\"run\",\"time\":\"2025-01-01T00:00:00.000000Z\",\"segment\":0,\"run\":\"made\",\"version\":\"1\",\"ranks\":1${5:-}}"
  awk -v n="$1" -v per="$2" -v sec="$3" 'BEGIN {
      for (i = 1; i <= n; i++) {
        x = i * per
        t = i * sec
        printf "{\"v\":1,\"type\":\"step\",\"time\":\"2025-01-01T%02d:%02d:%02d.000000Z\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"grad_norm\":0.5,\"skipped\":false}\n", int(t / 3600), int(t / 60) % 60, t % 60, i, x, i, '"$4"'
      }
    }'
}

@test "a run is equal to itself, bit for bit" {
  run --separate-stderr "$BIN/gradstat" diff --fail-on difference "$traces/clean.jsonl" "$traces/clean.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"losses and norms of all 120 common steps, 1 to 120, are equal"* ]]
  [[ "$output" != *"setting "* ]]
}

@test "the first step that differs by a last bit is named" {
  made 300 1000 1 '3 - x / 1000000' > a.jsonl
  sed 's/"step":171,\(.*\)"grad_norm":0.5/"step":171,\1"grad_norm":0.5000000000000001/; s/"step":200,\(.*\)"loss":2.800000/"step":200,\1"loss":2.8000000000000003/' a.jsonl > b.jsonl
  run --separate-stderr "$BIN/gradstat" diff --json a.jsonl b.jsonl
  [ "$status" -eq 0 ]
  jq -e '.first_difference == {"step":171,"field":"grad_norm","a":0.5,"b":0.5000000000000001}
    and .different_steps == 2 and (.same_bits | not) and .settings == {}' <<< "$output"
  run --separate-stderr "$BIN/gradstat" diff --fail-on difference a.jsonl b.jsonl
  [ "$status" -eq 1 ]
  [[ "$output" == *"first different at step 171: norm 0.5 and 0.5000000000000001; 2 of 300 common steps differ"* ]]
}

@test "a shorter run may be equal, a hole may not" {
  made 300 1000 1 '3 - x / 1000000' > a.jsonl
  head -201 a.jsonl > short.jsonl
  "$BIN/gradstat" diff --fail-on difference a.jsonl short.jsonl
  sed '100d' a.jsonl > hole.jsonl
  run --separate-stderr "$BIN/gradstat" diff --fail-on difference a.jsonl hole.jsonl
  [ "$status" -eq 1 ]
  [[ "$output" == *"1 steps between 1 and 300 are in A alone, 0 in B alone"* ]]
}

# B needs 0.8 of A's tokens to any loss, and 0.4 of its time.
@test "tokens and time to equal loss give the speed-up" {
  made 1000 1000 2 '3 - x / 1000000' > a.jsonl
  made 2000 500 0.5 '3 - x / 800000' > b.jsonl
  run --separate-stderr "$BIN/gradstat" diff --smooth 1 --json a.jsonl b.jsonl
  [ "$status" -eq 0 ]
  jq -e '.by == "tokens" and (.equal_loss | length) == 8
    and all(.equal_loss[]; .speed_up > 1.249 and .speed_up < 1.251)
    and .equal_loss[-1].seconds_a / .equal_loss[-1].seconds_b > 2.45
    and .equal_loss[-1].seconds_a / .equal_loss[-1].seconds_b < 2.55' <<< "$output"
  # The last tenth of what is common: tokens 0.9M to 1M, where B is 0.25e-6 a token lower.
  jq -e '.difference < -0.23 and .difference > -0.25' <<< "$output"
  run --separate-stderr "$BIN/gradstat" diff --by step --smooth 1 --json a.jsonl b.jsonl
  jq -e '.by == "steps" and all(.equal_loss[]; .speed_up < 0.626 and .speed_up > 0.624)' <<< "$output"
}

@test "settings that differ are listed" {
  made 100 1000 1 '3 - x / 1000000' ',"clip":"fixed:c=1","seed":1,"note":"x"' > a.jsonl
  made 100 1000 1 '3 - x / 1000000' ',"clip":"zclip:z=2.5","seed":1' > b.jsonl
  run --separate-stderr "$BIN/gradstat" diff a.jsonl b.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"setting   clip: fixed:c=1 | zclip:z=2.5"* ]]
  [[ "$output" == *"setting   note: x | not recorded"* ]]
  [[ "$output" != *"seed"* ]]
}

@test "a trace without tokens is aligned by steps, and --by tokens refuses it" {
  made 100 1000 1 '3 - x / 1000000' > a.jsonl
  sed 's/"tokens":[0-9]*/"tokens":0/' a.jsonl > b.jsonl
  run --separate-stderr "$BIN/gradstat" diff --json a.jsonl b.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"aligned by steps"* ]]
  jq -e '.by == "steps"' <<< "$output"
  run --separate-stderr "$BIN/gradstat" diff --by tokens a.jsonl b.jsonl
  [ "$status" -eq 7 ]
}

@test "mistakes" {
  run --separate-stderr "$BIN/gradstat" diff "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" diff - -
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" diff --fail-on drift "$traces/clean.jsonl" "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" diff "$traces/clean.jsonl" nowhere.jsonl
  [ "$status" -eq 3 ]
}

@test "-o draws losses, difference and speed-up" {
  command -v gnuplot > /dev/null || skip "no gnuplot"
  made 300 1000 1 '3 - x / 1000000' > a.jsonl
  made 300 1000 1 '3 - x / 900000' > b.jsonl
  "$BIN/gradstat" diff -o d.svg a.jsonl b.jsonl
  grep -q 'B minus A' d.svg
  grep -q 'to equal loss' d.svg
}
