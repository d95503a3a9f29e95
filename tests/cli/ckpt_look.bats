# ckpt list, inspect, verify, diff: what they show, and what they find.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  "$SUPPORT/make_checkpoint" run 100 300 100
}

# flip FILE OFFSET: changes one byte.
flip() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf "\\x$(printf %02x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "list: a line per checkpoint, incomplete ones with their reason" {
  rm run/ckpt/step-000000300/state.json
  "$BIN/ckpt" pin run@200 good
  run --separate-stderr "$BIN/ckpt" list run
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 3 ]
  read -r step tokens _ <<<"${lines[0]}"
  [ "$step" = 100 ]
  [ "$tokens" = 25.6K ]
  [[ "${lines[1]}" == *" good "*complete ]]
  [[ "${lines[2]}" == *"incomplete: file is missing: run/ckpt/step-000000300/state.json" ]]
  run --separate-stderr "$BIN/ckpt" list --json run
  [[ "${lines[1]}" == '{"v":1,"step":200,'*'"pins":["good"]}' ]]
  [[ "${lines[2]}" == *'"complete":false,"why":'* ]]
}

@test "list: a folder that is no run is refused; a run without checkpoints is an empty list" {
  mkdir nothing young
  : > young/trace.jsonl
  run --separate-stderr "$BIN/ckpt" list nothing
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"not a run"* ]]
  run --separate-stderr "$BIN/ckpt" list young
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "inspect: facts of one checkpoint, by every kind of address" {
  for address in run run@latest run@300 run/ckpt/step-000000300; do
    run --separate-stderr "$BIN/ckpt" inspect "$address"
    [ "$status" -eq 0 ]
    [[ "$output" == *"step             300 (segment 0)"* ]]
    [[ "$output" == *"skip ranges      16:24"* ]]
    [[ "$output" == *"parameters       4560"* ]]
  done
  run --separate-stderr "$BIN/ckpt" inspect --tensors run@100
  [[ "$output" == *"F32   [40,16]          model.embed_tokens.weight"* ]]
  run --separate-stderr "$BIN/ckpt" inspect --json run@100
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"skip_ranges":[[16,24]]'* ]]
}

@test "inspect: says what there is when a step is missing" {
  run --separate-stderr "$BIN/ckpt" inspect run@150
  [ "$status" -eq 3 ]
  [ "$stderr" = "ckpt: error: no checkpoint of step 150: run (complete are 100, 200, 300)" ]
  run --separate-stderr "$BIN/ckpt" inspect run@x
  [ "$status" -eq 2 ]
}

@test "verify: good checkpoints, at every depth" {
  for flags in "" --full --values "--full --json -j 1"; do
    run --separate-stderr "$BIN/ckpt" verify $flags run
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 3 ]
  done
  run --separate-stderr "$BIN/ckpt" verify run@150.. run@100
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 3 ]
}

@test "verify --full names the damaged tensor; the sizes alone do not show it" {
  model=run/ckpt/step-000000200/model-00001-of-00001.safetensors
  flip $model $(($(stat -c %s $model) - 1))
  run --separate-stderr "$BIN/ckpt" verify run
  [ "$status" -eq 0 ]
  run --separate-stderr "$BIN/ckpt" verify --full run
  [ "$status" -eq 1 ]
  [[ "${lines[0]}" == "ok       run/ckpt/step-000000100 "* ]]
  [ "${lines[1]}" = "damaged  run/ckpt/step-000000200: tensor is damaged: $model: model.norm.weight (its hash is not the manifest's)" ]
  [[ "${lines[2]}" == ok* ]]
}

@test "verify: truncation and missing files are found without --full" {
  truncate -s -1 run/ckpt/step-000000300/optim-00002-of-00002.safetensors
  rm run/ckpt/step-000000200/manifest.json
  run --separate-stderr "$BIN/ckpt" verify run
  [ "$status" -eq 1 ]
  [[ "${lines[1]}" == "damaged "*"checkpoint has no manifest"* ]]
  [[ "${lines[2]}" == "damaged "*"file has another size"*"optim-00002-of-00002.safetensors"* ]]
  run --separate-stderr "$BIN/ckpt" verify run@300
  [ "$status" -eq 1 ]
}

@test "diff: 0 for the same, 1 with tensors and fields for another" {
  cp -r run/ckpt/step-000000100 copy
  run --separate-stderr "$BIN/ckpt" diff run@100 copy
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  run --separate-stderr "$BIN/ckpt" diff run@100 run@200
  [ "$status" -eq 1 ]
  [[ "$output" == *"tensor m.model.embed_tokens.weight"* ]]
  [[ "$output" == *"tensor model.norm.weight"*"16/16"* ]]
  [[ "$output" == *"state  tokens: 25600 -> 51200"* ]]
  run --separate-stderr "$BIN/ckpt" diff --json run@100 run@200
  [[ "${lines[0]}" == '{"v":1,"type":"tensor","name":'* ]]
}

@test "a killed save leaves every checkpoint whole" {
  "$SUPPORT/make_checkpoint" run 400 1000000 100 &
  pid=$!
  while [ ! -e run/ckpt/step-000000600 ]; do :; done
  kill -9 $pid
  wait $pid || true
  run --separate-stderr "$BIN/ckpt" verify --full run
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -ge 6 ]
}

@test "a full device is an error, a closed pipe is not" {
  run --separate-stderr bash -c '"$BIN/ckpt" list run > /dev/full'
  [ "$status" -eq 3 ]
  run bash -c '"$BIN/ckpt" inspect --tensors run | head -1; exit ${PIPESTATUS[0]}'
  [[ "$status" -eq 0 || "$status" -eq 141 ]]
}
