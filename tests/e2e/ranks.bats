#!/usr/bin/env bats
# Several ranks train one model: the same line as one rank, within rounding or bit for bit, whatever happens on the way.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  # 8 micro-batches of 2 sequences, so that 1, 2, 4 and 8 ranks can share them
  SHARED+=(--val "$BATS_FILE_TMPDIR/lab/val")
  train --run "$BATS_FILE_TMPDIR/alone" "${SHARED[@]}" --steps 20
  train --run "$BATS_FILE_TMPDIR/world" "${SHARED[@]}" --steps 20 --deterministic world
}
SHARED=(--batch-tokens 1024 --seq-len 64 --micro-batch 2 --val-every 10)
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  SHARED+=(--val "$BATS_FILE_TMPDIR/lab/val")
}

# close_to RUN RUN: equal losses and norms but for rounding.
close_to() {
  paste -d' ' <(losses "$1") <(losses "$2") | awk '
    function off(a, b) { return (a > b ? a - b : b - a) > 1e-4 * (1 + (a > 0 ? a : -a)) }
    NF != 6 || $1 != $4 || off($2, $5) || off($3, $6) { print "differs:", $0; bad = 1 }
    END { exit bad || NR == 0 }'
}
same_line() { cmp <(losses "$1") <(losses "$2"); }
same_weights() { cmp "$1"/ckpt/step-*20/model-00001-of-00001.safetensors "$2"/ckpt/step-*20/model-00001-of-00001.safetensors; }

@test "two and four ranks train as one, within rounding" {
  for n in 2 4; do
    ranks $n --run run$n "${SHARED[@]}" --steps 20
    close_to run$n "$BATS_FILE_TMPDIR/alone"
    grep -q "\"ranks\":$n" run$n/trace.jsonl
    [ "$(grep -c '"type":"step"' run$n/trace.jsonl)" -eq 20 ]
    [ "$(grep -c '"event":"start"' run$n/journal.jsonl)" -eq 1 ]
  done
  grep -q '"loss_max_rank"' run2/trace.jsonl
  [ ! -s rank1.out ]
}

@test "with --deterministic world 1, 2, 4 and 8 ranks give the same bits" {
  for n in 2 4 8; do
    ranks $n --run run$n "${SHARED[@]}" --steps 20 --deterministic world
    same_line run$n "$BATS_FILE_TMPDIR/world"
    same_weights run$n "$BATS_FILE_TMPDIR/world"
    cmp <(jq -c 'select(.type == "eval") | [.step, .loss, .perplexity_low]' run$n/trace.jsonl) \
      <(jq -c 'select(.type == "eval") | [.step, .loss, .perplexity_low]' "$BATS_FILE_TMPDIR/world/trace.jsonl")
  done
}

@test "mpirun starts ranks too" {
  command -v mpirun > /dev/null || skip "no mpirun here"
  [ -e "$BIN/../lib/ballast_mpi.so" ] || skip "this build found no MPI"
  train_args --run run "${SHARED[@]}" --steps 20 --deterministic world -j1
  mpirun --oversubscribe --allow-run-as-root --mca btl_vader_single_copy_mechanism none -n 2 \
    "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  same_line run "$BATS_FILE_TMPDIR/world"
}

# stop_at N STEP: N ranks go on to STEP, which is saved, and end there.
stop_at() {
  EXPECTED=5 ranks "$1" --run run "${SHARED[@]}" --steps 20 --ckpt-every 5 --deterministic world \
    --inject "nan@$(($2 + 1))" --guard stop "${@:3}"
}

@test "a run goes from 1 to 2 to 4 to 1 ranks with the same bits" {
  stop_at 1 5
  stop_at 2 10
  stop_at 4 15
  train --run run "${SHARED[@]}" --steps 20 --deterministic world
  same_line run "$BATS_FILE_TMPDIR/world"
  same_weights run "$BATS_FILE_TMPDIR/world"
  run jq -c 'select(.type == "run") | .ranks' run/trace.jsonl
  [ "$output" = $'1\n2\n4\n1' ]
}

@test "what ranks cannot share is refused by name, once, on every rank" {
  EXPECTED=2 ranks 3 --run run "${SHARED[@]}" --steps 20
  grep -q "a batch of 8 micro-batches cannot be shared.*multiple of 3 ranks" rank0.err
  [ ! -s rank1.err ]
  EXPECTED=2 ranks 3 --run run "${SHARED[@]}" --steps 20 --deterministic world
  grep -q "accepted: 1, 2, 4 or 8 ranks" rank0.err
  [ ! -e run/trace.jsonl ]
}

@test "an error of one rank ends all of them with its code and is said once" {
  start_ranks 2 --run run "${SHARED[@]}" --steps 20 --model missing.json
  wait_ranks
  [ "${STATUSES[*]}" = "3 3" ]
  grep -q "missing.json" rank0.err
  [ ! -s rank1.err ]
}

@test "a signal to any rank stops all of them after the same step, with a checkpoint" {
  start_ranks 2 --run run "${SHARED[@]}" --steps 100000 --ckpt-every 1000
  while kill -0 "${PIDS[1]}" && ! grep -qs '"step":3,' run/trace.jsonl; do :; done
  kill -USR1 "${PIDS[1]}"
  wait_ranks
  [ "${STATUSES[*]}" = "75 75" ]
  last=$(jq -s 'map(select(.type == "step").step) | max' run/trace.jsonl)
  grep -q '"event":"signal","reason":"signal SIGUSR1"' run/trace.jsonl
  "$BIN/ckpt" verify --full "run@$last"
}

@test "the guard takes all ranks back together" {
  for n in 1 2; do
    ranks $n --run run$n "${SHARED[@]}" --steps 20 --ckpt-every 5 --deterministic world \
      --inject nan@13 --guard skip:2,stop
    grep -q '"event":"skip"' run$n/trace.jsonl
  done
  same_line run1 run2
  ranks 2 --run replay "${SHARED[@]}" --steps 20 --deterministic world --inject nan@13
  same_line replay "$BATS_FILE_TMPDIR/world"
}

@test "sharded optimizer states give the same bits, with any optimizer" {
  for n in 2 4; do
    ranks $n --run zero$n "${SHARED[@]}" --steps 20 --deterministic world --zero 1
    same_line zero$n "$BATS_FILE_TMPDIR/world"
    same_weights zero$n "$BATS_FILE_TMPDIR/world"
    [ "$(find zero$n/ckpt/step-000000020 -name 'optim-*' | wc -l)" -eq $n ]
    "$BIN/ckpt" verify --full zero$n
  done
  for optimizer in ademamix stable_adamw adamw:state=bf16; do
    train --run whole "${SHARED[@]}" --steps 10 --deterministic world --optimizer $optimizer
    ranks 2 --run sharded "${SHARED[@]}" --steps 10 --deterministic world --optimizer $optimizer --zero 1
    same_line sharded whole
    "$BIN/ckpt" verify --full sharded
    rm -r whole sharded
  done
}

@test "a sharded run goes from 1 to 2 to 4 to 1 ranks with the same bits" {
  stop_at 1 5
  stop_at 2 10 --zero 1
  stop_at 4 15 --zero 1
  train --run run "${SHARED[@]}" --steps 20 --deterministic world
  same_line run "$BATS_FILE_TMPDIR/world"
  same_weights run "$BATS_FILE_TMPDIR/world"
}

# Every rank iterates from the same weights to the same u and v, which are saved with the model.
@test "sigma-reparametrisation gives the same bits on any number of ranks, shared out and resumed" {
  local switches=(--stability sigma_reparam,layerscale,qk_norm) n zero
  train --run whole "${SHARED[@]}" --steps 20 --deterministic world "${switches[@]}"
  run ! same_line whole "$BATS_FILE_TMPDIR/world"
  grep -q sigma_u whole/ckpt/step-000000020/manifest.json
  for n in 2 4; do
    for zero in 0 1; do
      ranks $n --run run$n$zero "${SHARED[@]}" --steps 20 --deterministic world --zero $zero "${switches[@]}"
      same_line run$n$zero whole
      same_weights run$n$zero whole
    done
  done
  stop_at 2 10 --zero 1 "${switches[@]}"
  train --run run "${SHARED[@]}" --steps 20 --deterministic world "${switches[@]}"
  same_line run whole
  same_weights run whole
}

# A rank that is killed in the middle of an exchange: it is stopped first, so that the others wait for it.
@test "a rank killed in a collective ends the others with 4 and its name, and the run goes on afterwards" {
  for zero in 0 1; do
    start_ranks 4 --run run$zero "${SHARED[@]}" --steps 20 --ckpt-every 5 --deterministic world --zero $zero
    while kill -0 "${PIDS[2]}" && ! grep -qs '"step":6,' run$zero/trace.jsonl; do :; done
    kill -STOP "${PIDS[2]}"
    # The others stand still now: no new step appears while their processor time stays what it is.
    until stands_still; do :; done
    kill -9 "${PIDS[2]}"
    wait_ranks
    [ "${STATUSES[*]}" = "4 4 137 4" ]
    [ "$(cat rank?.err)" = "pretrain: error: lost rank 2 (its connection was closed)" ]
    "$BIN/ckpt" verify --full run$zero
    ranks 2 --run run$zero "${SHARED[@]}" --steps 20 --deterministic world --zero $zero
    same_line run$zero "$BATS_FILE_TMPDIR/world"
  done
}
# Do ranks 0, 1 and 3 sleep? Field 3 of stat is the state, after the name in parentheses.
stands_still() {
  local i r
  for i in 1 2 3 4 5 6 7 8 9 10; do
    for r in 0 1 3; do
      [ "$(sed 's/.*) \(.\).*/\1/' "/proc/${PIDS[$r]}/stat")" = S ] || return 1
    done
  done
}

@test "a rank that no longer answers is lost after the time of its silence" {
  export BALLAST_HEARTBEAT_TIMEOUT=3
  start_ranks 2 --run run "${SHARED[@]}" --steps 100000 --ckpt-every 5
  while kill -0 "${PIDS[1]}" && ! grep -qs '"step":6,' run/trace.jsonl; do :; done
  kill -STOP "${PIDS[1]}"
  wait "${PIDS[0]}" && return 1
  [ $? -eq 4 ]
  grep -q "error: lost rank 1 (silent for 3 s)" rank0.err
  kill -9 "${PIDS[1]}"
  wait "${PIDS[1]}" || true
  "$BIN/ckpt" verify --full run
}

@test "rank 0 lost ends all others, each of which says so" {
  start_ranks 3 --run run "${SHARED[@]}" --batch-tokens 768 --steps 100000 --ckpt-every 5
  while kill -0 "${PIDS[1]}" && ! grep -qs '"step":6,' run/trace.jsonl; do :; done
  kill -9 "${PIDS[0]}"
  wait_ranks
  [ "${STATUSES[*]}" = "137 4 4" ]
  grep -q "rank 1: error: lost rank 0" rank1.err
  grep -q "rank 2: error: lost rank 0" rank2.err
}

# VmHWM as the kernel counts it, against what plan adds up.
@test "plan foretells the memory of a rank within 5 %" {
  cat > config.json <<'JSON'
{"model_type": "llama", "vocab_size": 4096, "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 4,
 "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 256, "tie_word_embeddings": false}
JSON
  for combination in "1 0 1" "1 1 0" "2 0 0" "2 1 1" "2 2 0" "2 3 1"; do
    read -r ranks zero snapshots <<< "$combination"
    args=(--model config.json --steps 3 --batch-tokens 512 --seq-len 64 --micro-batch 2 --zero "$zero"
      --snapshot-every "$snapshots")
    train_args -j1 "${args[@]}"
    "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --ranks "$ranks" --json > plan.json
    jq -e --argjson wanted "$snapshots" '(.memory_bytes.snapshots > 0) == ($wanted > 0)' plan.json
    PEAK=1 ranks "$ranks" --run "run$ranks$zero" "${args[@]}"
    # Rank 0 needs most: it writes the weights.
    jq -e --argjson measured "$(cat rank0.peak)" '.memory_bytes.total as $planned |
      "planned \($planned) measured \($measured)", ($planned / $measured | . > 0.95 and . < 1.05)' plan.json
  done
}

@test "plan knows what ranks send, what a restart costs, and refuses what cannot be shared" {
  train_args "${SHARED[@]}" --steps 40 --ckpt-every 10 --zero 1
  "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --ranks 4 --json > plan.json
  jq -e '.ranks == 4 and .restart.steps_lost == 5 and .phases[0].tokens == 40960 and .languages.unknown == 1 and
    (.memory_bytes.weights * 3 / 4) as $part | (.collectives | map({(.name): .bytes_per_rank}) | add) as $sent |
    $sent["reduce-scatter gradients"] == $part and $sent["all-gather weights"] == $part and
    .step_seconds >= .step_seconds_at_least and .memory_bytes.moments < .memory_bytes.weights' plan.json
  "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --ranks 4 | grep -q "reduce-scatter gradients"
  # A ring sends of every part all but its own: twice where the sums come back to all.
  "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --ranks 8 --zero 0 --json | jq -e '.memory_bytes.weights as $w |
    .collectives[0] | .name == "all-reduce gradients" and .bytes_per_rank == 2 * 7 / 8 * $w'
  run --separate-stderr "$BIN/pretrain" plan "${TRAIN_ARGS[@]}" --ranks 3
  [ "$status" -eq 2 ]
}
