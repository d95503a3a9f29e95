#!/usr/bin/env bats
# gradstat events: what changed at each recorded event, against placebos.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
}

# made EVENTS LOSS NORM LR: 2000 steps; EVENTS are awk statements that print event records before
# step i, the others expressions of i.
made() {
  awk 'function u() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
    function g() { return sqrt(-2 * log(u())) * cos(6.283185307 * u()) }
    function event(name, why) { printf "{\"v\":1,\"type\":\"event\",\"segment\":0,\"step\":%d,\"event\":\"%s\",\"reason\":\"%s\"}\n", i, name, why }
    BEGIN { seed = 99
      for (i = 1; i <= 2000; i++) {
        '"$1"'
        printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.7f,\"lr\":%.8f,\"grad_norm\":%.6f,\"skipped\":false}\n", i, i * 1000, i, '"$2"' + 0.01 * g(), '"$4"', '"$3"' * exp(0.1 * g())
      }
    }'
}

@test "a jump, a bend and another norm are found where they are, and nothing elsewhere" {
  made 'if (i == 800) event("batch_size", "1K to 2K"); if (i == 1400) event("clip", "1.0 to 0.5")' \
    '(i < 800 ? 3 : 2.9) - 0.0002 * i' '(i < 800 ? 0.4 : 0.2)' 0.001 > t.jsonl
  run --separate-stderr "$BIN/gradstat" events --json t.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
  jq -es '.[0] | .step == 800 and .event == "batch_size" and .jump < -0.09 and .jump > -0.11
    and .jump_low < -0.1 and .jump_high > -0.1 and .jump_p < 0.01 and .norm_ratio > 0.45
    and .norm_ratio < 0.55 and .norm_p < 0.01 and .slope_p > 0.01 and .placebos > 100
    and .slope_per == "token" and .before.slope_low < -2e-7 and .before.slope_high > -2e-7' <<< "$output"
  jq -es '.[1] | .step == 1400 and .jump_p > 0.01 and .norm_p > 0.01' <<< "$output"
}

@test "the text names jump, slopes with intervals and the ratio of norms" {
  made 'if (i == 1000) event("lr", "raised")' '3 - 0.0002 * (i < 1000 ? i : 1000)' 0.4 0.001 > t.jsonl
  run --separate-stderr "$BIN/gradstat" events t.jsonl
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "step 1000: lr, raised" ]
  [[ "${lines[1]}" =~ ^"  loss   2."[78][0-9]+" to 2."[78][0-9]+", jump "[+-] ]]
  [[ "$output" == *"per 100K tokens, p 0.0"* ]]
  [[ "$output" == *"  norm   median 0."*"times "* ]]
  [[ "$output" == *"steps without an event that show as much"* ]]
}

@test "the start of the cooldown is seen in the learning rate" {
  made '' '3 - 0.0001 * i - (i > 1500 ? 0.0006 * (i - 1500) : 0)' 0.4 \
    '(i < 100 ? 0.00001 * i : i <= 1500 ? 0.001 : 0.001 * (2000 - i) / 500)' > t.jsonl
  run --separate-stderr "$BIN/gradstat" events --json t.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  jq -e '.step == 1501 and .event == "cooldown" and .after.slope < 3 * .before.slope and .slope_p < 0.01' <<< "$output"
}

@test "notes count with --marks, and windows end at the next event" {
  made 'if (i == 900) event("note", "tried something"); if (i == 950) event("data", "other source")' \
    '3 - 0.0002 * i' 0.4 0.001 > t.jsonl
  run --separate-stderr "$BIN/gradstat" events --json t.jsonl
  [ "${#lines[@]}" -eq 1 ]
  jq -e '.event == "data" and .before_values == 200' <<< "$output"
  run --separate-stderr "$BIN/gradstat" events --marks --json t.jsonl
  [ "${#lines[@]}" -eq 2 ]
  jq -es '.[0].event == "note" and .[0].after_values == 50 and .[1].before_values == 50' <<< "$output"
  run --separate-stderr "$BIN/gradstat" events --marks --window 100 --settle 10 --json t.jsonl
  jq -es '.[0].before_values == 100 and .[0].after_values == 40' <<< "$output"
}

@test "no event, and events with too little beside them" {
  made '' '3 - 0.0002 * i' 0.4 0.001 > t.jsonl
  run --separate-stderr "$BIN/gradstat" events t.jsonl
  [ "$status" -eq 0 ]
  [ "$output" = "no event in 2000 steps" ]
  made 'if (i == 5) event("phase", "web")' '3 - 0.0002 * i' 0.4 0.001 > early.jsonl
  run --separate-stderr "$BIN/gradstat" events early.jsonl
  [ "$status" -eq 7 ]
  [[ "$output" == *"too few losses beside it: 4 before and 200 after"* ]]
}

@test "events of abandoned branches are left out" {
  run --separate-stderr "$BIN/gradstat" events "$SRC/tests/golden/trace/v1/branches.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == "no event in 160 steps" ]]
}
