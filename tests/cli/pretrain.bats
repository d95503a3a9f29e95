#!/usr/bin/env bats
# pretrain from the shell: requests to stop, bad input, what is written where.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; }
setup() {
  source "$SRC/tests/support/training.bash"
  LAB=$BATS_FILE_TMPDIR/lab
  cd "$BATS_TEST_TMPDIR" || return 1
}

# Exit code $1, and one line on stderr that contains $2.
fails() {
  [ "$status" -eq "$1" ] && [ "${#stderr_lines[@]}" -ge 1 ] && [[ "${stderr_lines[0]}" == *"$2"* ]] && return
  echo "wanted exit $1 with: $2" && echo "got exit $status: $stderr" && return 1
}

# Ends the background run's wait with its exit code in $status.
finish() { status=0; wait "$PID" || status=$?; }

# Starts a long run in the background; returns once it has made a step.
start_long_run() {
  train_args --run run --steps 100000 --ckpt-every 1h "$@"
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> stderr.txt &
  PID=$!
  until grep -qs '"type":"step"' run/trace.jsonl; do kill -0 "$PID"; done
}

@test "every preset's recipe resolves, batch schedule and Goldfish of Apertus too" {
  "$SUPPORT/training_tool" shard tokens 200 1
  for preset in apertus-8b apertus-70b zclip-1b nvidia-830m schedules-124m course-50m; do
    run --separate-stderr "$BIN/pretrain" train --model "$preset" --data tokens --run run -n
    [ "$status" -eq 0 ]
    [[ "$output" == *'optimizer = "ad'* ]]
  done
  run --separate-stderr "$BIN/pretrain" train --model apertus-8b --data tokens --run run -n
  [ "$status" -eq 0 ]
  [[ "$output" == *'tokens = 1500000'*'batch_tokens = "0:4194304,7038042112000:8388608"'*'optimizer = "ademamix:'* ]]
  [[ "$output" == *'clip = "fixed:0.1"'*'goldfish = "k=50,h=50,mode=apertus"'* ]]
}

@test "SIGTERM saves and exits 75; the next start goes on" {
  start_long_run
  kill -TERM "$PID"
  finish
  [ "$status" -eq 75 ]
  "$BIN/ckpt" verify --full run
  last=$(losses run | tail -1 | cut -d' ' -f1)
  [ "$("$BIN/ckpt" journal run --last --field step)" -ge 0 ]
  run train --run run --steps 100000 --max-wall 0.001
  [ "$status" -eq 75 ]
  [ "$(losses run | tail -1 | cut -d' ' -f1)" -ge "$last" ]
}

@test "SIGUSR2 and control/save save and go on; control/stop stops" {
  start_long_run
  kill -USR2 "$PID"
  until [ "$(grep -c '"event":"checkpoint"' run/trace.jsonl)" -ge 2 ]; do kill -0 "$PID"; done
  touch run/control/save
  until [ "$(grep -c '"event":"checkpoint"' run/trace.jsonl)" -ge 3 ]; do kill -0 "$PID"; done
  touch run/control/stop
  finish
  [ "$status" -eq 75 ]
  [ ! -e run/control/stop ]
  grep -q '"event":"signal","reason":"control/stop"' run/trace.jsonl
}

@test "a reader that goes away stops the run with a checkpoint" {
  train_args --run run --steps 100000 --ckpt-every 1h --trace -
  run bash -c '"$0" "$@" | head -3 > seen; exit ${PIPESTATUS[0]}' "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [ "$status" -eq 75 ]
  [ "$(wc -l < seen)" -eq 3 ]
  "$BIN/ckpt" verify --full run
}

@test "a run directory has one holder" {
  start_long_run
  run --separate-stderr train --run run --steps 5
  fails 2 "pid $PID"
  kill -TERM "$PID"
  finish
}

@test "config.toml repeats the run" {
  train --run one --steps 8
  "$BIN/pretrain" --config one/config.toml --run two -q
  cmp <(losses one) <(losses two)
  train --run three --steps 4 --data-seed -7 --seed -3 --guard off --z-loss 1e-4 --val "$LAB/val" --val-every 2 \
    --data "$LAB/val=0.25" --inject nan@2,grad@3:x=0.5 --keep last=2,every=4 --max-wall 1h --recompute norms
  "$BIN/pretrain" --config three/config.toml --run four -q
  cmp <(losses three) <(losses four)
  cmp <(grep -v ^run three/config.toml) <(grep -v ^run four/config.toml)
}

# A shard of $2 documents of $3 tokens each.
make_documents() {
  perl -e 'my ($p, $n, $t) = @ARGV;
    open F, ">", "$p.bin"; print F pack("v*", map { $_ % 500 } 1 .. $n * $t); close F;
    open F, ">", "$p.idx"; print F "MMIDIDX\0\0", pack("Q<CQ<Q<", 1, 8, $n, $n + 1), pack("l<*", ($t) x $n),
      pack("q<*", map { 2 * $t * $_ } 0 .. $n - 1), pack("q<*", 0 .. $n);' "$@"
}

@test "a length in tokens wins over one in steps of a weaker level, both at once are refused" {
  train --run run --steps 4
  run --separate-stderr "$BIN/pretrain" plan --json --config run/config.toml --tokens 8192
  [ "$status" -eq 0 ]
  jq -e '.total_steps == 8' <<< "$output"
  run --separate-stderr env BALLAST_TOKENS=8192 "$BIN/pretrain" plan --json --config run/config.toml
  jq -e '.total_steps == 8' <<< "$output"
  run --separate-stderr train --run other --steps 4 --tokens 8192
  fails 2 "--steps excludes --tokens"
}

@test "a step without a label is skipped, counted, and survives a resume" {
  make_documents one 2000 1
  local options=(--model "$LAB/config.json" --data one --batch-tokens 512 --seq-len 128 --micro-batch 4 -q --steps 6)
  run "$BIN/pretrain" "${options[@]}" --run run --max-wall 0.001
  [ "$status" -eq 75 ]
  "$BIN/pretrain" "${options[@]}" --run run
  [ "$(grep -c '"skip_reason":"no labels","n_valid":0' run/trace.jsonl)" -eq 6 ]
  jq -e '.tokens == 3072 and .tokens_trained == 0' run/ckpt/step-000000006/state.json
}

@test "a held-out shard is checked before the first step" {
  make_documents short 1 20
  run --separate-stderr train --run run --steps 5 --val short
  fails 2 "129 are needed"
  [ ! -e run ]
  sed 's/"vocab_size": 512/"vocab_size": 500/' "$LAB/config.json" > small.json
  perl -e 'print pack "v*", map { 505 } 1 .. 200' > big.bin
  make_documents big2 1 200
  cp big2.idx big.idx
  run --separate-stderr train --run run --steps 5 --model small.json --val big
  fails 3 "the model's vocabulary has 500"
}

@test "a finished run tells no loss that it did not compute" {
  train --run run --steps 4
  run --separate-stderr train --run run --steps 4 --json
  [ "$status" -eq 0 ]
  jq -e '.step == 4 and (has("loss") | not)' <<< "$output"
}

@test "a copy of the trace that cannot be written is a warning" {
  run --separate-stderr train --run run --steps 4 --trace /dev/full
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"warning: the copy of the trace stops here"* ]]
  [ "$(losses run | wc -l)" -eq 4 ]
}

@test "bad input names what, where and what is accepted" {
  run --separate-stderr train --run run --steps 5 --data missing
  fails 3 "missing.idx"
  run --separate-stderr train --run run --steps 5 --batch-tokens 1000
  fails 2 "must be a multiple of --micro-batch x --seq-len = 512"
  run --separate-stderr train --run run --steps 5 --guard hope
  fails 2 "'hope' is not a rung"
  run --separate-stderr train --run run --steps 5 --resume soon
  fails 2 "--resume is 'soon'"
  run --separate-stderr train --run run --steps 5 --micro-batch 99999999999999999
  fails 2 "--micro-batch is"
  run --separate-stderr train --run run --steps 9000000000000000000
  fails 2 "more than 2^62 tokens"
  [ ! -e run ]
  run --separate-stderr train --run run --steps 5 --inject nan@6
  fails 2 "'nan@6' never comes"
  run --separate-stderr train --run run --steps 5 --optimizer lion
  fails 2 "'lion' is not built"
  run --separate-stderr train --run run
  fails 2 "--steps"
  run --separate-stderr train --run run --steps 5 --device cuda
  [ "$status" -eq 2 ] || [ "$status" -eq 4 ] || [ "$status" -eq 0 ]  # 0 where there is such a device
}

@test "a vocabulary larger than the model's is found before it is trained on" {
  sed 's/"vocab_size": 512/"vocab_size": 300/' "$LAB/config.json" > small.json
  run --separate-stderr train --run run --steps 5 --model small.json
  fails 3 "the model's vocabulary has 300"
}

@test "a config with unknown keys is refused by name" {
  sed 's/"vocab_size"/"num_experts": 8, "vocab_size"/' "$LAB/config.json" > moe.json
  run --separate-stderr train --run run --steps 5 --model moe.json
  fails 2 "unknown key 'num_experts'"
  echo 'lerning_rate = 1' > run.toml
  run --separate-stderr "$BIN/pretrain" --config run.toml
  fails 2 "run.toml:1"
}

@test "an index that disagrees with its tokens is refused" {
  cp "$LAB/train.idx" bad.idx
  head -c 1000 "$LAB/train.bin" > bad.bin
  run --separate-stderr train --run run --steps 5 --data bad
  fails 3 "bad"
}

@test "plan says what is allocated and trains nothing" {
  train_args --steps 100
  run --separate-stderr "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --json
  [ "$status" -eq 0 ]
  [ "$(jq '.memory_bytes | ([del(.total)[]] | add) == .total' <<< "$output")" = true ]
  [ "$(jq '.data[0].share' <<< "$output")" = 1 ]
  [ ! -e run ]
}
