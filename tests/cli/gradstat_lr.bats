#!/usr/bin/env bats
# gradstat lr: schedules are the law that trains; their bound; extensions that pretrain reads.

load ../support/training

setup_file() {
  bats_require_minimum_version 1.5.0
  make_lab
}

setup() {
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
  lr() { "$BIN/gradstat" lr "$@"; }
}

@test "values are those that pretrain logged, bit for bit" {
  train --run run --steps 40 --schedule wsd:warmup=5steps,cooldown=25%
  "$BIN/gradstat" lr values run --points 0 --json | jq -c '[.step, .lr]' > said
  jq -c 'select(.type == "step") | [.step, .lr]' run/trace.jsonl > logged
  [ "$(wc -l < said)" -eq 40 ]
  cmp said logged
}

@test "values of several schedules, as a table and in the terminal" {
  run --separate-stderr lr values --steps 100 --points 3 --lr 2 --schedule constant:warmup=0 --schedule linear:warmup=0
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 4 ]
  [[ "${lines[0]}" == *"constant:warmup=0"*"linear:warmup=0" ]]
  [ "$(awk '{ print $1, $3, $4 }' <<< "${lines[3]}")" = "100 2 0.02" ]
  run --separate-stderr lr values --steps 100 --plot --schedule cosine
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "learning rate: multiple of the peak over step" ]]
  LC_ALL=C.UTF-8
  for line in "${lines[@]}"; do [ "${#line}" -le 80 ]; done
}

@test "the bound has the paper's values" {
  lr bound --steps 400 --json --schedule constant:warmup=0 --schedule wsd:warmup=0,cooldown=80,shape=linear > out
  jq -s -e '(.[0].best_lr * 1e9 | round) == 18175895 and .[0].schedule == "constant:warmup=0"' out
  jq -s -e '.[1] | (.best_lr * 1e9 | round) == 25373661 and
    (.best_bound * 1e9 | round) == 109323012 and .norm == 1 and .steps == 400' out
  # Twice the distance: twice the rate and bound. Twice the norm: half the rate, twice the bound.
  lr bound --steps 400 --json --schedule constant:warmup=0 --distance 2 > far
  jq -e '(.best_lr * 1e8 | round) == 3635179 and (.best_bound * 1e8 | round) == 27508962' far
  lr bound --steps 400 --json --schedule constant:warmup=0 --norm 2 > steep
  jq -e '(.best_lr * 1e9 | round) == 9087948 and (.best_bound * 1e8 | round) == 27508962' steep
}

@test "the curve of the bound drops in the cooldown" {
  lr bound --steps 400 --points 0 --json --schedule wsd:warmup=0,cooldown=80,shape=linear > out
  jq -e '[.curve[] | select(.[0] == 320 or .[0] == 360 or .[0] == 400) | .[1] * 1e6 | round] == [154751, 131946, 109323]' out
}

@test "the bound takes the rates and norms of a trace" {
  run --separate-stderr lr bound "$traces/clean.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"logged, steps 1 to 120"* ]]
  lr bound --json "$traces/clean.jsonl" > out
  jq -e '.schedule == "logged" and .norm == "logged" and .steps == 120 and .lr == 0.001' out
  # Another schedule over the same norms; the run is longer than its log.
  run --separate-stderr lr bound --schedule wsd "$traces/clean.jsonl"
  [[ "$output" == *"from there on the median of the last tenth"* ]]
  run --separate-stderr lr bound --norm 2 "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--norm"* ]]
  # A log that does not name its batch: 120 steps of 4096 tokens.
  sed 's/"total_tokens":[0-9]*,"batch_tokens":[0-9]*,//' "$traces/clean.jsonl" > foreign.jsonl
  lr bound --json --schedule constant foreign.jsonl > out
  jq -e '.steps == 120' out
  grep -v '"type":"step"' "$traces/clean.jsonl" > empty.jsonl
  run --separate-stderr lr bound empty.jsonl
  [ "$status" -eq 7 ]
  sed 's/"grad_norm":[^,]*,//' "$traces/clean.jsonl" > bare.jsonl
  run --separate-stderr lr bound bare.jsonl
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"no gradient norms"* ]]
}

@test "a rate is transferred between schedules and lengths" {
  run --separate-stderr lr transfer --steps 400 --lr 1e-3 --schedule cosine:warmup=0,final=0 \
    --schedule wsd:warmup=0,cooldown=80,shape=linear
  [ "$status" -eq 0 ]
  [[ "$output" == *"factor  0.526"* ]]
  [[ "$output" == *"rate    0.000526,"* ]]
  lr transfer --json --steps 4000 --to-steps 8000 --schedule wsd:warmup=0,shape=linear > out
  jq -e '(.factor * 10000 | round) == 7078' out
  run --separate-stderr lr transfer --steps 400 --schedule wsd
  [ "$status" -eq 2 ]
}

@test "extensions have the paper's values, and the gain is said plainly" {
  finished=(--steps 4000 --schedule wsd:warmup=0,cooldown=20%,shape=linear --transition 0)
  grid() { lr extend "${finished[@]}" --to-steps "$1" --way "$2" --json | jq .note.grid; }
  [ "$(grid 6000 two-stage)" = 0.625 ]
  [ "$(grid 8000 two-stage)" = 0.525 ]
  [ "$(grid 16000 two-stage)" = 0.375 ]
  [ "$(grid 6000 cooldown)" = 0.4375 ]
  [ "$(grid 8000 cooldown)" = 0.634375 ]
  run --separate-stderr lr extend "${finished[@]}" --to-steps 16000
  [ "$status" -eq 0 ]
  [[ "$output" == *"longer cooldown: share     nothing within reach"* ]]
  [[ "$output" == *"0.006 to 0.022 nats"* ]]
  run --separate-stderr lr extend "${finished[@]}" --to-steps 16000 --way cooldown --json
  [ "$status" -eq 7 ]
  [ -z "$output" ]
  run --separate-stderr lr extend --steps 100 --to-steps 200 --schedule cosine
  [ "$status" -eq 2 ]
  run --separate-stderr lr extend --steps 100 --to-steps 90 --schedule wsd
  [ "$status" -eq 2 ]
}

@test "pretrain branches off a finished run with the extension's file, and follows it" {
  train --run old --steps 40 --schedule wsd:warmup=5steps,cooldown=25% --keep last=9
  "$BIN/gradstat" lr extend old --to-steps 80 --transition 2steps --json -o longer.json
  [ "$(jq '.note.branch_at_or_before / 1024' longer.json)" = 30 ]
  train --run new --branch old@30 --steps 80 --schedule file:longer.json
  "$BIN/gradstat" lr values --schedule file:longer.json --batch-tokens 1024 --steps 80 --lr 3e-3 --points 0 --json |
    jq -c 'select(.step > 30) | [.step, .lr]' > said
  jq -c 'select(.type == "step") | [.step, .lr]' new/trace.jsonl > logged
  cmp said logged
  # The rate it kept is the old run's, and what follows is rho of it.
  jq -e '.note.rho as $rho | .points | map(select(.[0] == 40 * 1024 or .[0] == 32 * 1024)) | length >= 1 and .[0][1] == $rho' longer.json
  [ "$("$BIN/pretrain" plan --config /dev/null --model "$BATS_FILE_TMPDIR/lab/config.json" --data "$BATS_FILE_TMPDIR/lab/train" \
    --batch-tokens 1024 --seq-len 128 --micro-batch 4 --lr 3e-3 --steps 80 --schedule file:longer.json --json | jq -r .schedule | cut -c1-12)" = file:points= ]
}

@test "pictures come from gnuplot" {
  command -v gnuplot > /dev/null || skip "no gnuplot"
  lr values --steps 100 -o v.svg --schedule "wsd:cooldown=20%" --schedule cosine
  grep -q 'wsd:cooldown=20%' v.svg
  lr bound --steps 100 -o b.png --schedule wsd
  [ "$(head -c 4 b.png | tail -c 3)" = PNG ]
  lr extend --steps 100 --to-steps 200 -o e.svg
  grep -q 'finished run' e.svg
  run --separate-stderr lr values --steps 100 --json -o w.svg
  [ "$status" -eq 2 ]
  [ ! -e w.svg ]
}

@test "a log of another trainer is read as it is told" {
  awk 'BEGIN { print "a,b,rate,g"; for (n = 1; n <= 40; ++n) printf "%d,3,%.6g,0.5\n", n, 0.001 * (n < 10 ? n / 10 : 1) }' > log.csv
  known=(--log-format table --map step=a --map loss=b --map lr=rate --map grad_norm=g --tokens-per-step 100)
  run --separate-stderr lr bound log.csv "${known[@]}"
  [ "$status" -eq 0 ]
  [[ "$output" == *"logged"* ]]
  run --separate-stderr lr values log.csv --schedule constant --json "${known[@]}"
  [ "$status" -eq 0 ]
  [[ "$output" == *'"step":40,"tokens":3900,'* ]]
  run --separate-stderr lr values --steps 100 --map lr=rate
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--map"*"name a trace"* ]]
}

@test "what does not belong together is refused by name" {
  refused() {
    run --separate-stderr lr "${@:2}"
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"$1"* ]]
  }
  refused "--steps" values --schedule wsd
  refused "exclude" values --steps 100 --tokens 100
  refused "--way" values --steps 100 --way cooldown
  refused "--distance" extend --steps 100 --to-steps 200 --distance 2
  refused "--to-steps" bound --steps 100 --to-steps 200
  refused "--batch-tokens" bound --tokens 100B
  refused "--transition" extend --steps 100 --to-steps 200 --transition lots
  refused "--transition" extend --steps 100 --to-steps 110 --transition 50steps
  refused "polynomial" values --steps 100 --schedule polynomial
  refused "fly" fly --steps 100
}
