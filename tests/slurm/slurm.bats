#!/usr/bin/env bats
# The batch scripts of examples/slurm under a real Slurm of one node, started by the test.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  cd "$BATS_FILE_TMPDIR" || return 1
  export SLURM_CONF=$BATS_FILE_TMPDIR/slurm/slurm.conf
  export PRETRAIN=$BIN/pretrain GRADSTAT=$BIN/gradstat CKPT=$BIN/ckpt TOKSHARD=$BIN/tokshard
  "$SRC/tests/slurm/cluster" start "$BATS_FILE_TMPDIR/slurm" 2> cluster.err || echo $? > cluster.code
  [ -e cluster.code ] || train --run whole "${JOB[@]}"
}
teardown_file() { "$SRC/tests/slurm/cluster" stop "$BATS_FILE_TMPDIR/slurm"; }
JOB=(--batch-tokens 1024 --seq-len 64 --micro-batch 2 --deterministic world --steps 200 --ckpt-every 10 -j1)
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  if [ -e "$BATS_FILE_TMPDIR/cluster.code" ]; then
    [ "$(cat "$BATS_FILE_TMPDIR/cluster.code")" -eq 77 ] || { cat "$BATS_FILE_TMPDIR/cluster.err" && return 1; }
    skip "no Slurm: $(cat "$BATS_FILE_TMPDIR/cluster.err")"
  fi
}

# configure OPTION...: run.toml of a run in $PWD/run
configure() {
  train_args --run "$PWD/run" "${JOB[@]}" "$@"
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" --dry-run > run.toml
}
# submit SBATCH-OPTION...: two ranks on run.toml; JOB_ID
submit() {
  JOB_ID=$(sbatch --parsable --ntasks=2 --overcommit "$@" "$SRC/examples/slurm/pretrain.sbatch" "$PWD/run.toml")
}
state() { scontrol show job "$JOB_ID" | grep -oE "$1=[^ ]*" | head -n 1 | cut -d= -f2; }
# until_true COMMAND...: polls; a quarter of an hour is for what hangs, not for what is slow on a busy machine
until_true() {
  local end=$((SECONDS + 900))
  until "$@"; do
    if [ $SECONDS -ge $end ]; then
      scontrol show job "$JOB_ID"
      cat ./*.log
      return 1
    fi
    sleep 0.1
  done
}
is() { [ "$(state "$1")" = "$2" ]; }
has_step() { grep -qs "\"type\":\"step\".*\"step\":$1," run/trace.jsonl; }
# Slurm holds requeued jobs back for two minutes; in the second of their end their credentials would not be taken.
start_again() {
  until_true is Restarts "$1"
  until_true is JobState PENDING
  scontrol update "JobId=$JOB_ID" StartTime=now+2
}
same_as_whole() { cmp <(losses run) <(losses "$BATS_FILE_TMPDIR/whole"); }

@test "a job that is told to stop is requeued and finishes on the same line" {
  configure
  submit
  until_true has_step 5
  scancel --signal=USR1 "$JOB_ID"
  start_again 1
  until_true is JobState COMPLETED
  same_as_whole
  grep -q '"reason":"signal SIGUSR1"' run/trace.jsonl
  grep -q "start 0: pretrain exited 75" pretrain-*.log
  grep -q "start 1: pretrain exited 0" pretrain-*.log
}

@test "the signal before the time limit leads to a requeue" {
  configure --steps 100000
  submit --time=1 --signal=USR1@50
  until_true is Restarts 1
  grep -q '"reason":"signal SIGUSR1"' run/trace.jsonl
  "$BIN/ckpt" verify --full run
  scancel "$JOB_ID"
}

@test "without a signal the run saves before the job ends" {
  configure --steps 100000
  submit --time=1 --signal=USR2@1
  until_true is Restarts 1
  grep -q '"reason":"wall time"' run/trace.jsonl
  scancel "$JOB_ID"
}

@test "scancel saves, and the job stays cancelled" {
  configure --steps 100000
  submit
  until_true has_step 5
  scancel "$JOB_ID"
  until_true grep -qs "pretrain exited 75" ./pretrain-*.log
  until_true is JobState CANCELLED
  is Restarts 0
  last=$(jq -s 'map(select(.type == "step").step) | max' run/trace.jsonl)
  "$BIN/ckpt" verify --full "run@$last"
}

@test "a killed rank ends the job's other ranks, and the requeued job finishes on the same line" {
  configure
  submit
  until_true has_step 15
  ranks=$(scontrol listpids "$JOB_ID.0" | awk '$5 == 1 { print $1 }')
  [ -n "$ranks" ]
  kill -9 $ranks
  start_again 1
  grep -q "error: lost rank 1" pretrain-*.log
  until_true is JobState COMPLETED
  same_as_whole
}

@test "a run that the guard stopped fails and does not come back" {
  configure --inject nan@3 --guard stop
  submit
  until_true is JobState FAILED
  is ExitCode 5:0
  is Restarts 0
}

@test "suspected hardware: the node is written down and later jobs avoid it" {
  configure
  printf '#!/bin/sh\nexit 6\n' > broken
  chmod +x broken
  PRETRAIN=$PWD/broken submit
  until_true is JobState FAILED
  is ExitCode 6:0
  [ "$(cat bad-nodes)" = localhost ]
  JOB_ID=$("$SRC/examples/slurm/chain" run.toml --ntasks=2 --overcommit --hold | awk '{ print $2 }')
  is ExcNodeList localhost
  scancel "$JOB_ID"
}

# chain's ids: pretrain P gate G convert C
start_chain() {
  ids=$("$SRC/examples/slurm/chain" run.toml --ntasks=2 --overcommit)
  read -r _ train _ gate _ convert <<< "$ids"
}

@test "a chain converts what passed its gate" {
  configure
  start_chain
  JOB_ID=$convert
  until_true is JobState COMPLETED
  [ -s run/huggingface/config.json ]
}

@test "a chain stops at a gate that a run does not pass" {
  configure --inject nan@3 --guard stop
  start_chain
  JOB_ID=$gate
  until_true is JobState FAILED
  JOB_ID=$convert
  until_true is JobState CANCELLED
  [ ! -e run/huggingface ]
}

# Four inputs of different size and packing, a vocabulary, and the shard that one process makes of them.
make_inputs() {
  local i
  mkdir in
  for i in 1 2 3 4; do
    awk -v i="$i" 'BEGIN {
      for (j = 0; j < 12000 * i; ++j)
        printf "{\"id\":\"%d-%d\",\"text\":\"Document %d of input %d has words of its own: %d %d %d.\"}\n",
          i, j, j, i, j * 7919 % 10007, j * 104729 % 9973, j * j % 8191
    }' > "in/$i.jsonl"
  done
  gzip in/2.jsonl
  zstd -q --rm in/3.jsonl
  printf '%s\n' "$PWD"/in/* > inputs.txt
  mapfile -t files < inputs.txt
  "$BIN/tokshard" vocab -q --size 300 in/1.jsonl -o tokenizer.json
  "$BIN/tokshard" build -q --tokenizer tokenizer.json "${files[@]}" -o whole
}
submit_array() {
  JOB_ID=$(BALLAST_PART_SIZE=1KiB sbatch --parsable --array=0-3 --cpus-per-task=1 \
    "$SRC/examples/slurm/tokshard.sbatch" "$PWD/inputs.txt" "$PWD/tokenizer.json" "$PWD/work")
}
tasks_in() { scontrol show job "$JOB_ID" | grep -cE "JobState=($1)"; }
ended() { [ "$(tasks_in 'COMPLETED|FAILED')" -eq 4 ]; }
completed() { [ "$(tasks_in COMPLETED)" -eq 4 ]; }
parts_made() { find work -name '*-*.json' 2> /dev/null | wc -l; }
# Until the array has ended, kills one of its processes whenever 400 parts more are there, without a chance to tidy up.
kill_array() {
  local next=$(($(parts_made) + 400)) process
  until ended; do
    if [ "$(parts_made)" -ge $next ]; then
      process=$(pgrep -f "tokshard build --parts $PWD/work " | shuf -n 1)
      if [ -n "$process" ] && kill -9 "$process"; then killed=$((killed + 1)) next=$((next + 400)); fi
    fi
    sleep 0.02
  done
}

@test "an array that is killed again and again makes the bytes of one process, and accounts for every one" {
  make_inputs
  killed=0
  while [ $killed -lt 6 ]; do
    submit_array
    kill_array
  done
  before=$(parts_made)
  run "$BIN/tokshard" verify work
  [ "$status" -eq 1 ]
  [[ "$output" == *"missing from part"* ]]
  run "$BIN/tokshard" merge work -o early
  [ "$status" -eq 7 ]
  submit_array
  until_true completed
  made=$(sed -n 's/.*: \([0-9]*\) parts\{0,1\} made.*/\1/p' tokshard-"$JOB_ID"-*.log | awk '{ sum += $1 } END { print sum }')
  [ $((before + made)) -eq "$(parts_made)" ]
  JOB_ID=$(sbatch --parsable "$SRC/examples/slurm/tokshard-merge.sbatch" "$PWD/work" "$PWD/merged")
  until_true is JobState COMPLETED
  cat tokshard-merge-*.log
  for ending in bin idx docs.jsonl.zst; do cmp "merged.$ending" "whole.$ending"; done
  "$BIN/tokshard" verify --full --json work > verdict.json
  [ "$(jq -c '[.ok,.inputs,.records,.missing,.damage]' verdict.json)" = '[true,4,120000,[],[]]' ]
  [ "$(jq .source_bytes verdict.json)" -eq "$(cat in/* | wc -c)" ]
  [ "$(jq '.documents' merged.manifest.json)" -eq 120000 ]
}
