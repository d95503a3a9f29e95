#!/usr/bin/env bats
# kill -9 at random moments, resumed each time: the surviving line of the trace is that of the run that was never
# interrupted, bit for bit, and every checkpoint on disk verifies. KILLS and STEPS make it longer.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; }
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# Waits until the trace has a step record of step $2 or later, or the process $3 has ended.
wait_for_step() {
  while kill -0 "$3" 2>/dev/null; do
    if grep -qs "\"type\":\"step\".*\"step\":$2," "$1/trace.jsonl"; then return; fi
  done
}

@test "kill -9 at random moments loses nothing, also with another number of threads" {
  local kills=${KILLS:-4} steps=${STEPS:-60} seed=${KILL_SEED:-1}
  train --run whole --steps "$steps" -j1
  losses whole > whole.txt
  [ "$(wc -l < whole.txt)" -eq "$steps" ]
  RANDOM=$seed
  local k pid at
  for ((k = 1; k <= kills; k++)); do
    at=$((steps * k / (kills + 1) + RANDOM % 5))
    train_args --run cut --steps "$steps" -j$((1 + k % 2))
    "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
    pid=$!
    wait_for_step cut "$at" "$pid"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" || true
    for checkpoint in cut/ckpt/step-?????????; do
      [ ! -d "$checkpoint" ] || [ ! -x "$BIN/ckpt" ] || "$BIN/ckpt" verify --full "$checkpoint"
    done
  done
  train --run cut --steps "$steps" -j2
  losses cut > cut.txt
  cmp whole.txt cut.txt
  [ "$(grep -c '"type":"run"' cut/trace.jsonl)" -gt 1 ]
}

@test "a finished run resumed exits 0 at once and changes nothing" {
  train --run run --steps 12
  cp run/trace.jsonl before
  run train --run run --steps 12
  [ "$status" -eq 0 ]
  cmp before run/trace.jsonl
}

@test "resuming with a different model or data order says which field differs" {
  train --run run --steps 10
  sed 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' "$BATS_FILE_TMPDIR/lab/config.json" > other.json
  run --separate-stderr train --run run --steps 20 --model other.json
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"num_hidden_layers is 3 here and 2 in the checkpoint"* ]]
  run --separate-stderr train --run run --steps 10 --data-seed 5
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"data_seed is 5 here and 0 in the checkpoint"* ]]
}

@test "resuming on tokens that changed under the same index is refused" {
  cp "$BATS_FILE_TMPDIR"/lab/train.* .
  train_args --run run --steps 4
  local moved=("${TRAIN_ARGS[@]/$BATS_FILE_TMPDIR\/lab\/train/train}")
  "$BIN/pretrain" "${moved[@]}"
  head -c 64 /dev/zero | dd of=train.bin conv=notrunc status=none
  run --separate-stderr "$BIN/pretrain" "${moved[@]}"
  echo "$stderr"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"cannot resume: the content of shard 'train' is "* ]]
}

@test "a run whose checkpoints are all damaged is refused, not begun anew" {
  train --run run --steps 12
  for file in run/ckpt/step-*/model*.safetensors; do truncate -s 100 "$file"; done
  cp run/trace.jsonl before
  run --separate-stderr train --run run --steps 20
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"no checkpoint of the run is usable"* ]]
  cmp before run/trace.jsonl
}
