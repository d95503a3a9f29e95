#!/usr/bin/env bats
# gradstat compare: several clipping laws over the same norms.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  # 300 calm norms between 0.9 and 1.1, and two of 30.
  for step in $(seq 1 300); do
    norm="$((90 + step * 7 % 21))"
    [ "$step" -ne 150 ] && [ "$step" -ne 250 ] || norm=3000
    echo "s:$step trl:3.0000 lr:0.000600 norm:$((norm / 100)).$(printf %02d $((norm % 100)))"
  done > main.log
}

@test "what is clipped, of it healthy, missed, and given away" {
  run --separate-stderr "$BIN/gradstat" compare --json --clip none --clip fixed:1.2 --clip fixed:0.5 \
    --clip zskip:loss=0,norm=6 main.log
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 4 ]
  [[ "${lines[0]}" == *'"strategy":"none","steps":300,"spikes":2,"healthy":266,"clips":0,'* ]]
  [[ "${lines[0]}" == *'"missed_spikes":2,'*'"rate_lost":0'* ]]
  [[ "${lines[1]}" == *'"clips":2,"drops":0,'*'"healthy_clips":0,'*'"missed_spikes":0,'* ]]
  [[ "${lines[2]}" == *'"clips":300,'*'"healthy_clips":266,'*'"missed_spikes":0,'* ]]
  [[ "${lines[3]}" == *'"drops":2,'*'"missed_spikes":0,'* ]]
}

@test "it clips what clip clips" {
  for strategy in zclip:mode=max zclip:form=log autoclip:p=50 fixed:1; do
    one=$("$BIN/gradstat" clip --json --clip "$strategy" main.log | sed 's/.*"clips":\([0-9]*\),.*/\1/')
    many=$("$BIN/gradstat" compare --json --clip none --clip "$strategy" main.log | tail -n 1 |
      sed 's/.*"clips":\([0-9]*\),.*/\1/')
    [ "$one" -gt 0 ]
    [ "$one" = "$many" ]
  done
}

@test "without --clip every law is there, and the table says what its columns are" {
  run --separate-stderr "$BIN/gradstat" compare main.log
  [ "$status" -eq 0 ]
  for law in none fixed:1 autoclip zclip:mode=reciprocal zclip:mode=mean zclip:form=median zskip; do
    [[ "$output" == *"$law"* ]]
  done
  [[ "$output" == *"missed     spikes"* ]]
}

@test "no norms, too few records, and a law that is none" {
  sed 's/ norm:.*//' main.log > bare.log
  run --separate-stderr "$BIN/gradstat" compare bare.log
  [ "$status" -eq 7 ]
  awk -F'[: ]' '$2 % 10 == 0' main.log > sampled.log
  run --separate-stderr "$BIN/gradstat" compare sampled.log
  [ "$status" -eq 7 ]
  run --separate-stderr "$BIN/gradstat" compare --clip tight main.log
  [ "$status" -eq 2 ]
}

# 200 steps with three tensors; at step 150 the norm of one of them grows twentyfold.
tensors() {
  awk -v every="$1" 'BEGIN {
    for (i = 1; i <= 200; i++) {
      a = 0.3; b = 0.4 * (1 + 0.01 * (i % 5)); c = i == 150 ? 24 : 1.2
      printf "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":%d,\"tokens\":%d,\"samples\":%d,\"loss\":3,\"grad_norm\":%.9f,\"skipped\":false}\n",
        i, i * 8, i, sqrt(a * a + b * b + c * c)
      if (i % every == 0)
        printf "{\"v\":1,\"type\":\"layers\",\"segment\":0,\"step\":%d,\"qkv_grad\":[%.9f,%.9f],\"embed_grad\":%.9f,\"qkv_input_grad\":[9,9]}\n", i, a, b, c
    }
  }'
}

@test "adagc, where every step has the norms of all tensors" {
  tensors 1 > t.jsonl
  run --separate-stderr "$BIN/gradstat" compare --json --clip none --clip adagc:warmup=10 t.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
  # The first nine steps are clipped to 1, since their norms are above it; then references are what
  # that left, and rise by 1.05 at most. The spike goes where the other tensors are.
  jq -es '.[0].strategy == "none" and .[0].missed_spikes == 1
    and .[1].strategy == "adagc:beta=0.98,abs=1,rel=1.05,warmup=10,rewarm=50"
    and .[1].spikes == 1 and .[1].missed_spikes == 0 and .[1].clips >= 10' <<< "$output"
  run --separate-stderr "$BIN/gradstat" compare t.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *"adagc:beta=0.98"* ]]
  [ -z "$stderr" ]
}

@test "adagc is left out, and it is said why, where norms of tensors are missing or do not add up" {
  tensors 2 > half.jsonl
  run --separate-stderr "$BIN/gradstat" compare half.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" != *adagc* ]]
  [[ "$stderr" == *"adagc clips by tensor, and 100 of 200 steps have the norms of all tensors: left out"* ]]
  run --separate-stderr "$BIN/gradstat" compare --clip adagc half.jsonl
  [ "$status" -eq 7 ]
  tensors 1 | sed 's/"embed_grad":[^,]*,//' > partial.jsonl
  run --separate-stderr "$BIN/gradstat" compare --clip none --clip adagc partial.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"0 of 200 steps"* ]]
  run --separate-stderr "$BIN/gradstat" compare main.log
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"0 of 300 steps"* ]]
  run --separate-stderr "$BIN/gradstat" compare --clip adagc:beta=2 half.jsonl
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/gradstat" clip --clip adagc half.jsonl
  [ "$status" -eq 2 ]
}
