#!/usr/bin/env bats
# --param-dtype bf16: matrices are stored once, in bf16, and updated with stochastic rounding. The line is that of fp32 masters
# within what the roundings explain; everything else (resume, ranks, averages, the guard) holds bit for bit as it does there.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  small_model small.json
}
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  LAB=$BATS_FILE_TMPDIR/lab
  SMALL=(--model "$LAB/small.json" --seq-len 32 --batch-tokens 256 --micro-batch 4 --param-dtype bf16)
  TINY=("${SMALL[@]}" --batch-tokens 64 --micro-batch 2)  # for the emulation
}
weights() { cat "$1"/ckpt/step-*"$2"/model-*.safetensors; }
same_run() { cmp <(losses "$1") <(losses "$2") && cmp <(weights "$1" "$3") <(weights "$2" "$3"); }

# holds_bf16 RUN: prints how many values of tensors of rank 2 are no bf16, and whether there are others.
holds_bf16() {
  perl -e '
    local $/; binmode STDIN; my $data = <STDIN>;
    my $n = unpack("Q<", $data); my $header = substr($data, 8, $n);
    my ($bad, $matrices, $vectors) = (0, 0, 0);
    while ($header =~ /"([^"]+)":\{"dtype":"F32","shape":\[([0-9,]+)\],"data_offsets":\[(\d+),(\d+)\]/g) {
      my ($name, $shape, $from, $to) = ($1, $2, $3, $4);
      my $low = grep { $_ & 0xFFFF } unpack("L<*", substr($data, 8 + $n + $from, $to - $from));
      if ($shape =~ /,/) { $matrices++; $bad += $low } else { $vectors += $low }
    }
    print "$matrices matrices, $bad wide values, ", ($vectors ? "vectors are wide" : "no wide vectors"), "\n";
  ' < "$(echo "$1"/ckpt/step-*"$2"/model-00001-of-00001.safetensors)"
}

# Every rounding of a weight has a deviation of at most half an ulp, 2^-8 of it, so ten updates leave it sqrt(10) * 2^-8 = 1.2 %
# from where masters would, and the ten matrices between tokens and a logit move that by sqrt(10) * 1.2 % = 3.9 %. Weights
# begin at 0.02 and ten steps of 3e-3 move them by 0.03 at most, so logits, sums of 128 of them, deviate by 0.57 at most: 0.022
# of a loss near log 512, 0.4 %. The first step sees weights that are rounded to the nearest, as products round masters.
@test "preset emu in the emulation: ten steps near those with fp32 masters" {
  needs_emulation
  local type
  for type in fp32 bf16; do
    "$BIN/pretrain" --model emu --data "$LAB/train" --device emu --precision bf16 --param-dtype $type --steps 10 \
      --batch-tokens 128 --seq-len 64 --micro-batch 1 --lr 3e-3 --ckpt-every 10 --run $type -q
    losses $type > $type.txt
  done
  paste fp32.txt bf16.txt | awk '
    { d = ($2 > $5 ? $2 - $5 : $5 - $2) / $2; n++ }
    $1 != $4 || d > 0.004 || (n == 1 && ($2 != $5 || $3 != $6)) { print; bad = 1 }
    END { exit bad || n != 10 }'
  run ! cmp -s fp32.txt bf16.txt
  [ "$(holds_bf16 bf16 10)" = "15 matrices, 0 wide values, vectors are wide" ]
  [[ "$(holds_bf16 fp32 10)" != *" 0 wide values"* ]]
  "$BIN/ckpt" verify --full bf16
}

# Two arithmetics of f32 put a weight on two sides of a value of bf16 in 2^-13 of all updates (8 roundings of 2^-24 of a weight
# in an ulp of 2^-8), 4 of 36,000 a step, and then it is an ulp off: 40 of them, 0.1 % of the weights by at most 0.8 %.
@test "the cpu keeps values of bf16 in f32 and follows the kernels in fp32" {
  needs_emulation
  local device
  for device in cpu emu; do
    train "${SMALL[@]}" --device $device --precision fp32 --steps 10 --run $device --clip fixed:1.0
    losses $device > $device.txt
    [ "$(holds_bf16 $device 10)" = "15 matrices, 0 wide values, vectors are wide" ]
  done
  paste cpu.txt emu.txt | awk '
    { d = ($2 > $5 ? $2 - $5 : $5 - $2) / $2; n++ }
    $1 != $4 || d > 1e-4 { print; bad = 1 }
    END { exit bad || n != 10 }'
}

@test "a resumed run has the bits of one that was not interrupted, with any number of threads" {
  local device devices=(cpu)
  if has_emulation; then devices+=(emu); fi
  for device in "${devices[@]}"; do
    train "${TINY[@]}" --device $device --run whole --steps 6 --ckpt-every 3 --keep all -j1
    cp -r whole cut
    rm -r cut/ckpt/step-000000006
    echo step-000000003 > cut/ckpt/latest
    train "${TINY[@]}" --device $device --run cut --steps 6 --ckpt-every 3 --keep all -j2
    same_run whole cut 6
    cmp {whole,cut}/ckpt/step-000000006/optim-00001-of-00001.safetensors
    # From the config that the run has written.
    rm -r cut/ckpt/step-000000006
    echo step-000000003 > cut/ckpt/latest
    sed -i 's/^run = .*/run = "cut"/' cut/config.toml
    "$BIN/pretrain" --config cut/config.toml -q
    cmp <(weights whole 6) <(weights cut 6)
    rm -r whole cut
  done
}

@test "killed at any step it goes on with the same bits" {
  local pid kills=0 seen
  train "${SMALL[@]}" --run calm --steps 40 --ckpt-every 2 --keep all
  train_args "${SMALL[@]}" --run run --steps 40 --ckpt-every 2 --keep all
  while [ $kills -lt 3 ]; do
    seen=$(find run/ckpt -name 'step-*' 2> /dev/null | wc -l)
    "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
    pid=$!
    while kill -0 $pid 2> /dev/null && [ "$(find run/ckpt -name 'step-*' 2> /dev/null | wc -l)" -le "$seen" ]; do :; done
    kill -9 $pid
    wait $pid || true
    kills=$((kills + 1))
  done
  "$BIN/pretrain" "${TRAIN_ARGS[@]}"
  same_run calm run 40
}

@test "every stage of ZeRO gives the same bits, and so does every number of ranks with --deterministic world" {
  local zero n spec
  for spec in adamw ademamix stable_adamw; do
    for zero in 0 1 2 3; do
      ranks 2 "${SMALL[@]}" --run run$zero --steps 4 --optimizer $spec --stability sigma_reparam,qk_norm --zero $zero
      same_run run$zero run0 4
    done
    rm -r run?
  done
  for n in 1 2 4; do
    ranks $n "${SMALL[@]}" --micro-batch 1 --run world$n --steps 4 --deterministic world --zero 1
    same_run world$n world1 4
  done
}

@test "every stage of ZeRO gives the same bits on devices, and plan counts what they allocate" {
  needs_emulation
  local zero options=("${TINY[@]}" --micro-batch 1 --device emu --precision bf16 --steps 3 --clip fixed:1.0 --lr 3e-3 --swa every=2)
  for zero in 0 1 2 3; do
    BALLAST_DEVICE_STATISTICS=counts ranks 2 "${options[@]}" --run run$zero --zero $zero
    same_run run$zero run0 3
    "$BIN/pretrain" plan "${options[@]}" --data "$LAB/train" --ranks 2 --zero $zero --json > plan.json
    [ "$(jq -s 'map(.peak_bytes) | max' counts)" -eq "$(jq .memory_bytes.device plan.json)" ] || { cat counts plan.json >&2; return 1; }
    rm counts
  done
}

@test "plan says what is saved, which is what a run takes less" {
  needs_emulation
  local type peak options=("${TINY[@]}" --device emu --precision bf16 --steps 2 --clip fixed:1.0 --lr 3e-3)
  for type in fp32 bf16; do
    BALLAST_DEVICE_STATISTICS=counts train "${options[@]}" --param-dtype $type --run $type --optimizer ademamix --layers-every 1
    "$BIN/pretrain" plan "${options[@]}" --data "$LAB/train" --param-dtype $type --optimizer ademamix --layers-every 1 --json \
      > $type.json
    [ "$(jq .memory_bytes.device $type.json)" -eq "$(tail -1 counts | jq .peak_bytes)" ]
    [ "$(jq -r .param_dtype $type.json)" = $type ]
  done
  [ "$(jq .param_dtype_saves_bytes bf16.json)" -eq $(($(jq .memory_bytes.device fp32.json) - $(jq .memory_bytes.device bf16.json))) ]
  [ "$(jq .param_dtype_saves_bytes bf16.json)" -gt 0 ]
  [ "$(jq .memory_bytes.packed_weights bf16.json)" -eq 0 ]
  [ "$(jq .param_dtype_saves_bytes fp32.json)" = null ]
  # The CPU keeps f32 whatever the values: it saves nothing and says so.
  "$BIN/pretrain" plan "${options[@]}" --data "$LAB/train" --device cpu --precision fp32 > plan.txt
  grep -qx 'param_dtype  bf16: 0 B less than with fp32' plan.txt
}

@test "averages stay fp32, are evaluated as from a checkpoint, and leave the weights as they were" {
  local device devices=(cpu)
  if has_emulation; then devices+=(emu); fi
  for device in "${devices[@]}"; do
    train "${TINY[@]}" --device $device --run plain --steps 6 --swa every=2,window=4 --ema decay=0.9,every=1
    train "${TINY[@]}" --device $device --run evaluated --steps 6 --swa every=2,window=4 --ema decay=0.9,every=1 \
      --val "$LAB/val" --val-tokens 128 --val-every 1
    same_run plain evaluated 6
    cmp {plain,evaluated}/ckpt/step-000000006/optim-00001-of-00001.safetensors
    for set in swa ema; do
      "$BIN/pretrain" eval evaluated --device $device --data "$LAB/val" --eval-tokens 128 --weights $set --micro-batch 2 --json \
        > $set.json
      [ "$(grep -o '"loss":[^,]*' $set.json)" = \
        "$(grep "\"set\":\"val:$set\"" evaluated/trace.jsonl | tail -1 | grep -o '"loss":[^,]*')" ]
    done
    rm -r plain evaluated
  done
}

@test "the guard's ways back, a skipped step, an injected spike and a rerun keep the same bits" {
  local device devices=(cpu)
  if has_emulation; then devices+=(emu); fi
  for device in "${devices[@]}"; do
    for kind in snapshots checkpoints; do
      run -6 train "${TINY[@]}" --device $device --steps 12 --ckpt-every 4 --keep all --check-replicas 2 --clip fixed:1.0 \
        --guard skip:1,rollback:2,stop --snapshot-every $([ $kind = snapshots ] && echo 2 || echo 0) \
        --inject spike@3:x=8,nan@6,flip@10 --run $kind
      [ "$(grep -c '"event":"inject"' $kind/trace.jsonl)" -eq 3 ]
      grep '"event":"skip"' $kind/trace.jsonl | grep -q '"action":"restore+skip"'
      grep -q '"event":"hardware"' $kind/trace.jsonl
    done
    # Both went back to step 4, one of them in host memory.
    cmp <(losses snapshots | awk '$1 > 6') <(losses checkpoints | awk '$1 > 6')
    cmp <(weights snapshots 9) <(weights checkpoints 9)
    rm -r snapshots checkpoints
  done
}

@test "a run of fp32 masters goes on in bf16, and back, when it is named with a reason" {
  train "${SMALL[@]}" --param-dtype fp32 --run run --steps 4 --keep all
  run -2 --separate-stderr train "${SMALL[@]}" --run run --steps 4
  [[ "$stderr" == *'cannot resume: param_dtype is "bf16" here and missing in the checkpoint'* ]]
  run -2 --separate-stderr train "${SMALL[@]}" --run run --change param_dtype=fp16 --change steps=8 --reason x
  [[ "$stderr" == *"--change: 'param_dtype=fp16' is not built (fp32 or bf16)"* ]]
  train "${SMALL[@]}" --run run --keep all --change steps=8 --change param_dtype=bf16 --reason "less memory"
  grep -q '"event":"change","step":4,"key":"param_dtype","from":null,"to":"bf16","reason":"less memory"' run/journal.jsonl
  grep '"event":"precision"' run/trace.jsonl | grep -q '"key":"param_dtype"'
  [ "$(holds_bf16 run 8)" = "15 matrices, 0 wide values, vectors are wide" ]
  # It stays in force.
  run -2 train "${SMALL[@]}" --param-dtype fp32 --run run --steps 8
  train "${SMALL[@]}" --run run --steps 8
  train "${SMALL[@]}" --run run --keep all --change steps=12 --change param_dtype=fp32 --reason "finer steps"
  grep -q '"key":"param_dtype","from":"bf16","to":null,"reason":"finer steps"' run/journal.jsonl
  [[ "$(holds_bf16 run 12)" != *" 0 wide values"* ]]
  [ "$(losses run | wc -l)" -eq 12 ]
}

@test "another type is refused" {
  run -2 --separate-stderr train --param-dtype fp16 --run refused --steps 2
  [[ "$stderr" == *"--param-dtype: 'fp16' is not one of fp32, bf16"* ]]
  [ ! -e refused ]
}
