#!/usr/bin/env bats
# The nccl transport under pretrain: emulated devices, and a stand-in for the library. What it says when it is not to be
# had, what it refuses, and how ranks end when one of them is lost.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  small_model config.json
}
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  needs_emulation
  "$BIN/pretrain" --version | grep -q 'nccl transport *present' || skip "this build found no header of NCCL"
  export BALLAST_NCCL=$SUPPORT/nccl_stand_in.so
}
# N ranks by a transport, in the folder of that name; further options win.
by() {
  local transport=$1 n=$2
  shift 2
  ranks "$n" --device emu --precision fp32 --transport "$transport" --seq-len 32 --batch-tokens 256 --micro-batch 2 \
    --steps 4 --clip fixed:1.0 --ckpt-every 2 --keep all "$@"
}
within() { # losses and norms of two runs, relative
  paste <(losses "$2") <(losses "$3") | awk -v bound="$1" '
    function off(a, b) { return (a > b ? a - b : b - a) / (b > 0 ? b : 1) }
    $1 != $4 || off($2, $5) > bound || off($3, $6) > 10 * bound { print; bad = 1 }
    { n++ }
    END { exit bad || n == 0 }'
}

# Sums in another order: both lines leave each other by rounding alone.
@test "two and four ranks train the line of tcp" {
  by tcp 2 --run tcp
  by nccl 2 --run two
  by nccl 4 --run four
  by nccl 2 --zero 1 --run sharded
  by nccl 2 --zero 2 --run cut-gradients
  by nccl 2 --zero 3 --run cut-weights
  for run in two four sharded cut-gradients cut-weights; do within 1e-5 "$run" tcp; done
  [ "$(jq -r .environment.sums two/ckpt/step-000000004/state.json)" = \
    "test library in NCCL's place, as of 2.28.9, NCCL_ALGO=Ring, NCCL_PROTO=Simple, NCCL_MIN_CTAS=16, NCCL_MAX_CTAS=16" ]
  [ "$(jq -r .environment.sums tcp/ckpt/step-000000004/state.json)" = pairwise ]
}

# Sums, gathered weights and all stay on the device: a rank waits for it where the laws decide, whatever it shares.
@test "a step of a rank waits once for its device" {
  local stage steps
  for stage in 0 1 2 3; do
    for steps in 2 6; do
      BALLAST_DEVICE_STATISTICS=counts.$steps by nccl 2 --zero $stage --steps $steps --run "waits-$stage-$steps" --ckpt-every 1000
    done
    [ $(($(jq -s 'map(.waits) | max' counts.6) - $(jq -s 'map(.waits) | max' counts.2))) -eq 4 ] ||
      { echo "stage $stage" >&2; cat counts.2 counts.6 >&2; return 1; }
    rm counts.2 counts.6
  done
}

@test "it resumes bit for bit, and says when another order of sums takes over" {
  by nccl 2 --run whole
  cp -r whole cut
  rm -r cut/ckpt/step-000000004
  echo step-000000002 > cut/ckpt/latest
  cp -r cut moved
  by nccl 2 --run cut
  cmp <(losses whole) <(losses cut)
  cmp {whole,cut}/ckpt/step-000000004/model-00001-of-00001.safetensors
  by tcp 2 --run moved
  grep -q 'not bit-exact: sums was .*NCCL.* and is "pairwise" now' rank0.err
}

@test "what it sets is said, what is set stays, and both are in the trace" {
  BALLAST_WORLD_SIZE=1 BALLAST_RANK=0 BALLAST_MASTER=127.0.0.1:1 NCCL_PROTO=LL SLURM_JWT=hidden run --separate-stderr \
    "$BIN/pretrain" --model "$BATS_FILE_TMPDIR/lab/config.json" --data "$BATS_FILE_TMPDIR/lab/train" --device emu \
    --transport self --seq-len 32 --batch-tokens 64 --micro-batch 2 --steps 1 --run alone -q
  [ "$status" -eq 0 ]
  [ "$(jq -c 'select(.type == "run") | .environment | with_entries(select(.key == "NCCL_PROTO" or .key == "SLURM_JWT"))' alone/trace.jsonl)" = '{"NCCL_PROTO":"LL"}' ]
  train_args --device emu --transport nccl --seq-len 32 --batch-tokens 64 --micro-batch 2 --steps 1 --run one
  NCCL_PROTO=LL run -0 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]/#-q/-j1}"
  [[ "$stderr" == *"nccl: set for the same bits in every run: NCCL_ALGO=Ring, NCCL_MIN_CTAS=16, NCCL_MAX_CTAS=16"* ]]
  [ "$(jq -r 'select(.type == "run") | .environment | .NCCL_ALGO + " " + .NCCL_PROTO' one/trace.jsonl)" = "Ring LL" ]
}

@test "what it cannot promise is refused: 2, one line, nothing written" {
  train_args --device emu --transport nccl --steps 2 --seq-len 32 --run refused
  NCCL_ALGO=NVLS run -2 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [ "$stderr" = "pretrain: error: NCCL_ALGO=NVLS (runs must repeat to the bit: Ring, Tree, or both, for all functions)" ]
  NCCL_MIN_CTAS=4 run -2 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [[ "$stderr" == "pretrain: error: NCCL_MIN_CTAS=4 ("* ]]
  run -2 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}" --deterministic world
  [ "$stderr" = "pretrain: error: --deterministic world with --transport nccl (nccl adds in an order of its own; tcp and mpi add in one tree)" ]
  run -2 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}" --device cpu
  [ "$stderr" = "pretrain: error: transport is not available: nccl (it moves the memory of CUDA devices, and this is cpu)" ]
  [ ! -e refused ]
}

@test "no library, too little of one, or not for this device: 4, with its name" {
  train_args --device emu --transport nccl --steps 2 --seq-len 32 --run refused
  BALLAST_NCCL=/nonexistent/nccl.so run -4 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [[ "$stderr" == *"cannot load NCCL"*"/nonexistent/nccl.so"* ]]
  BALLAST_NCCL=$SUPPORT/nccl_fragment.so run -4 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [[ "$stderr" == *"nccl_fragment.so"*"it has no ncclCommInitRankConfig"* ]]
  [ ! -e refused ]
}

# The other rank must not wait: for its start, the others' timeout is far longer than the test may take.
@test "one rank that cannot load it ends both with 4" {
  train_args -j1 --device emu --transport nccl --steps 2 --seq-len 32 --batch-tokens 256 --micro-batch 2 --run refused
  local port pid status
  port=$("$SUPPORT/training_tool" port)
  export BALLAST_WORLD_SIZE=2 BALLAST_MASTER=127.0.0.1:$port BALLAST_COMM_TIMEOUT=100000
  BALLAST_NCCL=/nonexistent/nccl.so BALLAST_RANK=1 "$BIN/pretrain" "${TRAIN_ARGS[@]}" 2> rank1.err &
  pid=$!
  BALLAST_RANK=0 run -4 --separate-stderr "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  [[ "$stderr" == *"rank 1 cannot use NCCL"* ]]
  status=0
  wait "$pid" || status=$?
  [ "$status" -eq 4 ]
  grep -q 'cannot load NCCL' rank1.err
  [ ! -e refused ]
}

@test "a rank that is killed ends the others with 4 and its number" {
  local pid status
  start_ranks 3 --device emu --precision fp32 --transport nccl --seq-len 32 --batch-tokens 192 --micro-batch 2 \
    --steps 100000 --clip fixed:1.0 --ckpt-every 100000 --run run
  until grep -qs '"step":3,' run/trace.jsonl; do kill -0 "${PIDS[0]}"; done
  kill -9 "${PIDS[2]}"
  wait_ranks
  [ "${STATUSES[*]}" = "4 4 137" ]
  grep -q 'lost rank 2' rank0.err
}

@test "a call that fails on one rank ends all with 4, at once or later" {
  export BALLAST_STAND_IN_FAULT
  for BALLAST_STAND_IN_FAULT in 1:ncclAllReduce@5:error 0:ncclAllReduce@5:late; do
    EXPECTED=4 by nccl 2 --run run
    grep -q 'stand-in: ' rank?.err
    rm -r run
  done
}
