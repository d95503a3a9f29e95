#!/usr/bin/env bats
# What the rungs of the guard's ladder do, from host memory and from disk, and over kills: whatever a recovery goes back
# to, the line it leads to is the same.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  (cd "$BATS_FILE_TMPDIR/lab" && "$SUPPORT/training_tool" shard other 100 9)
  train --run "$BATS_FILE_TMPDIR/calm" --schedule constant --lr 2e-3 --batch-tokens 512 --steps 130
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }
calm() { train --schedule constant --lr 2e-3 --batch-tokens 512 --steps 130 "$@"; }
calm_args() { train_args --schedule constant --lr 2e-3 --batch-tokens 512 --steps 130 "$@"; }

# Some line of the JSON Lines file $1 fulfils $2.
has() { jq -es "any(.[]; $2)" "$1" > /dev/null; }

# Runs the command in the background and kills it once the trace of $1 has a step record of segment $2.
kill_in_segment() {
  local run=$1 segment=$2 pid; shift 2
  calm_args --run "$run" "$@"
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if grep -qs "\"type\":\"step\".*\"segment\":$segment," "$run/trace.jsonl"; then break; fi
  done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" || true
}

@test "a spike is replayed from host memory: the line is that of the calm run" {
  calm --run run --inject spike@100:x=100 --snapshot-every 10 --ckpt-every 60
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  cmp a b
  has run/journal.jsonl '.event == "restore" and (.step == 90 and .fork == 97)'
  has run/trace.jsonl '.event == "restore" and (.from == "memory" and .to_step == 90)'
  [ ! -e run/abandoned ]
}

@test "checkpoints later than the restored state leave the line" {
  calm --run run --inject spike@100:x=100 --snapshot-every 5 --ckpt-every 98 --guard replay,stop
  [ -d run/abandoned/seg-0/step-000000098 ]
  "$BIN/ckpt" verify --full run
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  cmp a b
}

@test "from memory or from disk, killed or not, every recovery leads to one line" {
  for guard in skip:5,stop lr:0.5,stop clip:0.05,stop; do
    calm --run memory --inject spike@100:x=100 --guard "$guard" --snapshot-every 10 --ckpt-every 40
    calm --run disk --inject spike@100:x=100 --guard "$guard" --ckpt-every 40
    kill_in_segment killed 1 --inject spike@100:x=100 --guard "$guard" --snapshot-every 10 --ckpt-every 40
    calm --run killed --inject spike@100:x=100 --guard "$guard" --snapshot-every 10 --ckpt-every 40
    for run in memory disk killed; do losses $run > $run.txt; done
    [ "$(wc -l < memory.txt)" -eq 130 ]
    cmp memory.txt disk.txt
    cmp memory.txt killed.txt
    for run in memory disk killed; do "$BIN/gradstat" clip --check --line all $run; done
    run ! cmp memory.txt <(losses "$BATS_FILE_TMPDIR/calm")
    rm -r memory disk killed
  done
}

@test "lr:F lowers the learning rate from the fork on, and says so" {
  calm --run run --inject spike@100:x=100 --guard lr:0.5,lr:0.5,stop
  has run/trace.jsonl '.event == "lr" and (.step == 98 and .from == 1 and .to == 0.5)'
  last=$(jq -c 'select(.type == "step" and .step == 130) | .lr' run/trace.jsonl | tail -1)
  [ "$last" = 0.001 ]
  # It is part of the state: a finished run and a resumed one agree on it.
  jq -e '.guard.interventions.lr_factor == 0.5' run/ckpt/step-000000130/state.json
}

@test "clip:C bounds the norm from the fork on, and the new segment says how it clips" {
  calm --run run --inject spike@100:x=100 --guard clip:0.05,stop
  has run/trace.jsonl '.event == "clip" and (.to | test("cap=0.05"))'
  jq -e -s 'map(select(.type == "run")) | last | .clip | test("cap=0.05")' run/trace.jsonl
  jq -e -s '[.[] | select(.type == "step" and .segment > 1) | .grad_norm_clipped] | max <= 0.05' run/trace.jsonl
}

@test "drop-source takes the worst source out of the order, for good" {
  local lab=$BATS_FILE_TMPDIR/lab
  calm --run run --data "$lab/other=0.5" --inject spike@100:x=100 --guard data-swap
  has run/trace.jsonl '.event == "phase" and (.first_sample == 388 and .to == 0)'
  jq -e '.guard.interventions.dropped | length == 1' run/ckpt/step-000000130/state.json
  "$BIN/gradstat" clip --check --line all run
  kill_in_segment killed 2 --data "$lab/other=0.5" --inject spike@100:x=100 --guard data-swap
  calm --run killed --data "$lab/other=0.5" --inject spike@100:x=100 --guard data-swap
  cmp <(losses run) <(losses killed)
}

@test "drop-source with one source is refused by name" {
  run --separate-stderr calm --run run --guard data-swap
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"drop-source needs several sources"* ]]
}

@test "wait drops the step's update only; a loss that is back ends it" {
  calm --run run --inject rare@100 --guard continue-and-hope
  has run/trace.jsonl '.event == "skip" and (.action == "drop-update" and .step == 100 and .until == 300)'
  [ "$(grep -c '"skipped":true' run/trace.jsonl)" -eq 1 ]
  calm --run short --inject rare@100 --guard wait:20,stop
  [ "$(losses short | wc -l)" -eq 130 ]
}

@test "a wait that ends with the loss still up climbs, and a resumed one ends alike" {
  run calm --run run --inject spike@100:x=300 --guard wait:15,stop
  [ "$status" -eq 5 ]
  [ "$(losses run | tail -1 | cut -d' ' -f1)" -eq 116 ]
  calm_args --run cut --inject spike@100:x=300 --guard wait:15,stop
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if grep -qs '"type":"step".*"step":112,' cut/trace.jsonl; then break; fi
  done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" || true
  run "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [ "$status" -eq 5 ]
  cmp <(losses run) <(losses cut)
}

@test "a NaN does not climb the ladder of a spike" {
  calm --run run --inject spike@100:x=100,nan@110 --guard replay,stop
  losses run > a; losses "$BATS_FILE_TMPDIR/calm" > b
  cmp a b
}

@test "a flipped bit is found by the rerun: exit 6, nothing lost" {
  run --separate-stderr calm --run run --inject flip@63:rank=0
  [ "$status" -eq 6 ]
  [[ "$stderr" == *"rerun of the step gave other bits"* ]]
  has run/trace.jsonl '.event == "hardware" and (.rank == 0 and .first.grad_norm > 1e30 and .second.grad_norm < 10 and
    (.host | length > 0) and (.device | length > 0))'
  has run/journal.jsonl '.event == "hardware" and (.step == 63)'
  "$BIN/ckpt" verify --full run@62
  calm --run run --inject flip@63:rank=0
  cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/calm")
}

@test "a batch of rare tokens is a spike of the data: the rerun sees the same bits" {
  calm --run run --inject rare@90
  has run/trace.jsonl '.event == "spike" and .step == 90 and (.rerun == "same bits")'
  cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/calm")
}

@test "--check-replicas computes a step twice and changes nothing" {
  calm --run run --check-replicas 10
  cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/calm")
  run --separate-stderr calm --run flip --check-replicas 7 --inject flip@7
  [ "$status" -eq 6 ]
  [[ "$stderr" == *"at step 7"* ]]
}

@test "three restarts from one checkpoint end the run with 5; the next start tries again" {
  calm_args --run run --ckpt-every 1000
  for k in 1 2 3 4; do
    "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
      [ "$(cat run/journal.jsonl 2>/dev/null | grep -cE '"event":"(start|resume)"')" -lt "$k" ] || break
    done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  run --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [ "$status" -eq 5 ]
  [[ "$stderr" == *"3 restarts made no progress"* ]]
  "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/calm")
}

@test "a checkpoint older than a rollback's margin is always there" {
  calm --run run --guard rollback:50,stop --keep last=1 --ckpt-every 5
  ls run/ckpt
  # No value is above the threshold, so the earliest onset that can still be found is that of step 131: 131 - 50.
  oldest=$(ls run/ckpt | grep step- | head -1)
  [ "${oldest#step-}" -le 81 ]
  [ -e run/ckpt/step-000000080 ]
  [ "$(ls run/ckpt | grep -c step-)" -le 7 ]
}
