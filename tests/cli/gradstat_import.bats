#!/usr/bin/env bats
# gradstat on the logs of other trainers: import is a copy, and every verb reads the log itself.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  logs="$SRC/tests/golden/trace/foreign"
  for step in $(seq 0 199); do
    echo "s:$step trl:$((6 - step / 100)).$((1000 + step * 7 % 97)) lr:0.000600 norm:0.$((30 + step % 7))"
    [ $((step % 50)) -ne 0 ] || echo "s:$step tel:5.5000"
  done > main.log
}

@test "import then summary says what summary of the log says" {
  for log in main.log "$logs/pandas.csv" "$logs/pandas.tsv" "$logs/pandas.jsonl" "$logs/chart.csv" \
    "$logs/lightning.csv" "$logs/trainer_state.log" "$logs/torch" "$logs/tensorboard" \
    "$logs/mlflow" "$logs"/wandb/*; do
    run --separate-stderr "$BIN/gradstat" import "$log" -f -o trace.jsonl
    [ "$status" -eq 0 ]
    run --separate-stderr "$BIN/gradstat" summary --json "$log"
    [ "$status" -eq 0 ]
    of_log="$output"
    run --separate-stderr "$BIN/gradstat" summary --json trace.jsonl
    [ "$status" -eq 0 ]
    [ "$output" = "$of_log" ]
    [[ "$output" == *'"steps":'* ]]
    [[ "$output" != *'"steps":0,'* ]]
  done
}

@test "what the log was, and how much of it, stands on stderr" {
  run --separate-stderr "$BIN/gradstat" import main.log
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"main.log: llmc"* ]]
  [[ "$stderr" == *"200 steps; 4 evals; 1 segment"* ]]
  [ "$(grep -c '"type":"step"' <<< "$output")" -eq 200 ]
  run --separate-stderr "$BIN/gradstat" import -q main.log
  [ -z "$stderr" ]
}

@test "a summary says what the log says, and no more" {
  { cat main.log; echo "s:200 eval:0.3054"; } > scored.log
  run --separate-stderr "$BIN/gradstat" summary scored.log
  [ "$status" -eq 0 ]
  [[ "$output" == "run        not recorded"$'\n'* ]]
  [[ "$output" == *"eval       hellaswag: accuracy 0.3054 at step 200"* ]]
  run --separate-stderr "$BIN/gradstat" summary --json scored.log
  [ "$(jq -Sc .evals.hellaswag <<< "$output")" = '{"accuracy":0.3054,"step":200}' ]
}

@test "compressed logs, stdin and several files are one run" {
  head -n 100 main.log | gzip > a.gz
  tail -n +101 main.log | zstd -q > b.zst
  "$BIN/gradstat" import -q a.gz b.zst > two.jsonl
  "$BIN/gradstat" import -q - < main.log > one.jsonl
  [ "$(grep -c '"type":"run"' two.jsonl)" -eq 2 ]
  [ "$(grep -c '"type":"run"' one.jsonl)" -eq 1 ]
  sed 's/"segment":[01]/"segment":0/' two.jsonl | grep -v '"type":"run"' > two.rows
  grep -v '"type":"run"' one.jsonl > one.rows
  diff one.rows two.rows
}

@test "a log that is named twice is refused" {
  ln -s main.log link.log
  for again in main.log ./main.log link.log; do
    for verb in summary import spikes; do
      run --separate-stderr "$BIN/gradstat" "$verb" main.log "$again"
      [ "$status" -eq 2 ]
      [ -z "$output" ]
      [[ "$stderr" == "gradstat: error: input is named twice: $again"* ]]
    done
  done
  run --separate-stderr bash -c '"$BIN/gradstat" summary main.log - < main.log'
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"input is named twice: - (as main.log)"* ]]
  cp main.log copy.log
  "$BIN/gradstat" import -q main.log copy.log > two.jsonl
  "$BIN/gradstat" import -q <(cat main.log) <(cat main.log) | cmp - two.jsonl
}

@test "a restart abandons what lay behind it" {
  sed -n '1,120p' main.log > restarted.log
  grep -E '^s:(9[0-9]|1[0-9][0-9]) ' main.log >> restarted.log
  run --separate-stderr "$BIN/gradstat" summary --json restarted.log
  [ "$status" -eq 0 ]
  [[ "$output" == *'"segments":2,'* ]]
  [[ "$output" == *'"steps":200,'* ]]
  [[ "$output" != *'"abandoned":0,'* ]]
}

@test "tokens, marks and the place of the norm come from the command line" {
  "$BIN/gradstat" import -q --tokens-per-step 0.5M --mark "50M:batch doubled" --norm post main.log > t.jsonl
  grep -q '"step":0,"tokens":500000,' t.jsonl
  run grep '"event":"note"' t.jsonl
  [[ "$output" == *'"step":100,'*'"reason":"batch doubled"'* ]]
  run grep -c '"grad_norm":' t.jsonl
  [ "$output" -eq 0 ]
  [ "$(grep -c '"grad_norm_clipped":' t.jsonl)" -eq 200 ]
  run --separate-stderr "$BIN/gradstat" import --mark 9T:never --tokens-per-step 1 main.log
  [[ "$stderr" == *"1 marks could not be placed"* ]]
  run "$BIN/gradstat" import --tokens-per-step 0 main.log
  [ "$status" -eq 2 ]
  run "$BIN/gradstat" import --mark nothing main.log
  [ "$status" -eq 2 ]
  [[ "$output" == *"TOKENS:LABEL"* ]]
}

@test "a column is named with --map" {
  printf 'when,how bad,size\n1,5.0,1.5\n2,4.5,1.25\n' > odd.csv
  run "$BIN/gradstat" summary odd.csv
  [ "$status" -ne 0 ]
  run --separate-stderr "$BIN/gradstat" import -q --log-format table --map step=when \
    --map "loss=how bad" --map grad_norm=size odd.csv
  [ "$status" -eq 0 ]
  [[ "$output" == *'"step":2,'*'"loss":4.5,"grad_norm":1.25'* ]]
  run "$BIN/gradstat" import --map "loss=no such" odd.csv
  [ "$status" -eq 2 ]
}

@test "a verdict over windows of steps wants every step" {
  awk -F'[: ]' '$1 == "s" && $3 == "trl" && $2 % 10 == 0' main.log > sampled.log
  for verb in clip spikes; do
    extra=()
    [ "$verb" = clip ] && extra=(--clip fixed:1)
    run --separate-stderr "$BIN/gradstat" "$verb" "${extra[@]}" sampled.log
    [ "$status" -eq 7 ]
    [[ "$stderr" == *"one record in 10 steps"* ]]
    run --separate-stderr "$BIN/gradstat" "$verb" "${extra[@]}" --assume-per-step sampled.log
    [ "$status" -eq 0 ]
  done
  run --separate-stderr "$BIN/gradstat" summary sampled.log
  [ "$status" -eq 0 ]
  [[ "$output" == *"not looked for"* ]]
  run --separate-stderr "$BIN/gradstat" summary --fail-on nonfinite sampled.log
  [ "$status" -eq 7 ]
}

@test "what nobody knows, and what is said of our own traces, is refused" {
  echo "hello there" > text
  run "$BIN/gradstat" summary text
  [ "$status" -eq 3 ]
  [[ "$output" == *"no format that is known"* ]]
  run "$BIN/gradstat" summary --tokens-per-step 5 "$SRC/tests/golden/trace/v1/clean.jsonl"
  [ "$status" -eq 2 ]
  run "$BIN/gradstat" import main.log "$SRC/tests/golden/trace/v1/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$output" == *"cannot be one run"* ]]
}
