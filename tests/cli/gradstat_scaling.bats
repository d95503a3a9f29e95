#!/usr/bin/env bats
# gradstat scaling: laws, points and costs of runs of several sizes, from tables and from traces.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  golden="$SRC/tests/golden/stats/scaling_fit.json"
  scaling() { "$BIN/gradstat" scaling "$@"; }
}

# trace NAME PARAMETERS STEPS LOSS LAST_RATE [EVERY]: a run of that many steps of 1000 tokens whose rate falls to
# LAST_RATE in its last step, with an evaluation every EVERY steps.
trace() {
  awk -v name="$1" -v parameters="$2" -v steps="$3" -v loss="$4" -v last="$5" -v every="${6:-0}" 'BEGIN {
    at = "\"time\":\"2026-01-01T00:00:00.000000Z\",\"segment\":0"
    printf "{\"v\":1,\"type\":\"run\",%s,\"run\":\"%s\",\"model\":\"x\",\"ranks\":1,\"parameters\":%d,\"total_tokens\":%d}\n",
      at, name, parameters, steps * 1000
    for (i = 1; i <= steps; i++) {
      rate = i < steps - 2 ? 1 : last
      printf "{\"v\":1,\"type\":\"step\",%s,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":%.6f,\"lr\":%.6f,\"skipped\":false}\n",
        at, i, i * 1000, i, loss, rate
      if (every > 0 && i % every == 0)
        printf "{\"v\":1,\"type\":\"eval\",%s,\"step\":%d,\"tokens\":%d,\"set\":\"val\",\"loss\":%.6f}\n",
          at, i, i * 1000, loss + 1 / i
    }
  }' > "$1.jsonl"
}

@test "the fit of a table is what SciPy finds, from CSV, TSV and JSON Lines alike" {
  jq -r '"N,D,Loss", (.points[] | map(tostring) | join(","))' "$golden" > runs.csv
  jq -r '"parameters\ttokens\tfinal_loss", (.points[] | map(tostring) | join("\t"))' "$golden" > runs.tsv
  jq -c '.points[] | {params: .[0], tokens: .[1], loss: .[2]}' "$golden" > runs.jsonl
  scaling fit --bootstrap 0 --json runs.csv > fit.json
  jq -e --slurpfile g "$golden" '(.alpha.value - $g[0].fit.alpha | fabs) < 1e-5 and (.beta.value - $g[0].fit.beta | fabs) < 1e-5 and
    (.E.value / ($g[0].fit.e | exp) - 1 | fabs) < 1e-5 and (.objective / $g[0].objective - 1 | fabs) < 1e-6 and
    .runs == 45 and .starts == 4500 and (.alpha | has("low") | not)' fit.json
  scaling fit --bootstrap 0 --json runs.tsv | cmp - fit.json
  scaling fit --bootstrap 0 --json - < runs.jsonl | cmp - fit.json
  scaling fit --bootstrap 0 --json -j1 runs.csv | cmp - fit.json
}

@test "intervals follow the seed, hold the truth, and budgets are split" {
  jq -r '"n,d,loss", (.points[] | map(tostring) | join(","))' "$golden" > runs.csv
  scaling fit --bootstrap 200 --seed 3 --budget 1e21,5.76e23 --json runs.csv > a
  scaling fit --bootstrap 200 --seed 3 --budget 1e21,5.76e23 --json -j1 runs.csv | cmp - a
  scaling fit --bootstrap 200 --seed 4 --budget 1e21,5.76e23 --json runs.csv > b
  run ! cmp -s a b
  jq -e '.alpha.low < 0.3478 and .alpha.high > 0.3478 and .beta.low < 0.3658 and .beta.high > 0.3658 and
    .bootstrap == 200 and .bootstrap_converged > 190' a
  jq -e '.budgets | length == 2 and .[0].parameters.low < 2.778e9 and .[0].parameters.high > 2.778e9 and
    .[1].tokens.low < 1.329e12 and .[1].tokens.high > 1.329e12' a
  run --separate-stderr scaling fit --bootstrap 200 --seed 3 --budget 1e21 runs.csv
  [ "$status" -eq 0 ]
  [[ "$output" == *"law        L = 1.82"* ]]
  [[ "$output" == *"C 1e+21:  N 2."*"tokens per parameter"* ]]
  # Too few samples for 2.5 % tails give no interval.
  run --separate-stderr scaling fit --bootstrap 20 runs.csv
  [[ "$output" == *"too few for intervals"* ]]
}

@test "traces count when they were cooled down, and what is left out is named" {
  i=0
  for n in 1000000 2000000 4000000; do
    for steps in 40 80 160; do
      i=$((i + 1))
      trace "r$i" $n $steps "$(awk -v n=$n -v d=$((steps * 1000)) 'BEGIN { print 1.8 + 400 / n ^ 0.35 + 40 / d ^ 0.3 }')" 0.05
    done
  done
  trace hot 8000000 40 3 1
  head -n 30 r1.jsonl > stopped.jsonl
  sed 's/,"parameters":[0-9]*//' r1.jsonl > nameless.jsonl
  sed 's/,"lr":[0-9.]*//' r1.jsonl > rateless.jsonl
  scaling fit --bootstrap 0 --json r?.jsonl hot.jsonl stopped.jsonl nameless.jsonl rateless.jsonl > fit.json
  jq -e '.runs == 9 and (.alpha.value - 0.35 | fabs) < 1e-3 and (.beta.value - 0.3 | fabs) < 1e-3' fit.json
  jq -e '.left_out | map(.name + ": " + .why) | sort | join("\n") |
    contains("hot.jsonl, ends at 100 % of its peak rate): not cooled") and
    contains("stopped at 29000 of 40000 tokens): not cooled") and
    contains("nameless.jsonl: does not say how many parameters") and
    contains("rateless.jsonl: logs no learning rate")' fit.json
  [ "$(scaling fit --bootstrap 0 --assume-cooled --json r[2-9].jsonl rateless.jsonl | jq .runs)" -eq 9 ]
  run --separate-stderr scaling fit r1.jsonl hot.jsonl
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"left out hot.jsonl"* ]]
}

@test "points show cooled ends beside checkpoints at a constant rate, and the envelope" {
  trace a 1000000 40 3 0 10
  scaling points --json a.jsonl > points
  jq -s -e 'map([.tokens, .cooled, .envelope]) == [[10000, false, true], [20000, false, true], [30000, false, true],
    [40000, true, true]] and .[3].flops == 6 * 1e6 * 40000 and (.[3].loss - 3.025 | fabs) < 1e-9' points
  printf 'run\tn\td\tloss\tcooled\na\t1M\t1M\t3.4\tno\na\t1M\t1M\t3.3\tyes\nb\t2M\t1M\t3.35\tyes\n' > table.tsv
  run --separate-stderr scaling points table.tsv
  [ "$status" -eq 0 ]
  [[ "$output" == *"3.3000* cooled     0.1000  a"* ]]
  [[ "$output" == *"3.3500  cooled          -  b"* ]]
  # Compute by shape where all are known: preset or columns.
  printf 'n,d,loss,vocab,hidden,layers,heads,ffw,seq_len\n1e6,8,3,11,10,3,2,7,4\n' > shape.csv
  jq -e '.flops_by == "shape" and .flops == 3 * 2 * (2 * 880 + 3 * (6*4*10*10 + 4*16*10 + 3*2*16 + 2*4*10*10 + 6*4*10*7))' \
    <(scaling points --json shape.csv)
}

@test "savings of branching are counted" {
  scaling savings --json --horizons 10B,20B,40B --cooldown 10% > out
  jq -s -e '.[-1].total and .[-1].separate == 70e9 and .[-1].branched == 43e9' out
  printf 'n,d\n1B,10B\n1B,20B\n2B,20B\n' > runs.csv
  scaling savings --json runs.csv > out
  jq -s -e 'map(.separate) == [180e18, 240e18, 420e18] and (map(.branched / 1e18 | round) == [132, 240, 372])' out
  run --separate-stderr scaling savings runs.csv
  [[ "$output" == *"total"*"11.4 %"* ]]
  run --separate-stderr scaling savings --horizons 10B runs.csv
  [ "$status" -eq 2 ]
}

@test "the best rate against size has a law and an interval" {
  awk 'BEGIN { for (n = 1e7; n < 1e10; n *= 10) for (k = -2; k <= 2; k++)
    printf "{\"n\":%g,\"lr\":%.12g,\"loss\":%.12g}\n", n, 3e-3 * (n / 1e7) ^ -0.25 * 2 ^ k, 3 + 0.05 * (k + 0.3) ^ 2 }' > sweep.jsonl
  scaling lr --json --parameters 10B sweep.jsonl > out
  jq -e '(.exponent + 0.25 | fabs) < 1e-6 and (.sizes | length) == 3 and .exponent_low <= .exponent and .exponent <= .exponent_high and
    (.at[0].lr / (3e-3 * pow(2; -0.3) * pow(1000; -0.25)) - 1 | fabs) < 1e-5' out
  # A diverged run and a sweep without a turn are left out by name.
  echo '{"n":1e11,"lr":1,"loss":"NaN"}' >> sweep.jsonl
  for rate in 1 2 3; do echo "{\"n\":1e12,\"lr\":$rate,\"loss\":$rate}"; done >> sweep.jsonl
  run --separate-stderr scaling lr sweep.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"sweep.jsonl:16: no finite loss: it diverged"* ]]
  [[ "$output" == *"1T parameters: the best rate 1 is at an end of the sweep"* ]]
  head -n 10 sweep.jsonl > two.jsonl
  run --separate-stderr scaling lr two.jsonl
  [ "$status" -eq 7 ]
}

@test "pictures come from gnuplot, charts go to the terminal" {
  jq -r '"n,d,loss", (.points[] | map(tostring) | join(","))' "$golden" > runs.csv
  run --separate-stderr scaling points --plot runs.csv
  [ "$status" -eq 0 ]
  [[ "$output" == *"loss envelope over compute"* ]]
  command -v gnuplot > /dev/null || skip "no gnuplot"
  scaling points -o points.svg runs.csv
  grep -q 'loss envelope over compute' points.svg
  scaling fit --bootstrap 0 -o fit.png runs.csv
  [ "$(head -c 4 fit.png | tail -c 3)" = PNG ]
}

@test "what is wrong with a table is said with its place" {
  refused() {
    run --separate-stderr scaling "${@:3}"
    [ "$status" -eq "$1" ]
    [[ "$stderr" == *"$2"* ]]
  }
  printf 'n,d,loss\n1,2,3\n1,two,3\n' > bad.csv
  refused 3 "'two' is no number: bad.csv:3" fit bad.csv
  printf 'n,d,loss\n1,2\n' > short.csv
  refused 3 "short.csv:2" fit short.csv
  printf 'n,d\n1,2\n' > lossless.csv
  refused 2 "no column 'loss'" fit lossless.csv
  printf 'n,params,d,loss\n1,1,2,3\n' > twice.csv
  refused 2 "two columns for 'params'" fit twice.csv
  : > empty.csv
  refused 7 "empty" fit empty.csv
  refused 3 "nowhere.csv" fit nowhere.csv
  refused 2 "no runs" fit
  refused 2 "--budget" points --budget 1e21 bad.csv
  refused 2 "--cooldown" savings --horizons 10B --cooldown 100%
  refused 2 "--horizons" savings --horizons ten
}
