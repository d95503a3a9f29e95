# ckpt rollback, journal, pin, prune: what they move, what they say, what they refuse.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  "$SUPPORT/make_checkpoint" run 100 400 100
}

# A trace of 450 steps of 8 samples; the loss jumps at step $1 and stays up for ten steps.
write_trace() {
  awk -v bad="$1" 'BEGIN {
    time = "\"time\":\"2026-01-01T00:00:00.000000Z\",\"segment\":0"
    print "{\"v\":1,\"type\":\"run\"," time "}"
    for (i = 1; i <= 450; i++) {
      loss = 3 + 0.01 * (i % 7); if (i >= bad && i < bad + 10) loss += 4
      printf "{\"v\":1,\"type\":\"step\",%s,\"step\":%d,\"tokens\":%d,\"samples\":%d,", time, i, i * 256, i * 8
      printf "\"loss\":%g,\"lr\":0.001,\"grad_norm\":%g,\"batch_start\":%d}\n", loss, 1 + 0.05 * (i % 5), (i - 1) * 8
    }
  }' > run/trace.jsonl
}

@test "rollback --to: moves, repoints, records" {
  run --separate-stderr "$BIN/ckpt" rollback run --to 200 --skip 1000:1200 --reason "loss spike"
  [ "$status" -eq 0 ]
  [[ "$output" == *"parent   step 200 (run/ckpt/step-000000200)"* ]]
  [[ "$output" == *"skip     1000:1200 (all: 16:24 1000:1200)"* ]]
  [ "$(cat run/ckpt/latest)" = step-000000200 ]
  [ -d run/abandoned/seg-0/step-000000300 ]
  [ -d run/abandoned/seg-0/step-000000400 ]
  [ ! -e run/ckpt/step-000000300 ]
  [ ! -e run/lease.json ]
  run --separate-stderr "$BIN/ckpt" journal run --event rollback --last --field reason
  [ "$output" = "loss spike" ]
  run --separate-stderr "$BIN/ckpt" journal run --field skip --json
  [ "$output" = "[[1000,1200]]" ]
  "$BIN/ckpt" verify --full run/abandoned/seg-0/step-000000400
}

@test "rollback -n only says the plan" {
  run --separate-stderr "$BIN/ckpt" rollback run --to 200 -n
  [ "$status" -eq 0 ]
  [[ "$output" == *"move     step-000000400 to abandoned/seg-0"* ]]
  [ -d run/ckpt/step-000000400 ]
  [ ! -e run/journal.jsonl ]
}

@test "rollback --before-incident: from the run's own trace" {
  write_trace 345
  run --separate-stderr "$BIN/ckpt" rollback run --before-incident last --margin 100 --skip onset:+5b --reason r --json
  [ "$status" -eq 0 ]
  [[ "$output" == *'"step":200,'*'"onset":345,'* ]]
  [[ "$output" == *'"skip":[[2752,2792]],"skip_ranges":[[16,24],[2752,2792]],"done":true}' ]]
}

@test "rollback --before-incident: from JSON Lines, by id; those on the line go first" {
  write_trace 345
  printf '%s\n' '{"id":3,"onset":150,"first":148}' '{"id":7,"onset":350,"norm_onset":290}' \
    '{"id":9,"onset":449,"segment":0,"abandoned":true}' > incidents.jsonl
  run --separate-stderr "$BIN/ckpt" rollback run incidents.jsonl --before-incident 3 --margin 40 --reason r -n
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "onset    step 148" ]]
  [[ "${lines[1]}" == "parent   step 100 "* ]]
  run --separate-stderr bash -c '"$BIN/ckpt" rollback run - --before-incident last --margin 40 --reason r -n < incidents.jsonl'
  [[ "${lines[0]}" == "onset    step 290" ]]
  [[ "${lines[1]}" == "parent   step 200 "* ]]
  run --separate-stderr "$BIN/ckpt" rollback run incidents.jsonl --before-incident 4 --reason r
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"there are 3 (step 148), 7 (step 290), 9 (step 449, on a branch that was left)"* ]]
}

@test "rollback --before-incident: one on a branch that was left skips the samples of that branch" {
  write_trace 1000
  time='"time":"2026-01-01T00:00:00.000000Z"'
  {
    echo "{\"v\":1,\"type\":\"run\",$time,\"segment\":1,\"parent\":0,\"parent_step\":300}"
    for ((i = 301; i <= 350; i++)); do
      echo "{\"v\":1,\"type\":\"step\",$time,\"segment\":1,\"step\":$i,\"tokens\":$((i * 256)),\"samples\":$((i * 8)),\"loss\":3,\"lr\":0.001,\"grad_norm\":1,\"batch_start\":$((i * 8 + 992))}"
    done
  } >> run/trace.jsonl
  for incident in '"segment":0,"abandoned":true' '"abandoned":false'; do
    echo "{\"id\":1,\"onset\":345,$incident}" > incidents.jsonl
    run --separate-stderr "$BIN/ckpt" rollback run incidents.jsonl --before-incident last --margin 40 --skip onset:+5b -n --json
    [ "$status" -eq 0 ]
    [[ "$output" == *'"step":300,'*'"onset":345,'* ]]
    case $incident in
      *true) [[ "$output" == *'"skip":[[2752,2792]]'* && "$stderr" == *"branch that the run has left"* ]] ;;
      *) [[ "$output" == *'"skip":[[3752,3792]]'* && -z "$stderr" ]] ;;
    esac
  done
}

@test "rollback: nothing far enough back, no incident" {
  write_trace 345
  run --separate-stderr "$BIN/ckpt" rollback run --before-incident last --reason r
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"the onset is step 345"* ]]
  write_trace 1000
  run --separate-stderr "$BIN/ckpt" rollback run --before-incident last --reason r
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"no incident"* ]]
  [ ! -e run/journal.jsonl ]
}

@test "rollback refuses what is unclear" {
  for arguments in "run --reason r" "run --to 200" "run --to 200 --before-incident last --reason r" \
    "run --to 200 --reason r --skip 5:5" "run --to 200 --reason r --skip onset:+5b" "run x --to 200 --reason r"; do
    run --separate-stderr "$BIN/ckpt" rollback $arguments
    [ "$status" -eq 2 ]
  done
  run --separate-stderr "$BIN/ckpt" rollback run --to 250 --reason r
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"complete are 100, 200, 300, 400"* ]]
  [ -d run/ckpt/step-000000400 ]
}

@test "rollback refuses while somebody holds the run" {
  started=$(awk '{ sub(/.*\) /, ""); print $20 }' /proc/$$/stat)
  printf '{"host":"%s","pid":%d,"started":"%s","job":"","tool":"pretrain","token":"t","renewed":"2026-01-01T00:00:00.000000Z"}\n' \
    "$(uname -n)" $$ "$started" > run/lease.json
  run --separate-stderr "$BIN/ckpt" rollback run --to 200 --reason r
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"run is held by pretrain on $(uname -n), pid $$"* ]]
  run --separate-stderr "$BIN/ckpt" prune run --incomplete
  [ "$status" -eq 2 ]
  sed -i 's/"started":"[0-9]*"/"started":"1"/' run/lease.json # the pid belongs to another process now
  run --separate-stderr "$BIN/ckpt" rollback run --to 200 --reason r
  [ "$status" -eq 0 ]
}

@test "a second rollback replaces one that was not taken up" {
  "$BIN/ckpt" rollback run --to 300 --reason one
  run --separate-stderr "$BIN/ckpt" rollback run --to 100 --reason two
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"replaces the rollback to step 300"* ]]
  [ "$("$BIN/ckpt" journal run | wc -l)" -eq 2 ]
}

@test "journal: an edited line is found" {
  "$BIN/ckpt" rollback run --to 300 --reason one
  sed -i 's/"one"/"two"/' run/journal.jsonl
  run --separate-stderr "$BIN/ckpt" journal run
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"journal line was changed: run/journal.jsonl:1"* ]]
}

@test "prune: the plan, then the deed; pinned ones and rollback parents stay" {
  "$BIN/ckpt" pin run@100 first
  run --separate-stderr "$BIN/ckpt" prune run --keep last=1 -n
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 4 ]
  [ -d run/ckpt/step-000000200 ]
  "$BIN/ckpt" prune run --keep last=1
  [ "$(ls run/ckpt)" = "$(printf 'latest\nstep-000000100\nstep-000000400')" ]
  run --separate-stderr "$BIN/ckpt" prune run
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/ckpt" prune run --keep newest
  [ "$status" -eq 2 ]
}

@test "prune --incomplete" {
  mkdir run/ckpt/step-000000500.tmp-1-ab run/ckpt/.trash-x
  rm run/ckpt/step-000000300/manifest.json
  run --separate-stderr "$BIN/ckpt" prune run --incomplete
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 3 ]
  [ "$(ls -A run/ckpt | wc -l)" -eq 4 ]
}

@test "pin: list, move with -f, remove" {
  "$BIN/ckpt" pin run@100 a
  run --separate-stderr "$BIN/ckpt" pin run@200 a
  [ "$status" -eq 2 ]
  "$BIN/ckpt" pin -f run@200 a
  run --separate-stderr "$BIN/ckpt" pin run
  [[ "$output" == "a "*"ckpt/step-000000200" ]]
  "$BIN/ckpt" pin run --remove a
  run --separate-stderr "$BIN/ckpt" inspect run@pin:a
  [ "$status" -eq 3 ]
  run --separate-stderr "$BIN/ckpt" pin run@200 ../a
  [ "$status" -eq 2 ]
}
