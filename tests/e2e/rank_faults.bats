#!/usr/bin/env bats
# Faults of one rank among two: every rank decides alike, and the run continues on the line of the undisturbed one.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  cd "$BATS_FILE_TMPDIR" || return 1
  pair --run "$BATS_FILE_TMPDIR/calm"
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }
pair() {
  ranks 2 --batch-tokens 512 --seq-len 64 --micro-batch 2 --schedule constant --lr 2e-3 --steps 60 "$@"
}
same_line() { cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/calm"); }
# Some line of the JSON Lines file $1 fulfils $2.
has() { jq -es "any(.[]; $2)" "$1" > /dev/null; }

@test "a NaN on one rank is dropped and the step repeated by all" {
  pair --run run --inject nan@33:rank=1
  has run/trace.jsonl '.event == "nan" and .step == 33 and .rerun == "same bits"'
  same_line
}

@test "a bit flipped on one rank ends all with 6; the next start goes on" {
  EXPECTED=6 pair --run run --inject flip@43:rank=1
  has run/trace.jsonl '.event == "hardware" and .step == 43 and (.host | length == 2)'
  pair --run run --inject flip@43:rank=1
  same_line
}

@test "a spike is answered from every rank's own memory" {
  pair --run run --inject spike@45:x=100 --snapshot-every 10 --ckpt-every 25
  has run/journal.jsonl '.event == "restore" and .step == 40'
  same_line
}

@test "ranks hold the same weights, and every rank's sequences can be named" {
  pair --run run --check-replicas 10 --inject rare@50
  has run/trace.jsonl '.event == "spike" and .step == 50 and (.samples | sort == [392, 393, 394, 395, 396, 397, 398, 399])'
  has run/trace.jsonl '.type == "step" and .comm_ms >= 0'
  same_line
}

# A rank that waits for another one blocks the signals of a stop.
waiting() {
  grep -q '^Name:.pretrain' "/proc/$1/status" && (($(awk '/^SigBlk/ { print "0x" $2 }' "/proc/$1/status") & 1 << 14))
}

@test "a signal while ranks wait for each other ends the waiting: 75, nothing written" {
  for rank in 0 1; do
    for signal in TERM INT USR1; do
      train_args -j1 --run run --steps 10
      BALLAST_RANK=$rank BALLAST_WORLD_SIZE=2 BALLAST_MASTER=127.0.0.1:$("$SUPPORT/training_tool" port) \
        BALLAST_COMM_TIMEOUT=600 "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
      pid=$!
      until waiting "$pid"; do kill -0 "$pid"; done
      kill -s USR2 "$pid" # asks for a save: there is nothing to save
      kill -s "$signal" "$pid"
      status=0
      wait "$pid" || status=$?
      [ "$status" -eq 75 ]
      [ ! -e run ]
    done
  done
}
