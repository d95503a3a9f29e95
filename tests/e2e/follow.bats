#!/usr/bin/env bats
# gradstat follow stops a training that goes wrong, through the pipe and from outside.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# Far more steps than anybody waits for: only a stop ends it. Without a guard the NaN is nobody else's business.
endless() {
  train_args --schedule constant --lr 2e-3 --batch-tokens 512 --steps 100000 --keep all --guard off "$@"
  exec "$BIN/pretrain" "${TRAIN_ARGS[@]}"
}

# The newest checkpoint is complete, holds the step that was looked for, and training goes on from it.
stopped_well() {
  "$BIN/ckpt" verify --full run
  [ "$(losses run | tail -1 | cut -d' ' -f1)" -ge "$1" ]
  local last
  last=$("$BIN/ckpt" list run --json | sed -n 's/.*"step":\([0-9]*\).*/\1/p' | tail -1)
  [ "$(losses run | tail -1 | cut -d' ' -f1)" -eq "$last" ]
}

@test "through the pipe: the reader finds a NaN, the writer saves and leaves with 75" {
  (endless --run run --inject nan@33 --trace -) 2> err | "$BIN/gradstat" follow - --fail-on nonfinite > out 2> words && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  echo "${status[*]}"
  [ "${status[*]}" = "75 1" ]
  [[ "$(tail -1 out)" == "step 33: nonfinite of the gradient norm: NaN"* ]]
  stopped_well 33
  [ "$(losses run | tail -1 | cut -d' ' -f1)" -le 34 ]
}

@test "through the pipe: an onset is found live where the guard would have found it" {
  (endless --run run --inject spike@150:x=100 --trace -) 2> err | "$BIN/gradstat" follow - --fail-on onset --json > out && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  echo "${status[*]}"
  [ "${status[*]}" = "75 1" ]
  [ "$(wc -l < out)" -ge 1 ]
  [[ "$(head -1 out)" =~ '"step":15'[01], ]]
  stopped_well 150
}

# The last step that the run made.
last_step() { losses "$1" | tail -1 | cut -d' ' -f1; }

@test "through the pipe: a loss that stays up is persistent 50 steps after its onset, and the run ends within a step" {
  (endless --run run --inject spike@150:x=100000 --trace -) 2> err | "$BIN/gradstat" follow - --fail-on persistent > out && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  [ "${status[*]}" = "75 1" ]
  [[ "$(tail -1 out)" =~ ^"step "([0-9]+)": persistent of the" ]]
  found=${BASH_REMATCH[1]}
  [ "$found" -ge 199 ]
  [ "$found" -le 202 ]
  stopped_well "$found"
  [ "$(last_step run)" -le $((found + 1)) ]
}

@test "through the pipe: a spike that recovers stops nothing" {
  train_args --run run --schedule constant --lr 2e-3 --batch-tokens 512 --steps 260 --guard off --inject spike@150:x=100 --trace -
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> err | "$BIN/gradstat" follow - --fail-on nonfinite,persistent > out && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  [ "${status[*]}" = "0 0" ]
  grep -q '^step 15[01]: onset of the' out
  [ "$(last_step run)" -eq 260 ]
}

@test "through the pipe: a spike that takes more than 50 steps to come back stops nothing" {
  train_args --run run --schedule constant --lr 2e-3 --batch-tokens 512 --steps 330 --guard off --inject spike@150:x=300 --trace -
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> err | "$BIN/gradstat" follow - --fail-on nonfinite,persistent > out && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  [ "${status[*]}" = "0 0" ]
  grep -q '^step 15[01]: onset of the' out
  [ "$(last_step run)" -eq 330 ]
  # It did stay up for more than 50 steps, and came back.
  run -1 "$BIN/gradstat" spikes --fail-on persistent --detector-persistent-limit 50 run
  losses run | awk '$1 > 290 && $2 > 2.9 { exit 1 }'
}

@test "in a shell job: a watcher beside the run ends it and not the job's other work" {
  cat > job << 'JOB'
"$BIN/gradstat" follow run --wait 100s --fail-on nonfinite,persistent,stall --stop run > alarms &
watcher=$!
"$BIN/pretrain" "$@" || trained=$?
wait "$watcher" || found=$?
echo "${trained:-0} ${found:-0}" > codes
JOB
  train_args --schedule constant --lr 2e-3 --batch-tokens 512 --steps 100000 --guard off --run run --inject nan@33
  BIN=$BIN bash -eu job "${TRAIN_ARGS[@]}" 2> err
  [ "$(cat codes)" = "75 1" ]
  [[ "$(tail -1 alarms)" == "step 33: nonfinite of the"* ]]
  stopped_well 33
}

# watched OPTION...: the batch script of the examples, with what it needs of Slurm played by a shell.
watched() {
  printf '#!/bin/sh\nexec "$@"\n' > srun
  chmod +x srun
  train_args --schedule constant --lr 2e-3 --batch-tokens 512 --guard off --run elsewhere "$@"
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" --dry-run > run.toml
  PATH=$PWD:$PATH PRETRAIN=$BIN/pretrain GRADSTAT=$BIN/gradstat bash "$SRC/examples/slurm/watched.sbatch" run run.toml -q
}

@test "the watched batch script ends a run whose loss stays up, and fails" {
  run --separate-stderr watched --steps 100000 --inject spike@150:x=100000
  [ "$status" -eq 1 ]
  [[ "$output" =~ "step "(199|200|201|202)": persistent of the" ]]
  [[ "$output" == *"pretrain exited 75, the watcher 1"* ]]
  stopped_well 200
}

@test "the watched batch script has the exit code of a run that finishes" {
  run --separate-stderr watched --steps 20
  [ "$status" -eq 0 ]
  [[ "$output" == *"pretrain exited 0, the watcher "* ]]
  [ "$(last_step run)" -eq 20 ]
}

@test "a pipe that nothing stops: both ends leave with 0" {
  train_args --run run --schedule constant --lr 2e-3 --batch-tokens 512 --steps 50 --trace -
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> err | "$BIN/gradstat" follow - --fail-on nonfinite,onset > out && status=("${PIPESTATUS[@]}") || status=("${PIPESTATUS[@]}")
  [ "${status[*]}" = "0 0" ]
  [ ! -s out ]
}

@test "from outside: follow --stop ends a run that it does not feed on" {
  (endless --run run --inject nan@33) 2> err &
  trainer=$!
  run --separate-stderr "$BIN/gradstat" follow run --fail-on nonfinite --stop run
  [ "$status" -eq 1 ]
  [[ "${lines[-1]}" == "step 33: nonfinite of the gradient norm: NaN"* ]]
  wait "$trainer" && status=0 || status=$?
  [ "$status" -eq 75 ]
  stopped_well 33
  [ ! -e run/control/stop ]
}
