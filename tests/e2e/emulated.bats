#!/usr/bin/env bats
# The CUDA kernels train in the host emulation, as the CPU backend does: preset emu from the start, and single steps of
# every kind of model from checkpoints that the CPU wrote. --version names a backend that this build has not got.

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
}

# within LOSS NORM A B: losses and gradient norms of the same steps, relative; prints what is not. Norms get a wider bound:
# Adam divides by the root of v, so the first steps move every weight by the learning rate whatever its gradient, and a
# gradient near zero that changes sign moves it the other way.
within() {
  paste "$3" "$4" | awk -v loss="$1" -v norm="$2" '
    function off(a, b) { return (a > b ? a - b : b - a) / (b > 0 ? b : 1) }
    $1 != $4 { print "step " $1 " beside step " $4; bad = 1 }
    off($2, $5) > loss || off($3, $6) > norm { print; bad = 1 }
    { n++ }
    END { exit bad || n == 0 }'
}

@test "preset emu: ten steps in fp32 with the losses of the cpu" {
  local device
  for device in cpu emu; do
    "$BIN/pretrain" --model emu --data "$BATS_FILE_TMPDIR/lab/train" --device $device --precision fp32 --steps 10 \
      --batch-tokens 256 --seq-len 64 --micro-batch 2 --lr 3e-3 --ckpt-every 10 --run $device -q
    losses $device > $device.txt
  done
  [ "$(wc -l < emu.txt)" -eq 10 ]
  within 1e-5 1e-4 emu.txt cpu.txt
  grep -q '"device":"CUDA kernels emulated on the host; plain matrix products; portable attention; fp32"' emu/trace.jsonl
}

# Rounding an activation to bf16 moves it by at most 2^-8 of itself and by 2^-9 in the mean, each of the fifteen or so that
# stand between the tokens and a logit independently: sqrt(15) * 2^-9 = 0.8 % of a logit, and no more of a loss near
# log 512, where logits are small. The first norm sees about as many roundings again on the way back.
@test "preset emu: ten steps in bf16 within what rounding explains" {
  local precision
  for precision in fp32 bf16; do
    "$BIN/pretrain" --model emu --data "$BATS_FILE_TMPDIR/lab/train" --device emu --precision $precision --steps 10 \
      --batch-tokens 128 --seq-len 64 --micro-batch 1 --lr 3e-3 --ckpt-every 10 --run $precision -q
    losses $precision > $precision.txt
  done
  within 0.008 10 bf16.txt fp32.txt
  within 0.008 0.016 <(head -1 bf16.txt) <(head -1 fp32.txt)
  run ! cmp -s bf16.txt fp32.txt
  grep -q '"precision":"bf16"' bf16/trace.jsonl
  # Attention by the instructions of sm_90a rounds in other places.
  BALLAST_ATTENTION=hopper "$BIN/pretrain" --model emu --data "$BATS_FILE_TMPDIR/lab/train" --device emu --precision bf16 \
    --steps 3 --batch-tokens 128 --seq-len 64 --micro-batch 1 --lr 3e-3 --ckpt-every 10 --run hopper -q
  losses hopper > hopper.txt
  within 0.008 10 hopper.txt <(head -3 fp32.txt)
  run ! cmp -s hopper.txt <(head -3 bf16.txt)
  grep -q '"device":"CUDA kernels emulated on the host; plain matrix products; hopper attention; bf16"' hopper/trace.jsonl
}

# single_steps NAME OPTION...: two steps on the cpu, then two more there and two more in the emulation.
single_steps() {
  local name=$1 lab=$BATS_FILE_TMPDIR/lab device
  shift
  local command=("$BIN/pretrain" --model "$lab/config.json" --data "$lab/train" --seq-len 32 --micro-batch 2
    --batch-tokens 128 --steps 4 --lr 3e-3 --clip fixed:1.0 --ckpt-every 2 --keep all --precision fp32 -q "$@")
  "${command[@]}" --device cpu --run "$name-cpu"
  cp -r "$name-cpu" "$name-emu"
  rm -r "$name-emu/ckpt/step-000000004"
  echo step-000000002 > "$name-emu/ckpt/latest"
  "${command[@]}" --device emu --run "$name-emu"
  for device in cpu emu; do losses "$name-$device" > "$name-$device.txt"; done
  within 1e-5 1e-4 "$name-emu.txt" "$name-cpu.txt" || { echo "$name" >&2; return 1; }
}

@test "single steps from checkpoints of the cpu: every switch" {
  source "$SRC/tests/support/resume_case.bash"
  local i
  for ((i = 0; i < ${#MATRIX_SWITCHES[@]}; i++)); do
    single_steps "switches$i" --stability "${MATRIX_SWITCHES[i]}"
  done
}

@test "single steps from checkpoints of the cpu: every optimizer" {
  source "$SRC/tests/support/resume_case.bash"
  local i
  for ((i = 0; i < ${#MATRIX_OPTIMIZERS[@]}; i++)); do
    single_steps "optimizer$i" --optimizer "${MATRIX_OPTIMIZERS[i]}" --z-loss 1e-4 --goldfish k=7,h=13
  done
}

@test "the emulation resumes bit for bit" {
  train --device emu --run whole --steps 4 --seq-len 32 --batch-tokens 128 --micro-batch 2 --ckpt-every 2 -j1
  cp -r whole cut
  rm -r cut/ckpt/step-000000004
  echo step-000000002 > cut/ckpt/latest
  train --device emu --run cut --steps 4 --seq-len 32 --batch-tokens 128 --micro-batch 2 --ckpt-every 2 -j2
  cmp <(losses whole) <(losses cut)
  cmp {whole,cut}/ckpt/step-000000004/model-00001-of-00001.safetensors
}

@test "what a device does not compute in is refused" {
  run -2 --separate-stderr train --device cpu --precision bf16 --run refused --steps 2 --seq-len 32
  [ "$stderr" = "pretrain: error: --precision bf16 (the cpu computes in fp32)" ]
  [ ! -e refused ]
}

# What reads the device between the steps: evaluation, averages, statistics of the layers, snapshots, a way back to one, a
# rerun. Streams of the emulation run nothing before somebody waits for it.
@test "everything around the steps waits for the device" {
  local device lab=$BATS_FILE_TMPDIR/lab
  for device in cpu emu; do
    run -6 "$BIN/pretrain" --model "$lab/config.json" --data "$lab/train" --val "$lab/val" --val-every 3 --val-tokens 256 \
      --device $device --precision fp32 --seq-len 32 --micro-batch 2 --batch-tokens 128 --steps 10 --lr 3e-3 \
      --clip fixed:1.0 --ckpt-every 4 --keep all --layers-every 2 --snapshot-every 3 --check-replicas 4 \
      --swa every=2 --ema decay=0.9 --guard skip:1,rollback:2,stop --inject nan@6,flip@8 --run $device -q
    losses $device > $device.txt
    jq -c 'select(.type == "event") | [.event, .step, .action]' $device/trace.jsonl > $device.events
    jq -c 'select(.type == "eval") | [.step, (.loss * 1e3 | round)]' $device/trace.jsonl > $device.evals
    jq -c 'select(.type == "layers") | .step' $device/trace.jsonl > $device.layers
  done
  within 1e-5 1e-4 emu.txt cpu.txt
  cat emu.events emu.evals
  grep -qx '\["skip",6,"restore+skip"\]' emu.events
  grep -qx '\["hardware",8,null\]' emu.events
  cmp emu.events cpu.events
  cmp emu.evals cpu.evals
  cmp emu.layers cpu.layers
  [ "$(wc -l < emu.layers)" -gt 2 ]
}

@test "two ranks exchange what their devices hold" {
  local device
  for device in cpu emu; do
    start_ranks 2 --device $device --precision fp32 --seq-len 32 --batch-tokens 256 --micro-batch 2 --steps 4 \
      --clip fixed:1.0 --zero 1 --run $device
    wait_ranks
    [ "${STATUSES[*]}" = "0 0" ]
    losses $device > $device.txt
  done
  within 1e-5 1e-4 emu.txt cpu.txt
}

# counted FIELD FILE: of the last process that wrote there.
counted() { tail -1 "$2" | jq ".$1"; }

# What is logged besides loss and norm comes with the next step's wait; workspace, copies of weights and everything else is
# allocated before the first step. Steps that take statistics of the layers wait for each layer, and are none of these.
@test "a step waits once for the device and allocates nothing" {
  local steps precision
  for precision in fp32 bf16; do
    for steps in 3 10; do
      BALLAST_DEVICE_STATISTICS=$precision.$steps train --device emu --precision $precision --run $precision-$steps \
        --steps $steps --seq-len 32 --batch-tokens 256 --micro-batch 2 --z-loss 1e-4 --optimizer stable_adamw \
        --stability sigma_reparam,qk_norm --ckpt-every 1000 --layers-every 0
    done
    [ $(($(counted waits $precision.10) - $(counted waits $precision.3))) -eq 7 ]
    [ "$(counted allocations $precision.10)" -eq "$(counted allocations $precision.3)" ]
    [ "$(counted peak_bytes $precision.10)" -eq "$(counted peak_bytes $precision.3)" ]
    # Held records miss nothing and are in order.
    jq -s -e 'map(select(.type == "step")) | length == 10 and all(.update_norm > 0 and .param_norm > 0 and .v_norm > 0)' \
      $precision-10/trace.jsonl
    [ "$(jq -r 'select(.type == "step") | .step' $precision-10/trace.jsonl | paste -sd' ')" = "1 2 3 4 5 6 7 8 9 10" ]
    [ "$(jq -r .type $precision-10/trace.jsonl | tail -1)" = event ]
  done
}

@test "plan counts what is allocated on the device, to the byte" {
  local options
  for options in "--precision bf16" "--precision fp32 --recompute block" "--precision bf16 --layers-every 2 --optimizer ademamix" \
    "--precision bf16 --optimizer stable_adamw --stability qk_norm,sigma_reparam --swa every=2"; do
    # shellcheck disable=SC2086
    BALLAST_DEVICE_STATISTICS=counts train --device emu --run run --steps 2 --seq-len 32 --batch-tokens 128 --micro-batch 2 $options
    # shellcheck disable=SC2086
    "$BIN/pretrain" plan --model "$BATS_FILE_TMPDIR/lab/config.json" --data "$BATS_FILE_TMPDIR/lab/train" --device emu --steps 2 \
      --seq-len 32 --batch-tokens 128 --micro-batch 2 --lr 3e-3 --clip fixed:1.0 --json $options > plan.json
    [ "$(jq .memory_bytes.device plan.json)" -eq "$(counted peak_bytes counts)" ] || { echo "$options" >&2; cat counts plan.json >&2; return 1; }
    rm -r run
  done
}

# Entropies are computed on the host from q and k, which have the type of activations there.
@test "statistics of the layers in bf16 are those of fp32, rounded" {
  local precision
  for precision in fp32 bf16; do
    train --device emu --precision $precision --run $precision --steps 2 --seq-len 32 --batch-tokens 128 --micro-batch 2 \
      --layers-every 1
    jq -c 'select(.type == "layers" and .step == 1) | [.attn_entropy_min, .attn_logit_max, .qkv_output, .residual]' \
      $precision/trace.jsonl > $precision.layers
  done
  [ -s fp32.layers ]
  jq -n -e --slurpfile a fp32.layers --slurpfile b bf16.layers \
    '[$a[0], $b[0]] | map(flatten) | transpose | length > 0 and all((.[0] - .[1] | fabs) <= 0.02 * (.[0] | fabs) + 1e-4)'
}

@test "a device is named by its number" {
  run -2 --separate-stderr train --device cuda:x --run refused --steps 2 --seq-len 32
  [[ "$stderr" == *"'cuda:x' is not one of auto, cpu, cuda, emu"* ]]
  run ! --separate-stderr train --device cuda:4321 --run refused --steps 2 --seq-len 32
  [[ "$stderr" == *"cuda"* ]]
  [ ! -e refused/trace.jsonl ]
}

@test "plan counts what every stage of ZeRO allocates on a rank's device" {
  local stage options=(--device emu --precision bf16 --seq-len 32 --batch-tokens 256 --micro-batch 2 --steps 2 --clip fixed:1.0)
  for stage in 0 1 2 3; do
    BALLAST_DEVICE_STATISTICS=counts start_ranks 2 "${options[@]}" --zero $stage --run "zero$stage"
    wait_ranks
    [ "${STATUSES[*]}" = "0 0" ]
    "$BIN/pretrain" plan --model "$BATS_FILE_TMPDIR/lab/config.json" --data "$BATS_FILE_TMPDIR/lab/train" "${options[@]}" \
      --lr 3e-3 --ranks 2 --zero $stage --json > plan.json
    [ "$(jq -s 'map(.peak_bytes) | max' counts)" -eq "$(jq .memory_bytes.device plan.json)" ] || { echo "$stage" >&2; return 1; }
    rm counts
  done
}
