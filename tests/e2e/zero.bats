#!/usr/bin/env bats
# Ranks that share out gradients (ZeRO-2) and weights (ZeRO-3): the bits of --zero 1 where additions have one order, the line
# of one rank within rounding elsewhere, whatever the model and whatever happens on the way.

bats_require_minimum_version 1.5.0

# Twelve layers, of which four make a bucket.
setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  local tied
  for tied in true false; do
    cat > deep-$tied.json <<JSON
{"model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 12,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": $tied}
JSON
  done
}
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  LAB=$BATS_FILE_TMPDIR/lab
  DEEP=(--model "$LAB/deep-false.json" --seq-len 32 --steps 6 --lr 1e-3 --ckpt-every 100)
}
MODELS=("deep-false" "deep-true" "deep-false --stability sigma_reparam" "deep-true --stability qk_norm,activation=xielu")

# model N: the options of MODELS[N].
model() { read -ra MODEL <<< "$LAB/${MODELS[$1]/ /.json }"; [[ ${MODEL[0]} = *.json ]] || MODEL[0]+=.json; }
weights() { cat "$1"/ckpt/step-*"$2"/model-*.safetensors; }
same_line() { cmp <(losses "$1") <(losses "$2"); }
close_to() {
  paste -d' ' <(losses "$1") <(losses "$2") | awk '
    function off(a, b) { return (a > b ? a - b : b - a) > 1e-4 * (1 + (a > 0 ? a : -a)) }
    NF != 6 || $1 != $4 || off($2, $5) || off($3, $6) { print "differs:", $0; bad = 1 }
    END { exit bad || NR == 0 }'
}

@test "with one micro-batch a rank every stage gives the same bits" {
  local i n zero
  for ((i = 0; i < ${#MODELS[@]}; i++)); do
    model $i
    for n in 2 4; do
      for zero in 0 1 2 3; do
        ranks $n --run run$zero "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 256 --micro-batch $((8 / n)) --zero $zero
        same_line run$zero run0
        cmp <(weights run$zero 6) <(weights run0 6)
        "$BIN/ckpt" verify --full run$zero
      done
      rm -r run?
    done
  done
}

# Sums of some hundred products in f32, in two orders, differ by a few units of 2^-24 of the sum of their sizes; Adam's first
# steps move weights by the rate whatever the gradient's size, so six steps of 1e-3 leave losses within 1e-4.
@test "with several micro-batches a rank stages 2 and 3 give the line of one rank but for rounding, and the same bits" {
  local i n
  for ((i = 0; i < ${#MODELS[@]}; i++)); do
    model $i
    train "${DEEP[@]}" --run alone --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2
    for n in 2 4; do
      ranks $n --run run "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2 --zero 2
      close_to run alone
      ranks $n --run again "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2 --zero 3
      same_line run again
      cmp <(weights run 6) <(weights again 6)
      rm -r run again
    done
    rm -r alone
  done
}

@test "a run goes on with another stage and another number of ranks" {
  # stop_at N STEP: N ranks go on to STEP, which is saved, and end there.
  stop_at() {
    EXPECTED=5 ranks "$1" --run run "${DEEP[@]}" --batch-tokens 256 --micro-batch 2 --inject "nan@$(($2 + 1))" --guard stop \
      --ckpt-every 2 --keep all --swa window=4,every=1 --ema decay=0.8,every=1 "${@:3}"
    "$BIN/ckpt" verify --full run@"$2"
  }
  stop_at 1 2
  stop_at 2 4 --zero 3
  cp -r run again
  # The same ranks go on with the bits of the run that was not interrupted.
  train "${DEEP[@]}" --run alone --batch-tokens 256 --micro-batch 2 --swa window=4,every=1 --ema decay=0.8,every=1
  stop_at 4 5 --zero 1 --ckpt-every 1
  train "${DEEP[@]}" --run run --batch-tokens 256 --micro-batch 2 --swa window=4,every=1 --ema decay=0.8,every=1
  close_to run alone
  rm -r run
  for n in 2 4; do
    ranks $n --run whole "${DEEP[@]}" --batch-tokens 256 --micro-batch 2 --zero 3 --ckpt-every 3 --keep all \
      --swa window=4,every=1 --stability sigma_reparam
    cp -r whole cut
    rm -r cut/ckpt/step-000000006
    echo step-000000003 > cut/ckpt/latest
    ranks $n --run cut "${DEEP[@]}" --batch-tokens 256 --micro-batch 2 --zero 3 --ckpt-every 3 --keep all \
      --swa window=4,every=1 --stability sigma_reparam
    same_line cut whole
    cmp <(cat cut/ckpt/step-*6/*.safetensors) <(cat whole/ckpt/step-*6/*.safetensors)
    rm -r cut whole
  done
}

# What reads weights and gradients around the steps sees the same of every stage.
@test "evaluations, averages, statistics of layers, snapshots and the guard work with every stage" {
  local zero
  for zero in 1 2 3; do
    EXPECTED=6 ranks 2 --run run$zero "${DEEP[@]}" --steps 12 --batch-tokens 256 --micro-batch 4 --zero $zero --keep all \
      --val "$LAB/val" --val-every 3 --val-tokens 640 --ckpt-every 4 --layers-every 5 --snapshot-every 3 --check-replicas 4 \
      --swa window=4,every=1 --ema decay=0.8,every=1 --guard skip:1,rollback:2,stop --inject grad@2:x=30,nan@6:rank=1,flip@8
    losses run$zero > $zero.txt
    jq -c 'select(.type == "event") | [.event, .step, .action, .rerun]' run$zero/trace.jsonl > $zero.events
    jq -c 'select(.type == "eval") | [.step, .set, .loss, .perplexity_low]' run$zero/trace.jsonl > $zero.evals
    jq -c 'select(.type == "layers") | del(.time, .time_us)' run$zero/trace.jsonl > $zero.layers
    for file in txt events evals layers; do
      [ -s $zero.$file ]
      cmp $zero.$file 1.$file
    done
    grep -q '"event":"hardware"' run$zero/trace.jsonl
  done
}

@test "an evaluation of windows that ranks cannot share evenly" {
  local n
  for n in 2 4; do
    ranks $n --run run$n "${DEEP[@]}" --steps 2 --batch-tokens 256 --micro-batch 2 --zero 3 --val "$LAB/val" --val-every 1 \
      --val-tokens 160
    jq -e 'select(.type == "eval") | .n_tokens' run$n/trace.jsonl | head -1 | grep -qE '^[0-9]+$'
  done
  jq -c 'select(.type == "eval") | [.step, (.loss * 1e4 | round)]' run2/trace.jsonl > 2.evals
  jq -c 'select(.type == "eval") | [.step, (.loss * 1e4 | round)]' run4/trace.jsonl | cmp - 2.evals
}

# A pass takes all ranks, so they have to stop before the same one.
@test "a signal to one rank cuts an evaluation short on all, and the next start makes it" {
  local args=("${DEEP[@]}" --steps 6 --batch-tokens 256 --micro-batch 4 --zero 3 --val "$LAB/train" --val-tokens 49152 --val-every 3)
  ranks 2 --run calm "${args[@]}"
  start_ranks 2 --run run "${args[@]}"
  while kill -0 "${PIDS[1]}" && ! grep -qs '"type":"step".*"step":3,' run/trace.jsonl; do :; done
  kill -USR1 "${PIDS[1]}"
  wait_ranks
  [ "${STATUSES[*]}" = "75 75" ]
  run ! grep -q '"type":"eval"' run/trace.jsonl
  "$BIN/ckpt" verify --full run
  ranks 2 --run run "${args[@]}"
  same_line run calm
  cmp <(weights run 6) <(weights calm 6)
  cmp <(jq -c 'select(.type == "eval") | [.step, .loss]' run/trace.jsonl) \
    <(jq -c 'select(.type == "eval") | [.step, .loss]' calm/trace.jsonl)
}

@test "--deterministic world is refused with stages that add ranks before micro-batches, and so is a stage that is none" {
  local zero
  for zero in 2 3; do
    run -2 --separate-stderr train --run run --steps 2 --zero $zero --deterministic world
    [[ "$stderr" == *"--deterministic world with --zero $zero"* ]]
  done
  run -2 --separate-stderr train --run run --steps 2 --zero 4
  [[ "$stderr" == *"--zero 4 is not a stage"* ]]
  [ ! -e run ]
}

# Do ranks 0 and 2 sleep? Field 3 of stat is the state, after the name in parentheses.
stands_still() {
  local i r
  for i in 1 2 3 4 5 6 7 8 9 10; do
    for r in 0 2 3; do
      [ "$(sed 's/.*) \(.\).*/\1/' "/proc/${PIDS[$r]}/stat")" = S ] || return 1
    done
  done
}

# It is stopped first, so that the others wait for it in the middle of a pass.
@test "a rank killed in a gathering pass ends the others with 4, and the run goes on with the same bits" {
  local args=("${DEEP[@]}" --steps 12 --batch-tokens 256 --micro-batch 2 --zero 3 --ckpt-every 4)
  ranks 4 --run calm "${args[@]}"
  start_ranks 4 --run run "${args[@]}"
  while kill -0 "${PIDS[1]}" && ! grep -qs '"step":5,' run/trace.jsonl; do :; done
  kill -STOP "${PIDS[1]}"
  until stands_still; do :; done
  kill -9 "${PIDS[1]}"
  wait_ranks
  [ "${STATUSES[*]}" = "4 137 4 4" ]
  [ "$(cat rank?.err)" = "pretrain: error: lost rank 1 (its connection was closed)" ]
  "$BIN/ckpt" verify --full run
  ranks 4 --run run "${args[@]}"
  same_line run calm
  cmp <(weights run 12) <(weights calm 12)
}

# Room after room gets other weights at the same address: the device's copies for its products have to follow.
@test "a device whose products read bf16 copies of the weights follows what is gathered" {
  needs_emulation
  local zero
  for zero in 1 3; do
    ranks 2 --run run$zero "${DEEP[@]}" --steps 2 --batch-tokens 64 --micro-batch 1 --device emu --precision bf16 --zero $zero
  done
  same_line run3 run1
  cmp <(weights run3 2) <(weights run1 2)
}

@test "mpirun starts ranks that share everything" {
  command -v mpirun > /dev/null || skip "no mpirun here"
  [ -e "$BIN/../lib/ballast_mpi.so" ] || skip "this build found no MPI"
  train_args "${DEEP[@]}" --run run --batch-tokens 256 --micro-batch 2 --zero 3 -j1
  mpirun --oversubscribe --allow-run-as-root --mca btl_vader_single_copy_mechanism none -n 4 "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  ranks 4 --run tcp "${DEEP[@]}" --batch-tokens 256 --micro-batch 2 --zero 3
  same_line run tcp
  cmp <(weights run 6) <(weights tcp 6)
}
