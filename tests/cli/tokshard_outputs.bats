# What is wrong with outputs is found before any work, with -n too.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  for i in 1 2 3 4; do printf '{"text":"Text %d of four.","id":"d%d"}\n' $((i % 3)) $i; done >docs.jsonl
  mkdir folder
  ln -s folder linked
}

fails() { # fails TEXT VERB ARGUMENT...: exit 2, this error, nothing written
  local text=$1
  shift
  run --separate-stderr "$BIN/tokshard" "$@"
  assert_fails 2 "$text"
  found="$(find . -type f ! -name 'separate-stderr-*' | sort | paste -sd" ")"
  [ "$found" = "${files:-./docs.jsonl}" ] || { echo "there: $found"; return 1; }
}

@test "two outputs that are one file are refused, by whatever names, also before it is there" {
  for force in "" -f; do
    for verb in filter dedup; do
      fails "two outputs are one file: ./kept.jsonl (as kept.jsonl)" $verb $force -o kept.jsonl --rejects ./kept.jsonl docs.jsonl
      fails "two outputs are one file: linked/x (as folder/x)" $verb $force -o folder/x --stats linked/x docs.jsonl
      fails "two outputs are one file: y (as ./y)" $verb $force --rejects ./y --stats y docs.jsonl
    done
    fails "two outputs are one file: - (as -)" filter $force --rejects - docs.jsonl
    fails "two outputs are one file: $PWD/y (as y)" dedup $force --method minhash --work w --clusters "$PWD/y" -o y docs.jsonl
  done
  "$BIN/tokshard" filter -q -o /dev/null --rejects /dev/null docs.jsonl
}

@test "a side output is none of the files of the shard that is built" {
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  export files="./docs.jsonl ./tok.json"
  for suffix in .bin .idx .docs.jsonl.zst .manifest.json -holdout.bin; do
    fails "two outputs are one file: folder/../w$suffix (as w$suffix)" build --tokenizer tok.json -o w --stats folder/../w$suffix docs.jsonl
  done
}

@test "-n says what the call would be refused for" {
  echo kept >there
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  export files="$(find . -type f ! -name 'separate-stderr-*' | sort | paste -sd' ')"
  for how in "filter" "dedup" "mix --rates *:0.5" "vocab --size 262"; do
    fails "output exists: there (-f replaces it)" $how -n docs.jsonl -o there
    fails "output is a directory: folder" $how -n -f docs.jsonl -o folder
    run --separate-stderr "$BIN/tokshard" $how -n docs.jsonl -o nowhere/x
    assert_fails 3 "cannot create, its folder is not there: nowhere/x (nowhere)"
  done
  echo 'h.example' >list
  export files="$(find . -type f ! -name 'separate-stderr-*' | sort | paste -sd' ')"
  fails "output exists: there (-f replaces it)" recheck -n --takedown list web -o there
  [ "$(cat there)" = kept ]
}
