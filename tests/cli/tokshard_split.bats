# tokshard split: a finished shard in pieces; sets of shards in merge, decode and pretrain.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  awk 'BEGIN {
    for (i = 0; i < 300; ++i)
      printf "{\"text\":\"Document %d, which says little about ships and ballast.\",\"id\":\"d%d\",\"url\":\"https://h%d.example/%d\",\"language\":\"%s\",\"source\":\"s%d\"}\n", \
        i, i, i % 3, i, i % 2 ? "en" : "de", i % 4
  }' >docs.jsonl
  "$BIN/tokshard" vocab -q --size 280 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
}

same_as_web() {
  for ending in bin idx docs.jsonl.zst; do cmp "$1.$ending" "web.$ending"; done
}

@test "pieces by size go together again" {
  run --separate-stderr "$BIN/tokshard" split --json --shard-tokens 2K web -o set
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -ge 3 ]
  [ "$(jq -s 'map(.tokens) | max <= 2000' <<<"$output")" = true ]
  [ "$(jq -s 'map(.documents) | add' <<<"$output")" = 300 ]
  run "$BIN/tokshard" verify --full set-0*.idx
  [ "$status" -eq 0 ]
  "$BIN/tokshard" merge -q set -o again
  same_as_web again
  "$BIN/tokshard" split -q --shards 4 web -o quarter
  [ "$(ls quarter-0000?.bin | wc -l)" -eq 4 ]
  "$BIN/tokshard" merge -q quarter -o fourth
  same_as_web fourth
}

@test "pieces by a key hold its documents, with their lines" {
  "$BIN/tokshard" split -q --by language web -o web
  "$BIN/tokshard" split -q --by source web -o by
  "$BIN/tokshard" split -q --by host web -o host
  cmp <(zstdcat web.docs.jsonl.zst | grep '"language":"de"') <(zstdcat web-de.docs.jsonl.zst)
  [ "$("$BIN/tokshard" inspect --json by-s3 | jq .documents)" = 75 ]
  [ -e host-h2.example.bin ]
  run "$BIN/tokshard" verify --full web-de web-en by-s0 host-h0.example
  [ "$status" -eq 0 ]
  # A piece beside a set of its name would hide the set.
  "$BIN/tokshard" split -q --shards 2 web -o again-de
  run --separate-stderr "$BIN/tokshard" split --by language web -o again
  assert_fails 2 "output exists: again-de-00000.bin (-f replaces it)"
  [ ! -e again-de.bin ]
  "$BIN/tokshard" split -qf --by language web -o again
  cmp again-de.bin web-de.bin
  [ ! -e again-de-00000.bin ]
}

@test "a set is whole, or refused" {
  "$BIN/tokshard" split -q --shards 3 web -o set
  rm set-00001.*
  run --separate-stderr "$BIN/tokshard" merge set -o again
  assert_fails 3 "a shard of the set is missing: set-00001 (the set goes up to set-00002)"
}

@test "split refuses unclear wishes and existing files" {
  run --separate-stderr "$BIN/tokshard" split web -o set
  assert_fails 2 "how to split (give one of --shard-tokens, --shards and --by)"
  run --separate-stderr "$BIN/tokshard" split --shards 2 --by host web -o set
  assert_fails 2 "how to split (give one of --shard-tokens, --shards and --by)"
  run --separate-stderr "$BIN/tokshard" split --shards 301 web -o set
  assert_fails 2 "--shards 301: web (the shard has 300 documents)"
  run --separate-stderr "$BIN/tokshard" split --shard-tokens -5 web -o set
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/tokshard" split --by colour web -o set
  [ "$status" -eq 2 ]
  "$BIN/tokshard" split -q --shards 3 web -o set
  run --separate-stderr "$BIN/tokshard" split --shards 2 web -o set
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output exists: set-00000."* ]]
  "$BIN/tokshard" split -q -f --shards 2 web -o set
  [ ! -e set-00002.bin ]
  run --separate-stderr "$BIN/tokshard" split -n --shards 2 web -o other
  [ "$status" -eq 0 ]
  [ -z "$(ls | grep '^other')" ]
}

@test "split -f leaves its input and the rest of its set alone" {
  "$BIN/tokshard" split -q --shards 4 web -o set
  "$BIN/tokshard" split -q --by language web -o web
  local before
  before=$(sha256sum set-* web*)
  local member
  for member in set-00000 set-00003; do
    run --separate-stderr "$BIN/tokshard" split -f --shards 2 $member -o set
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"output is also an input: $member."* ]]
    run --separate-stderr "$BIN/tokshard" split -n -f --shard-tokens 1K $member -o ./set
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"output is also an input: ./$member."* ]]
  done
  run --separate-stderr "$BIN/tokshard" split -f --by language web-de -o web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output is also an input: web-de."* ]]
  [ "$(sha256sum set-* web*)" = "$before" ]
  "$BIN/tokshard" merge -q set -o again
  same_as_web again
}

@test "encode writes the set that split would make, also in parts" {
  "$BIN/tokshard" encode -q --shard-tokens 2K --holdout 20% --tokenizer tok.json docs.jsonl -o set
  "$BIN/tokshard" encode -q --holdout 20% --tokenizer tok.json docs.jsonl -o whole
  "$BIN/tokshard" encode -q --shard-tokens 2K --holdout 20% --parts work --tokenizer tok.json docs.jsonl -o parts
  for part in "" -holdout; do
    "$BIN/tokshard" split -q --shard-tokens 2K "whole$part" -o "cut$part"
    [ "$(ls set$part-0*.bin | wc -l)" -eq "$(ls cut$part-0*.bin | wc -l)" ]
    for file in cut$part-0*.bin cut$part-0*.idx cut$part-0*.zst; do
      cmp "$file" "set${file#cut}"
      cmp "$file" "parts${file#cut}"
    done
  done
  [ ! -e set.bin ]
  [ "$(ls set-0*.bin | wc -l)" -ge 3 ]
  run "$BIN/tokshard" verify --full set set-holdout
  [ "$status" -eq 0 ]
  run --separate-stderr "$BIN/tokshard" encode --shard-tokens 2K --tokenizer tok.json docs.jsonl -o set
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output exists: set-00000."* ]]
  run --separate-stderr "$BIN/tokshard" encode --shard-tokens -1 --tokenizer tok.json docs.jsonl -o other
  [ "$status" -eq 2 ]
}

@test "decode gives the documents of a set as those of the shard it is of" {
  mkdir folder
  "$BIN/tokshard" split -q --shards 3 web -o folder/set
  "$BIN/tokshard" decode web >whole
  cmp whole <("$BIN/tokshard" decode folder/set)
  cmp whole <("$BIN/tokshard" decode folder)
  cat whole whole | cmp - <("$BIN/tokshard" decode web folder/set)
  local i
  for i in 0 99 100 150 299; do
    [ "$("$BIN/tokshard" decode folder/set --doc $i)" = "$("$BIN/tokshard" decode web --doc $i)" ]
    [ "$("$BIN/tokshard" decode --json folder/set --doc $i)" = "$(sed -n "$((i + 1))p" whole)" ]
  done
  run --separate-stderr "$BIN/tokshard" decode folder/set --doc 300
  assert_fails 2 "document 300 is not in the shards: --doc (300 documents, counted from 0)"
  run --separate-stderr "$BIN/tokshard" decode folder/set --doc -1
  assert_fails 2 "--doc: '-1' is not in range (0 or more)"
  run --separate-stderr "$BIN/tokshard" decode folder/set --doc 99999999999999999999
  assert_fails 2 "--doc: '99999999999999999999' is not in range (0 or more)"
  run --separate-stderr "$BIN/tokshard" decode web web
  assert_fails 2 "input is named twice: web"
  local before
  before=$(sha256sum folder/*)
  run --separate-stderr "$BIN/tokshard" decode -f folder/set -o folder/set-00001.bin
  assert_fails 2 "output is also an input: folder/set-00001.bin"
  [ "$(sha256sum folder/*)" = "$before" ]
  # Without sidecars documents are numbered on.
  rm folder/*.zst
  [ "$("$BIN/tokshard" decode folder/set | jq -r .id | tr '\n' ' ')" = "$(seq 0 299 | tr '\n' ' ')" ]
  rm folder/set-00001.*
  run --separate-stderr "$BIN/tokshard" decode folder/set -o texts.jsonl
  assert_fails 3 "a shard of the set is missing: folder/set-00001 (the set goes up to set-00002)"
  [ ! -e texts.jsonl ]
}

@test "pretrain trains on a set or a folder as on one source" {
  "$BIN/tokshard" split -q --shard-tokens 2K web -o set
  mkdir folder
  "$BIN/tokshard" split -q --shards 2 web -o folder/p
  printf '{"model_type": "llama", "vocab_size": 280, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 16}' >model.json
  local options=(--model model.json --seq-len 16 --micro-batch 4 --batch-tokens 64 --steps 50)
  run --separate-stderr "$BIN/pretrain" plan --json "${options[@]}" --data set=3 --data folder=1
  [ "$status" -eq 0 ]
  [ "$(jq '.data | length' <<<"$output")" -eq $(($(ls set-*.idx | wc -l) + 2)) ]
  jq -e '[.data[] | select(.source | startswith("set")) | .share] | add == 0.75' <<<"$output"
  # The parts of a set are shown equally often, but for the samples that do not divide.
  jq -e '[.data[] | select(.source | startswith("p-")) | .epochs * .windows] | (max - min) <= 2' <<<"$output"
  run --separate-stderr "$BIN/pretrain" plan --json "${options[@]}" --data set=3 --data folder=1 --phase from=1600,weights=0:1
  [ "$status" -eq 0 ]
  jq -e '[.phases[1].data[] | select(.source | startswith("set")) | .share] | add == 0' <<<"$output"
  run --separate-stderr "$BIN/pretrain" plan --json "${options[@]}" --data set=3 --data folder=1 --phase from=1600,weights=1:1:1
  assert_fails 2 "--phase: 3 weights for 2 sources (from=1600,weights=1:1:1)"
}

@test "pretrain evaluates on a set or a folder: on what is held out, every shard by its size" {
  mkdir folder
  "$BIN/tokshard" encode -q --shard-tokens 2K --holdout 40% --tokenizer tok.json docs.jsonl -o folder/web
  local held=(folder/web-holdout-0*.idx)
  [ "${#held[@]}" -ge 2 ]
  printf '{"model_type": "llama", "vocab_size": 280, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 16}' >model.json
  local options=(--model model.json --seq-len 16 --micro-batch 4 --batch-tokens 64 --steps 2 --guard off)
  run --separate-stderr "$BIN/pretrain" "${options[@]}" --data folder --val folder --run one
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"folder: ${#held[@]} of $(ls folder/*.idx | wc -l) shards are held out and evaluated on, as web-holdout-00000"* ]]
  "$BIN/pretrain" -q "${options[@]}" --data folder --val folder/web-holdout --run two
  eval_of() { jq -c 'select(.type == "eval") | [.loss, .n_tokens]' "$1/trace.jsonl"; }
  [ "$(eval_of one)" = "$(eval_of two)" ]
  [ "$(jq -r 'select(.type == "eval") | .set' one/trace.jsonl)" = folder ]
  [ "$(jq -r 'select(.type == "eval") | .set' two/trace.jsonl)" = web-holdout ]
  # All labels of all shards: the mean of what eval says of each.
  "$BIN/pretrain" eval one --data folder/web-holdout --json >each
  [ "$(wc -l <each)" -eq "${#held[@]}" ]
  jq -se --argjson all "$(eval_of one)" '(map(.n_tokens) | add) == $all[1] and
    ((map(.loss * .n_tokens) | add) / $all[1] - $all[0] | fabs) < 1e-9' each
  # Fewer tokens: from every shard.
  "$BIN/pretrain" -q "${options[@]}" --data folder --val folder --val-tokens 1K --run three
  jq -se --argjson all "$(eval_of one)" 'map(select(.type == "eval")) | length == 1 and
    (.[0] | .n_tokens <= 1000 and .n_tokens > 500 and .loss != $all[0])' three/trace.jsonl
  # A copy of the trace is none of the shards, and what is missing or too short is said.
  run --separate-stderr "$BIN/pretrain" "${options[@]}" --data folder --val folder --run four --trace folder/web-holdout-00001.idx
  assert_fails 2 "output is also an input: folder/web-holdout-00001.idx"
  run --separate-stderr "$BIN/pretrain" "${options[@]}" --data web --val nothing --run four
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"nothing.idx"* ]]
  rm folder/web-holdout-00000.*
  run --separate-stderr "$BIN/pretrain" "${options[@]}" --data web --val folder/web-holdout --run four
  assert_fails 3 "a shard of the set is missing: folder/web-holdout-00000 (the set goes up to web-holdout-0000$((${#held[@]} - 1)))"
  mkdir empty
  run --separate-stderr "$BIN/pretrain" "${options[@]}" --data web --val empty --run four
  assert_fails 2 "no shards in this folder: empty (none ends in .idx)"
}
