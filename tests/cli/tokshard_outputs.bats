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

@test "-n of verbs on shards and parts refuses what the call refuses" {
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  "$BIN/tokshard" encode -q --tokenizer tok.json --parts encoded docs.jsonl -o there
  "$BIN/tokshard" build -q --tokenizer tok.json --parts built docs.jsonl -o others
  "$BIN/tokshard" export -q --to olmo web -o tokens.npy
  sed 1d docs.jsonl > few.jsonl
  cp web.bin bare.bin
  cp web.idx bare.idx
  files="$(find . -type f ! -name 'separate-stderr-*' | sort | paste -sd' ')"
  refused() { # refused CODE TEXT VERB ARGUMENT...: the same with and without -n, and nothing changes
    local code=$1 text=$2 verb=$3 dry
    shift 3
    for dry in -n -q; do
      run --separate-stderr "$BIN/tokshard" "$verb" $dry "$@"
      assert_fails "$code" "$text"
      found="$(find . -type f ! -name 'separate-stderr-*' | sort | paste -sd' ')"
      [ "$found" = "$files" ] || { echo "there: $found"; return 1; }
    done
  }
  for parts in encoded built; do
    refused 2 "output exists: there.bin (-f replaces it)" merge $parts -o there
    refused 2 "shards are files: give a prefix: -o" merge $parts -o there/
    refused 2 "PREFIX of the shard is missing: -o" merge $parts
    refused 3 "cannot create, its folder is not there: nowhere/x (nowhere)" merge $parts -o nowhere/x
  done
  refused 3 "cannot create, its folder is not there: nowhere/x (nowhere)" build --tokenizer tok.json docs.jsonl -o nowhere/x
  refused 3 "no shard of this name: absent (give PREFIX of PREFIX.idx)" merge web absent -o all
  refused 2 "the shard has no manifest: bare (tokshard adopt makes one)" merge web bare -o all
  refused 2 "the shard has no manifest: bare (tokshard adopt makes one)" split --shards 2 bare -o piece
  refused 2 "output exists: web.docs.jsonl.zst (-f replaces it)" adopt --vocab-size 262 web
  refused 3 "cannot open: absent (No such file or directory)" adopt --vocab-size 262 --documents absent bare
  refused 3 "not a line for each document: few.jsonl (3 lines, 4 documents)" adopt --vocab-size 262 --documents few.jsonl bare
  refused 2 "output exists: there.bin (-f replaces it)" adopt --vocab-size 262 --eos 1 tokens.npy -o there
  refused 3 "cannot open: absent.npy (No such file or directory)" adopt --vocab-size 262 --eos 1 absent.npy -o new
  refused 3 "cannot open: absent.idx (No such file or directory)" export --to olmo absent -o new.npy
  refused 3 "cannot create, its folder is not there: nowhere/x.npy (nowhere)" export --to olmo web -o nowhere/x.npy
  for how in "encode --tokenizer tok.json" "vocab --size 262"; do
    run --separate-stderr "$BIN/tokshard" $how -n docs.jsonl absent.jsonl -o new
    assert_fails 3 "cannot read: absent.jsonl (No such file or directory)"
  done
  for how in "merge web bare -f" "merge encoded" "merge built" "split --shards 2 web" "adopt --vocab-size 262 --eos 1 tokens.npy"; do
    [[ "$how" == *bare* ]] && "$BIN/tokshard" adopt -q --tokenizer tok.json bare
    run --separate-stderr "$BIN/tokshard" $how -n -o new
    [ "$status" -eq 0 ]
    [[ "$stderr" == "tokshard: would "* ]]
  done
  [ -z "$(ls new* 2> /dev/null)" ]
}

@test "a shard or run that is not there is exit 3 for every verb" {
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  echo h.example > list
  sed 's/,"id"/,"url":"http:\/\/h.example\/","id"/' docs.jsonl > pages.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json pages.jsonl -o absent
  "$BIN/tokshard" recheck -q --takedown list absent -o gone.jsonl
  [ "$(wc -l < gone.jsonl)" -eq 4 ]
  rm absent.*
  for how in inspect stat decode verify "merge web -o all" "split --shards 2 -o piece" "export --to olmo -o new.npy" \
    "adopt --vocab-size 262" "redact --list gone.jsonl -o redacted" "recheck --takedown list -o more.jsonl" \
    "locate --step 1 --run" "seen --ids docs.jsonl --run"; do
    run --separate-stderr "$BIN/tokshard" $how absent
    [[ "${stderr_lines[0]}" == "tokshard: error: "*absent* ]] || { echo "$how: $stderr"; return 1; }
    [ "$status" -eq 3 ] || { echo "$how: exit $status"; return 1; }
  done
}

@test "a name of a shard that is not UTF-8 is refused: its manifest could not say it" {
  "$BIN/tokshard" vocab -q --size 262 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  odd=$'caf\xe9'
  cp web.bin "$odd.bin"
  cp web.idx "$odd.idx"
  for how in "encode --tokenizer tok.json docs.jsonl -o" "build --tokenizer tok.json docs.jsonl -o" "merge web -o" \
    "split --shards 2 web -o" "adopt --vocab-size 262"; do
    run --separate-stderr "$BIN/tokshard" $how "$odd"
    assert_fails 2 'a shard'"'"'s name must be UTF-8, its manifest has it: caf\xE9'
  done
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o café
  "$BIN/tokshard" verify --full café
}
