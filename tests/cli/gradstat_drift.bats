#!/usr/bin/env bats
# gradstat drift: slow divergence, alone and against a reference.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
}

# made STEPS SEED LOSS [EVENT-STEP]
made() {
  awk -v n="$1" -v seed="$2" -v at="${4:-0}" 'function u() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
    function g() { return sqrt(-2 * log(u())) * cos(6.283185307 * u()) }
    BEGIN {
      for (i = 1; i <= n; i++) {
        if (i == at) printf "{\"v\":1,\"type\":\"event\",\"segment\":0,\"step\":%d,\"event\":\"precision\",\"reason\":\"fp8\"}\n", i
        printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"skipped\":false}\n", i, i * 1000, i, '"$3"' + 0.02 * g()
      }
    }'
}
healthy='2 + 6 * exp(-0.35 * log(i + 20))'

@test "a healthy run has no drift" {
  made 12000 7 "$healthy" > t.jsonl
  run --separate-stderr "$BIN/gradstat" drift --fail-on drift t.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"no drift: the loss does not rise beyond its noise"* ]]
  run --separate-stderr "$BIN/gradstat" drift --trend --fail-on drift t.jsonl
  [ "$status" -eq 0 ]
}

@test "a slow rise is drift: when it began and how large it is" {
  made 12000 7 "$healthy + (i > 8000 ? 0.1 * (i - 8000) / 4000 : 0)" > t.jsonl
  run --separate-stderr "$BIN/gradstat" drift --fail-on drift --json t.jsonl
  [ "$status" -eq 1 ]
  jq -e '.drift and .series == "loss" and .began_step > 7000 and .began_step < 9500
    and .alarms[0].step > 8000 and .alarms[0].step < 12000 and .end - .before > 0.05
    and .end - .before < 0.1 and .above_trend > 0.1 and .above_trend < 0.13
    and .above_trend_low < .above_trend and .above_trend_high > .above_trend and .cumulated > 0
    and (.segments | length) >= 2' <<< "$output"
  run --separate-stderr "$BIN/gradstat" drift t.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"drift   alarm at step "*"began   at step "*"change points"* ]]
}

@test "the FP8 lesson: the step at the switch is a jump, what follows later is drift" {
  made 12000 7 "$healthy + (i > 5000 ? 0.01 : 0)" 5001 > jump.jsonl
  run "$BIN/gradstat" drift --fail-on drift jump.jsonl
  [ "$status" -eq 0 ]
  made 12000 7 "$healthy" > bf16.jsonl
  made 12000 8 "$healthy + (i > 5000 ? 0.01 : 0) + (i > 8000 ? 0.06 * (i - 8000) / 4000 : 0)" 5001 > fp8.jsonl
  run --separate-stderr "$BIN/gradstat" drift --reference bf16.jsonl --fail-on drift --json fp8.jsonl
  [ "$status" -eq 1 ]
  jq -e '.series == "reference" and .began_step > 7000 and .began_step < 9500 and .end > 0.05' <<< "$output"
}

@test "the reference shows what a falling loss hides" {
  made 12000 7 "$healthy" > a.jsonl
  # Falls on, by less than it should.
  made 12000 8 "$healthy + (i > 6000 ? 0.03 * (i - 6000) / 6000 : 0)" > b.jsonl
  run "$BIN/gradstat" drift --fail-on drift b.jsonl
  [ "$status" -eq 0 ]
  run "$BIN/gradstat" drift --reference a.jsonl --fail-on drift b.jsonl
  [ "$status" -eq 1 ]
  run "$BIN/gradstat" drift --reference b.jsonl --fail-on drift a.jsonl
  [ "$status" -eq 0 ]
}

@test "--trend sees what falls too slowly, while the learning rate stays what it was" {
  made 12000 8 "$healthy + (i > 6000 ? 0.06 * (i - 6000) / 6000 : 0)" > b.jsonl
  run --separate-stderr "$BIN/gradstat" drift --trend --fail-on drift --json b.jsonl
  [ "$status" -eq 1 ]
  jq -e '.series == "trend" and .alarms[0].step > 6000' <<< "$output"
  sed 's/"step":\([0-9]*\),/"step":\1,"lr":0.\1,/' b.jsonl > falling-rate.jsonl
  run --separate-stderr "$BIN/gradstat" drift --trend falling-rate.jsonl
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"the learning rate is never the same"* ]]
}

@test "--least and --every move the limits" {
  made 12000 7 "$healthy + (i > 8000 ? 0.1 * (i - 8000) / 4000 : 0)" > t.jsonl
  run "$BIN/gradstat" drift --least 1 --fail-on drift t.jsonl
  [ "$status" -eq 0 ]
  loose=$("$BIN/gradstat" drift --every 10K --json t.jsonl | jq '.alarms[0].step')
  strict=$("$BIN/gradstat" drift --every 1000G --json t.jsonl | jq '.alarms[0].step')
  [ "$loose" -lt "$strict" ]
}

@test "too little for a verdict is exit 7, and mistakes are exit 2" {
  made 500 7 "$healthy" > short.jsonl
  run --separate-stderr "$BIN/gradstat" drift --fail-on drift short.jsonl
  [ "$status" -eq 7 ]
  [[ "$output" == *"too few values for a verdict (500 of 1024)"* ]]
  run --separate-stderr "$BIN/gradstat" drift --fail-on onset short.jsonl
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" drift --trend --reference short.jsonl short.jsonl
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" drift --every 0 short.jsonl
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" drift --reference nowhere.jsonl short.jsonl
  [ "$status" -eq 3 ]
}

@test "-o draws the curve" {
  command -v gnuplot > /dev/null || skip "no gnuplot"
  made 3000 7 "$healthy" > t.jsonl
  "$BIN/gradstat" drift -o d.svg t.jsonl
  grep -q '<svg' d.svg
}
