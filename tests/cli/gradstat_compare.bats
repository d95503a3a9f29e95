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
