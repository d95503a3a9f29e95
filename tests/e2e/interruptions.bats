#!/usr/bin/env bats
# Signals, kills and full disks at every place that matters: the run ends as pretrain(1) says, nothing is lost, and the
# next start continues on the line of the run that was never disturbed.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  (cd "$BATS_FILE_TMPDIR/lab" && "$SUPPORT/training_tool" shard long 400 3)
  quick --run "$BATS_FILE_TMPDIR/whole" --steps 6
}
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  shim="$SUPPORT/inject_errors.so"
  # The shim does not go with a sanitizer's own runtime.
  if ldd "$BIN/pretrain" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
}
quick_args() { train_args --batch-tokens 512 --ckpt-every 2 -j1 "$@"; }
quick() { quick_args "$@"; "$BIN/pretrain" "${TRAIN_ARGS[@]}"; }

# attempt CALL:N[:MODE] ...: quick under that fault; the status is pretrain's.
attempt() {
  rm -f fired
  quick_args "${@:2}"
  LD_PRELOAD="$shim" INJECT_ERRORS="$1" INJECT_ERRORS_LOG=fired "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> message
}
# What is left of run $1 goes on to the line of the run that was never disturbed.
goes_on() {
  quick --run "$1" --steps 6
  cmp <(losses "$1") <(losses "$BATS_FILE_TMPDIR/whole")
  "$BIN/ckpt" verify --full "$1"
}

# every CALL MODE STATUS: the fault at each call of its kind in turn, until it no longer fires.
every() {
  local n status
  for ((n = 1; ; n++)); do
    status=0
    attempt "$1:$n$2" --run "run-$n" --steps 6 || status=$?
    if [ ! -e fired ]; then break; fi
    echo "$1 $n$2: exit $status, $(tail -1 message)"
    [[ "$status" =~ ^($3)$ ]]
    goes_on "run-$n"
    rm -r "run-$n"
  done
  [ "$status" -eq 0 ]
  echo "$((n - 1)) calls"
  [ "$n" -gt 10 ]
}

@test "the disk is full from the n-th write on, for every n" {
  every write :all 3
}

@test "kill -9 at every write" {
  every write :kill 137
}

@test "kill -9 at every sync, of saves above all" {
  every fsync :kill 137
}

@test "SIGUSR1 at every sync: a checkpoint, 75, and the same line" {
  # In the last step's saves the run is done all the same.
  every fsync :usr1 "75|0"
}

@test "SIGUSR1 in the first step saves and exits 75" {
  quick_args --run run --steps 6
  signal_when USR1 '"type":"run"' run
  [ "$status" -eq 75 ]
  "$BIN/ckpt" verify --full run
  goes_on run
}

@test "SIGUSR1 in an evaluation cuts it short; the next start makes it" {
  local lab=$BATS_FILE_TMPDIR/lab
  more=(--val "$lab/long" --val-tokens 1M --val-every 3)
  quick --run calm --steps 6 "${more[@]}"
  quick_args --run run --steps 6 "${more[@]}"
  signal_when USR1 '"type":"step".*"step":3,' run
  [ "$status" -eq 75 ]
  quick --run run --steps 6 "${more[@]}"
  cmp <(losses run) <(losses calm)
  cmp <(jq -c 'select(.type == "eval") | [.step, .loss]' run/trace.jsonl) \
    <(jq -c 'select(.type == "eval") | [.step, .loss]' calm/trace.jsonl)
}

@test "SIGUSR1 in the last evaluation is no finished run: 75, and the next start makes it" {
  local lab=$BATS_FILE_TMPDIR/lab
  more=(--val "$lab/long" --val-tokens 1M)
  quick --run calm --steps 6 "${more[@]}"
  quick_args --run run --steps 6 "${more[@]}"
  signal_when USR1 '"type":"step".*"step":6,' run
  [ "$status" -eq 75 ]
  run ! grep -q '"type":"eval"' run/trace.jsonl
  quick --run run --steps 6 "${more[@]}" --json > result
  jq -e '.exit_code == 0 and (.validation_loss > 0)' result
  cmp <(jq -c 'select(.type == "eval") | [.step, .loss]' run/trace.jsonl) \
    <(jq -c 'select(.type == "eval") | [.step, .loss]' calm/trace.jsonl)
  cp run/trace.jsonl before
  quick --run run --steps 6 "${more[@]}"
  cmp before run/trace.jsonl
}
