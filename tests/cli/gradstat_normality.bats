#!/usr/bin/env bats
# gradstat normality: tests, thinning, windows, pictures.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
}

# steps STEPS AWK-EXPRESSION: a trace whose norms are the expression of the step i; u() is uniform,
# g() normal, both from a generator written out here, so that every awk gives the same.
steps() {
  awk -v n="$1" 'function u() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
    function g() { return sqrt(-2 * log(u())) * cos(6.283185307 * u()) }
    BEGIN { seed = 4711; last = 0
      for (i = 1; i <= n; i++) {
        norm = '"$2"'
        printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":3,\"grad_norm\":%.6f,\"skipped\":false}\n", i, i * 8, i, norm
      }
    }'
}

@test "lognormal norms: the norms fail, their logarithms pass" {
  steps 3200 'exp(0.5 * g())' > t.jsonl
  run --separate-stderr "$BIN/gradstat" normality --json t.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
  jq -es '.[0].from == 500 and .[0].to == 635 and .[0].values == 135 and .[0].thinning == 1
    and .[1].from == 3050
    and all(.[]; .norm.shapiro_wilk.p < 0.001 and .norm.anderson_darling.p < 0.001
      and .log_norm.shapiro_wilk.p > 0.05 and .log_norm.dagostino_k2.p > 0.05)' <<< "$output"
  [[ "$output" == *"the norms are not normal, skewed to the right; their logarithms may be"* ]]
}

@test "norms that depend on each other are thinned, and it is said how much" {
  steps 3000 '2 + 0.1 * (last = 0.8 * last + g())' > t.jsonl
  run --separate-stderr "$BIN/gradstat" normality --window 1-2001 --json t.jsonl
  [ "$status" -eq 0 ]
  jq -e '.autocorrelation > 0.7 and .autocorrelation_left < 0.3 and .thinning >= 5
    and .tested == ((.values + .thinning - 1) / .thinning | floor)' <<< "$output"
  run --separate-stderr "$BIN/gradstat" normality --window 1-2001 --thin 100 --json t.jsonl
  jq -e '.thinning == 100 and .tested == 20' <<< "$output"
}

@test "what the rounding of the log does is said" {
  steps 3000 'sprintf("%.1f", 2 + 0.08 * g())' > t.jsonl
  run --separate-stderr "$BIN/gradstat" normality --window 1-1001 t.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"the log rounds to 0.1 "*"are rejected in 100 % of samples"* ]]
}

@test "the text has both tests and plots, within the width, without colours" {
  steps 700 'exp(0.2 * g())' > t.jsonl
  COLUMNS=80 run --separate-stderr "$BIN/gradstat" normality t.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"steps 500 to 634: 135 norms"* ]]
  [[ "$output" != *"steps 3050"* ]]
  [[ "$output" == *"Shapiro-Wilk W"*"Jarque-Bera"*"█"*"Q-Q"* ]]
  [[ "$output" != *$'\x1b'* ]]
  LC_ALL=C.UTF-8
  for line in "${lines[@]}"; do [[ "$line" == "  - "* ]] || [ "${#line}" -le 80 ]; done
}

@test "a short trace is looked at in thirds, and too little is exit 7" {
  steps 120 'exp(0.2 * g())' > t.jsonl
  run --separate-stderr "$BIN/gradstat" normality --json t.jsonl
  [ "$status" -eq 0 ]
  [ "$(jq -s -c 'map([.from, .to])' <<< "$output")" = "[[1,41],[41,81],[81,121]]" ]
  run --separate-stderr "$BIN/gradstat" normality --window 1-6 t.jsonl
  [ "$status" -eq 7 ]
  [[ "$output" == *"too few"* ]]
  # A ramp: every norm depends on all others.
  steps 300 'i' > ramp.jsonl
  run --separate-stderr "$BIN/gradstat" normality --window 1-301 ramp.jsonl
  [ "$status" -eq 7 ]
  sed 's/"grad_norm":[0-9.]*,//' t.jsonl > without.jsonl
  run --separate-stderr "$BIN/gradstat" normality without.jsonl
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"no gradient norms"* ]]
}

@test "windows that are none are refused" {
  steps 120 'exp(0.2 * g())' > t.jsonl
  for word in 5 5- -5 9-3 a-b; do
    run --separate-stderr "$BIN/gradstat" normality "--window=$word" t.jsonl
    [ "$status" -eq 2 ]
  done
}

@test "-o draws histogram and Q-Q plot" {
  command -v gnuplot > /dev/null || skip "no gnuplot"
  steps 700 'exp(0.2 * g())' > t.jsonl
  "$BIN/gradstat" normality -o n.svg t.jsonl
  grep -q 'log norm' n.svg
  grep -q 'Q-Q' n.svg
  "$BIN/gradstat" normality -o n.png t.jsonl
  [ "$(head -c 4 n.png | tail -c 3)" = PNG ]
}
