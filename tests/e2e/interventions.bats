#!/usr/bin/env bats
# What a run may do besides going straight on: branches, changes, data phases, batch schedules, averages of the weights
# and masked labels.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; "$SUPPORT/training_tool" shard other 100 3; }
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# The values of key $2 of the step records of run $1, one a line.
steps_of() { grep '"type":"step"' "$1/trace.jsonl" | grep -o "\"$2\":[^,}]*" | cut -d: -f2-; }
events_of() { grep '"type":"event"' "$1/trace.jsonl" | grep "\"event\":\"$2\""; }
gradstat_check() { "$BIN/gradstat" clip --check --line all "$1" > check.txt || { cat check.txt; return 1; }; }

@test "a branch with the same options goes on bit for bit as its parent did" {
  train --run parent --steps 20 --keep all --schedule constant
  train --run child --steps 20 --schedule constant --branch parent@10
  losses parent | tail -10 > parent.txt
  losses child > child.txt
  [ "$(wc -l < child.txt)" -eq 10 ]
  cmp parent.txt child.txt
  grep -q '"event":"branch","address":"parent@10","step":10,"tokens":10240' child/journal.jsonl
  events_of child branch | grep -q 'begins at parent@10'
  grep -q '"branch":"parent@10"' child/trace.jsonl
}

@test "a branch cools down from where it began, also when it was interrupted" {
  train --run parent --steps 20 --keep all --schedule constant
  train --run whole --branch parent@10 --cooldown 8steps
  [ "$(steps_of whole step | head -1)" -eq 11 ]
  [ "$(steps_of whole step | tail -1)" -eq 18 ]
  [ "$(steps_of whole lr | head -1)" = 0.003 ]
  # 1 - sqrt(7/8) of the peak in the last of eight steps
  steps_of whole lr | tail -1 | awk '{exit !($1 > 0.000193 && $1 < 0.000194)}'
  mkdir -p cut/control
  touch cut/control/stop
  run -75 train --run cut --branch parent@10 --cooldown 8steps
  rm -r parent  # a branch that has begun needs its parent no more
  train --run cut --branch parent@10 --cooldown 8steps
  cmp <(losses whole) <(losses cut)
  run --separate-stderr train --run cut --branch parent@5 --cooldown 8steps
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the run is a branch of parent@10"* ]]
}

@test "a branch refuses another model, optimizer or past" {
  train --run parent --steps 10 --keep all
  run --separate-stderr train --run c --branch parent@10 --cooldown 8steps --optimizer adamw:beta2=0.99
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"cannot branch: optimizer is"* ]]
  run --separate-stderr train --run c --branch parent@10 --cooldown 8steps --batch-tokens 2048
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the batch schedule is 2048 here and was 1024 for the first 10240 tokens"* ]]
  run --separate-stderr train --run c --cooldown 8steps
  [ "$status" -eq 2 ]
  [ ! -e c/ckpt ]
  train --run c --branch parent@10 --tokens 16384 --batch-tokens 0:1024,10240:2048 --data "$BATS_FILE_TMPDIR/lab/other"
  [ "$(steps_of c step | tail -1)" -eq 13 ]
}

@test "only what --change names may change, and it stays changed" {
  train --run run --steps 10
  run --separate-stderr train --run run --steps 20
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"total_tokens is 20480 here and 10240 in the checkpoint"* ]]
  run --separate-stderr train --run run --change steps=20
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--change without --reason"* ]]
  train --run run --change steps=20 --change lr=1e-3 --change clip=fixed:0.7 --reason "longer, lower"
  grep -q '"event":"change","step":10,"key":"lr","from":0.003,"to":0.001,"reason":"longer, lower"' run/journal.jsonl
  events_of run lr | grep -q '"key":"lr","from":0.003,"to":0.001'
  events_of run clip | grep -q 'fixed:0.7'
  steps_of run lr | sed -n 11p | awk '{exit !($1 <= 0.001)}'
  gradstat_check run
  # The same command again, as a batch script would give it, and the new values as options.
  train --run run --change steps=20 --change lr=1e-3 --change clip=fixed:0.7 --reason "longer, lower"
  "$BIN/pretrain" --config run/config.toml -q
  [ "$(grep -c '"event":"change"' run/journal.jsonl)" -eq 4 ]
  run --separate-stderr train --run run --steps 20 --clip fixed:0.7
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"lr is 0.003 here and 0.001 in the checkpoint"* ]]
}

@test "a way back to an older checkpoint keeps a change" {
  train --run run --steps 20 --keep all
  train --run run --change steps=40 --change lr=1e-3 --reason "go on" --inject nan@35 --guard rollback:20,stop
  grep -q '"event":"rollback"' run/journal.jsonl
  [ "$(steps_of run step | tail -1)" -eq 40 ]
  [ "$(grep -c '"event":"change"' run/journal.jsonl)" -eq 3 ]
}

@test "the model, the sources and the optimizer's kind never change" {
  train --run run --steps 10
  run --separate-stderr train --run run --steps 10 --data "$BATS_FILE_TMPDIR/lab/other"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"cannot resume: data is"* ]]
  run --separate-stderr train --run run --steps 10 --change seq_len=64 --reason x
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"'seq_len=64' is not KEY=VALUE that can change"* ]]
  run --separate-stderr train --run run --change steps=20 --change optimizer=stable_adamw --reason x
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"another optimizer cannot take over these states"* ]]
  run --separate-stderr train --run new --steps 10 --change lr=1 --reason x
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"nothing to resume"* ]]
}

@test "steps, samples and tokens agree across a batch schedule" {
  train --run run --tokens 20480 --batch-tokens 0:1024,5000:2048,12000:512 --schedule wsd:warmup=2048,cooldown=4096
  paste <(steps_of run step) <(steps_of run tokens) <(steps_of run samples) > table
  # 5 steps of 1024, 4 of 2048, then 512
  awk 'BEGIN {t = 0} {t += t < 5000 ? 1024 : t < 12000 ? 2048 : 512; if ($2 != t || $3 * 128 != t || $1 != NR) exit 1}
       END {exit !(NR == 5 + 4 + 14)}' table
  [ "$(events_of run batch_size | wc -l)" -eq 2 ]
  events_of run batch_size | head -1 | grep -q '"step":6,.*"from":1024,"to":2048'
  gradstat_check run
  run --separate-stderr train --run other --steps 5 --batch-tokens 0:1024,5000:2048
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--steps with a batch that changes"* ]]
  run --separate-stderr train --run other --tokens 9K --batch-tokens 0:1024,5000:2048 --schedule wsd:cooldown=2steps
  [ "$status" -eq 2 ]
}

@test "only the future of a batch schedule can change" {
  train --run run --tokens 10240
  run --separate-stderr train --run run --change tokens=20480 --change batch_tokens=2048 --reason x
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"was 1024 for the first 10240 tokens"* ]]
  train --run run --change tokens=20480 --change batch_tokens=0:1024,10240:2048 --reason "larger steps"
  [ "$(steps_of run step | tail -1)" -eq 15 ]
}

@test "data phases come from a file, are appended ahead and never edited behind" {
  local lab=$BATS_FILE_TMPDIR/lab
  cat > phases.toml <<TOML
data = ["$lab/train", "$lab/other=0"]
[[phase]]
from = 5000
weights = {train = 1, other = 3}
[[phase]]
from = "8K"
weights = [0, 1]
seed = 9
TOML
  "$BIN/pretrain" --config phases.toml --model "$lab/config.json" --batch-tokens 1024 --seq-len 128 --micro-batch 4 \
    --run run --steps 10 --ckpt-every 5 -q
  [ "$(events_of run phase | wc -l)" -eq 2 ]
  events_of run phase | head -1 | grep -q '"step":6,'
  [ "$(steps_of run phase | tr -d '\n')" = '"0""0""0""0""0""1""1""1""2""2"' ]
  local base=(--run run --data "$lab/train" --data "$lab/other=0" --change steps=14 --reason more)
  base=("$BIN/pretrain" --model "$lab/config.json" --batch-tokens 1024 --seq-len 128 --micro-batch 4 -q "${base[@]}")
  run --separate-stderr "${base[@]}" --phase from=5000,weights=1:3 --phase from=7K,weights=0:1,seed=9
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"phases may only be appended"* ]]
  run --separate-stderr "${base[@]}" --phase from=5000,weights=1:3 --phase from=8K,weights=0:1,seed=9 --phase from=9K,weights=1:0
  [ "$status" -eq 2 ]
  "${base[@]}" --phase from=5000,weights=1:3 --phase from=8K,weights=0:1,seed=9 --phase from=12K,weights=1:0
  grep -q '"key":"phases"' run/journal.jsonl
  [ "$(steps_of run phase | tail -2 | tr -d '\n')" = '"3""3"' ]
}

@test "a source is not shown more often than --max-epochs allows" {
  run --separate-stderr train --run run --steps 100 --data "$BATS_FILE_TMPDIR/lab/other" --max-epochs 1
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the run shows a source"*"--max-epochs 1"* ]]
  [ ! -e run/ckpt ]
}

@test "goldfish masks one label in k and says so in n_valid" {
  train --run all --steps 6
  train --run fish --steps 6 --goldfish k=4,h=5
  train --run static --steps 6 --goldfish k=4,mode=static
  paste <(steps_of all n_valid) <(steps_of fish n_valid) <(steps_of static n_valid) |
    awk '{a += $1; b += $2; c += $3} END {exit !(b / a > 0.70 && b / a < 0.80 && c / a > 0.73 && c / a < 0.77)}'
  run --separate-stderr train --run fish --steps 6 --goldfish k=4,h=6
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"goldfish is"* ]]
}

@test "averages of the weights are evaluated beside them and kept in the checkpoint" {
  train --run run --steps 20 --val "$BATS_FILE_TMPDIR/lab/val" --swa window=8,every=2 --ema decay=0.5,every=1 \
    --val-every 10 --val-tokens 4096
  [ "$(grep '"type":"eval"' run/trace.jsonl | grep -o '"set":"[^"]*"' | sort | uniq -c | awk '{print $1 $2}' | tr '\n' ' ')" \
    = '2"set":"val" 2"set":"val:ema" 2"set":"val:swa" ' ]
  grep -q '"swa_samples": 2' run/ckpt/step-000000020/state.json
  grep -q '"ema_samples": 20' run/ckpt/step-000000020/state.json
  grep -q '"swa.model.norm.weight"' run/ckpt/step-000000020/manifest.json
  "$BIN/ckpt" convert run --to hf --weights swa -o averaged -q
  "$BIN/ckpt" convert run --to hf -o trained -q
  run ! cmp -s averaged/model*.safetensors trained/model*.safetensors
  # An average with decay 0 sampled at every update is the weights themselves.
  train --run same --steps 5 --val "$BATS_FILE_TMPDIR/lab/val" --ema decay=0,every=1 --val-tokens 4096
  [ "$(grep '"type":"eval"' same/trace.jsonl | grep -o '"loss":[^,]*' | sort -u | wc -l)" -eq 1 ]
  run --separate-stderr "$BIN/ckpt" convert run --to hf --weights ema -o running -q
  [ "$status" -eq 0 ]
  "$BIN/pretrain" eval run --data "$BATS_FILE_TMPDIR/lab/val" --eval-tokens 4096 --weights swa --json > swa.json
  [ "$(grep -o '"loss":[^,]*' swa.json)" = "$(grep '"set":"val:swa"' run/trace.jsonl | tail -1 | grep -o '"loss":[^,]*')" ]
  run --separate-stderr "$BIN/ckpt" convert same --to hf --weights swa -o nothing
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"checkpoint holds no such weights"* ]]
}

@test "every clipper of a run is replayed bit for bit, dropped updates too" {
  for clip in autoclip:p=30,window=8 zclip:form=log,warmup=5 zclip:form=median,window=9,warmup=5 zskip:window=6,norm=3; do
    rm -rf run
    train --run run --steps 24 --clip "$clip" --inject grad@12:x=50,grad@18:x=50 --guard off
    gradstat_check run
  done
  [ "$(grep -c '"skip_reason":"zscore"' run/trace.jsonl)" -ge 1 ]
}
