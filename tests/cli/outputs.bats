#!/usr/bin/env bats
# Outputs that must not be: over inputs that are named by a prefix or a folder, half of a pair, none at all.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; }
setup() {
  source "$SRC/tests/support/training.bash"
  LAB=$BATS_FILE_TMPDIR/lab
  cd "$BATS_TEST_TMPDIR" || return 1
}

documents() { for i in $(seq "$1"); do echo "{\"text\":\"ballast keeps ship $i upright\",\"id\":\"d$i\"}"; done; }

# Exit code $1, a message with $2, and file $3 as it was in $4.
refused() {
  echo "exit $status: $stderr"
  [ "$status" -eq "$1" ]
  [[ "$stderr" == *"$2"* ]]
  cmp "$3" "$4"
}

@test "-f -o never replaces a file of the shard, run or checkpoint that is read" {
  documents 20 > docs.jsonl
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  for file in web.bin web.idx web.docs.jsonl.zst web.manifest.json; do
    cp "$file" kept
    run --separate-stderr "$BIN/tokshard" decode -f --tokenizer tok.json web -o "$file"
    refused 2 "output is also an input" "$file" kept
  done
  train --run run --steps 2
  for file in run/trace.jsonl run/ckpt/step-000000002/state.json; do
    cp "$file" kept
    run --separate-stderr "$BIN/gradstat" summary -f run -o "$file"
    refused 2 "output is also an input" "$file" kept
    run --separate-stderr "$BIN/ckpt" inspect -f run@2 -o "$file"
    refused 2 "output is also an input" "$file" kept
  done
  "$BIN/ckpt" list run -o run/list.txt
  "$BIN/ckpt" list -f run -o run/list.txt
  [ -s run/list.txt ]
}

@test "standard output that the shell appends to an input is refused, and the input keeps its bytes" {
  documents 20 > docs.jsonl
  cp docs.jsonl kept
  run --separate-stderr bash -c '"$BIN/tokshard" filter docs.jsonl >> docs.jsonl'
  refused 2 "output is also an input: standard output" docs.jsonl kept
  train --run run --steps 2
  cp run/trace.jsonl kept
  run --separate-stderr bash -c '"$BIN/gradstat" summary run/trace.jsonl >> run/trace.jsonl'
  refused 2 "output is also an input: standard output" run/trace.jsonl kept
}

@test "a failure of either half of encode leaves neither" {
  documents 20000 > docs.jsonl
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  # 400 KiB hold the held-out part but not the rest.
  run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 400; "$0" "$@"' \
    "$BIN/tokshard" encode -q --tokenizer tok.json --holdout 5% docs.jsonl -o web
  echo "exit $status: $stderr"
  [ "$status" -eq 3 ]
  [ -z "$(ls | grep web)" ]
}

@test "-o of nothing is an empty file, of a failure none; a device takes a tokenizer" {
  train --run run --steps 1
  "$BIN/ckpt" pin run -o pins
  [ -f pins ]
  [ ! -s pins ]
  run "$BIN/ckpt" inspect absent -o none
  [ "$status" -eq 3 ]
  [ ! -e none ]
  documents 20 > docs.jsonl
  run --separate-stderr "$BIN/tokshard" vocab --size 262 docs.jsonl -o /dev/full
  [ "$status" -eq 3 ]
}

@test "a byte order mark before documents is no part of them" {
  { printf '\357\273\277'; documents 20; } > docs.jsonl
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  [ "$("$BIN/tokshard" inspect --json web | grep -c '"documents":20')" -eq 1 ]
}
