# tokshard redact into a folder that has a redaction already: half moved, finished, or to be replaced.
bats_require_minimum_version 1.5.0
load ../support/redaction

setup() {
  cd "$BATS_TEST_TMPDIR"
}

@test "nothing opens of a folder into which shards were moved half" {
  make_set 140
  list h3.example shards >out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o want
  # As a kill leaves it: the indexes come last, that of the first shard last of them.
  cp -r want new
  mkdir new/redact.unfinished
  mv new/receipt.* new/web-0000[01].idx new/redact.unfinished/
  refuse() {
    run --separate-stderr "$BIN/tokshard" "$@"
    echo "$*: $status: $stderr"
    [ "$status" -eq 3 ]
    [ "$(grep -c . <<<"$stderr")" -eq 1 ]
    [[ "$stderr" == *"the redaction of this shard's folder is not finished: new/redact.unfinished"* ]]
  }
  for word in new/web new/web-00000 new/web-00002 new; do refuse decode "$word"; done
  refuse export --to olmo new/web-00002 -o ids.npy
  refuse split --shards 2 new/web-00002 -o parts
  refuse merge new/web-00002 new/web-00003 -o merged
  run "$BIN/tokshard" verify new/web-00002
  [ "$status" -eq 1 ]
  [[ "$output" == *"is not finished"* ]]
  cat >config.json <<'JSON'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 1,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
JSON
  for word in new new/web new/web-00002; do
    run --separate-stderr "$BIN/pretrain" -q --model config.json --data "$word" --run run --steps 1 --seq-len 16 --batch-tokens 128
    echo "$word: $status: $stderr"
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"is not finished"* ]]
  done
  redact --list out.jsonl shards/web -o new
  [ "$status" -eq 0 ]
  diff -r want new
}

@test "-f removes the shards of the redaction that it replaces" {
  make_set 140
  list h3.example shards >out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o new
  # The set has fewer shards by now.
  "$BIN/tokshard" split -q -f --shards 2 whole -o shards/web
  list h4.example shards >other.jsonl
  # A failure before it moves leaves what is there.
  cp shards/web-00001.bin good
  printf '\001' | dd of=shards/web-00001.bin bs=1 seek=200 conv=notrunc status=none
  sha256sum new/* >before
  redact -f --list other.jsonl shards/web -o new
  [ "$status" -eq 3 ]
  sha256sum --quiet -c before
  cp good shards/web-00001.bin
  redact -f --list other.jsonl shards/web -o new
  [ "$status" -eq 0 ]
  [ "$(ls -A new | wc -l)" -eq 10 ]
  [ "$("$BIN/tokshard" decode --tokenizer tok.json new/web | wc -l)" -eq 140 ]
  "$BIN/tokshard" verify -q --full new/web
  (cd new && sha256sum --quiet -c receipt.sha256)
}

@test "-f over shards that were moved half finishes them first, so that a failure leaves them whole" {
  make_set 140
  list h3.example shards >out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o want
  cp -r want new
  mkdir new/redact.unfinished
  mv new/receipt.* new/*.idx new/*.manifest.json new/redact.unfinished/
  cp -r new half
  list h4.example whole >whole.jsonl
  mv whole.idx gone
  redact -f --list whole.jsonl whole -o new
  [ "$status" -eq 3 ]
  diff -r want new
  mv gone whole.idx
  redact -f --list whole.jsonl whole -o half
  [ "$status" -eq 0 ]
  [ "$(ls half | tr '\n' ' ')" = "receipt.json receipt.sha256 whole.bin whole.docs.jsonl.zst whole.idx whole.manifest.json " ]
  "$BIN/tokshard" verify -q --full half/whole
}

@test "a call that finds its work done prints the records of the one that did it" {
  make_set 140
  printf 'http://h3.example/%s\n' 38 45 129 | "$BIN/tokshard" recheck -q --takedown - shards/web >out.jsonl
  "$BIN/tokshard" redact -q --json --list out.jsonl shards/web -o new >first
  [ "$(jq -r .documents first | tr '\n' ' ')" = "0 2 0 1 " ]
  redact --json --list out.jsonl shards/web -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"new: redacted already"* ]]
  diff first - <<<"$output"
}

@test "-n refuses what the call would refuse, before it says what would be done" {
  make_set 140
  list h3.example shards >out.jsonl
  list h4.example shards >other.jsonl
  both() { # both WORDS ARGUMENT...
    local words=$1 flag
    shift
    for flag in -n -q; do
      redact "$flag" --list other.jsonl "$@" shards/web -o new
      [ "$status" -eq 2 ]
      [ "$(grep -c . <<<"$stderr")" -eq 1 ]
      [[ "$stderr" == *"$words"* ]]
    done
  }
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o new
  both "the receipt of another redaction"
  cp -r new half
  mkdir new/redact.unfinished
  mv new/receipt.* new/*.idx new/redact.unfinished/
  both "another redaction, which was not finished"
  rm -r new/redact.unfinished
  both "output exists"
  redact -n -f --list other.jsonl shards/web -o half
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"would overwrite "*" documents of shards/web-00000 in half/web-00000"* ]]
  redact -n --list out.jsonl shards/web -o half
  [ "$status" -eq 0 ]
  [ "$stderr" = "tokshard: half: redacted already" ]
}
