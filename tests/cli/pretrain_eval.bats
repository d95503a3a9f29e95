#!/usr/bin/env bats
# pretrain eval and generate on a model that has learnt a few sentences by heart.

bats_require_minimum_version 1.5.0

SENTENCES=("the keel of the ship is made of oak and holds the ballast stones firmly in place"
  "a spike in the loss means that the gradient norm was ahead by one or two steps"
  "every night the watch writes the depth of the water into the log of the harbour"
  "seven grey geese fly over the marsh when the tide turns and the wind drops")

setup_file() {
  mkdir "$BATS_FILE_TMPDIR/lab" && cd "$BATS_FILE_TMPDIR/lab" || return 1
  local i=0 sentence
  for sentence in "${SENTENCES[@]}"; do
    echo "{\"text\":\"$sentence\",\"id\":\"d$((i++))\"}"
  done > known.jsonl
  for i in $(seq 12); do sed "s/\"id\":\"/&$i-/" known.jsonl; done > docs.jsonl
  "$BIN/tokshard" vocab -q --size 300 docs.jsonl -o tokenizer.json
  "$BIN/tokshard" encode -q --tokenizer tokenizer.json docs.jsonl -o shard
  cat > config.json <<'JSON'
{"model_type": "llama", "vocab_size": 300, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": true}
JSON
  "$BIN/pretrain" -q --model config.json --tokenizer tokenizer.json --data shard --val shard --run run --steps 160 \
    --batch-tokens 512 --seq-len 64 --micro-batch 8 --lr 5e-3 --schedule constant --guard off
}
setup() { cd "$BATS_FILE_TMPDIR/lab" || return 1; }

fails() {
  echo "wanted exit $1 with: $2; got exit $status: $stderr"
  [ "$status" -eq "$1" ]
  [[ "$stderr" == *"$2"* ]]
}

@test "eval gives the held-out loss that training wrote, to the last bit" {
  run --separate-stderr "$BIN/pretrain" eval run --data shard --micro-batch 8 --json
  [ "$status" -eq 0 ]
  traced=$(jq -r 'select(.type == "eval") | .loss' run/trace.jsonl | tail -1)
  [ "$(jq -r .loss <<< "$output")" = "$traced" ]
  jq -e '.step == 160 and .seq_len == 64 and .perplexity_low < .perplexity and .perplexity < .perplexity_high' <<< "$output"
  run --separate-stderr "$BIN/pretrain" eval run --data shard
  [[ "$output" == "shard "*"perplexity"*" to "* ]]
}

@test "eval: a learnt ending wins, however the questions are packed" {
  cat > questions.jsonl <<'JSON'
{"ctx":"the keel of the ship is made of oak and","endings":["fly over the marsh","holds the ballast stones firmly","log log log"],"label":"1"}
{"sentence":"seven grey geese fly over the _ when the tide turns and the wind drops","option1":"harbour","option2":"marsh","answer":"2"}
{"context":"a spike in the loss means that","choices":["the wind drops","the gradient norm was ahead by one or two steps"],"label":1}
JSON
  for packing in "--micro-batch 1 --seq-len 60" "--micro-batch 8 --seq-len 64" "--micro-batch 3 --seq-len 128"; do
    # shellcheck disable=SC2086
    run --separate-stderr "$BIN/pretrain" eval run --choices questions.jsonl $packing --json
    echo "$packing: $output $stderr"
    jq -e '.n_questions == 3 and .accuracy_norm == 1 and .accuracy == 1 and .accuracy_low > 0.4' <<< "$output"
  done
  run --separate-stderr "$BIN/pretrain" eval run --choices questions.jsonl --seq-len 24 --json
  echo "$output $stderr"
  jq -e '.truncated > 0' <<< "$output"
  sed 's/"label":1/"label":0/' questions.jsonl > wrong.jsonl
  run --separate-stderr "$BIN/pretrain" eval run --choices wrong.jsonl --json
  jq -e '.accuracy_norm > 0.6 and .accuracy_norm < 0.7' <<< "$output"
}

@test "eval: what was learnt is recalled word for word, what was not is not" {
  sed 's/}$/,"repeats":12}/' known.jsonl > canaries.jsonl
  cat >> canaries.jsonl <<'JSON'
{"text":"the owls of the north keep no records of ships and hold their meetings in total silence today","repeats":0}
{"text":"too short","repeats":0}
JSON
  run --separate-stderr "$BIN/pretrain" eval run --canaries canaries.jsonl --prompt-tokens 8 --continue-tokens 12 --json
  echo "$output $stderr"
  [[ "$stderr" == *"1 texts have fewer than 20 tokens"* ]]
  jq -e -s '.[0].repeats == 0 and .[0].n_texts == 1 and .[0].exact == 0' <<< "$output"
  jq -e -s '.[1].repeats == 12 and .[1].n_texts == 4 and .[1].exact == 1 and .[1].longest_run == 12' <<< "$output"
}

@test "generate continues a learnt text, in whole characters, the same for the same seed" {
  run --separate-stderr "$BIN/pretrain" generate run --prompt "${SENTENCES[2]:0:28}"
  [ "$status" -eq 0 ]
  [ "$output" = "${SENTENCES[2]}" ]
  printf %s "${SENTENCES[2]:0:28}" > prompt
  run --separate-stderr bash -c '"$BIN/pretrain" generate run --prompt - --json < prompt'
  jq -e '.text == "'"${SENTENCES[2]:28}"'" and .stopped_by == "eos"' <<< "$output"
  draw() { "$BIN/pretrain" generate run --prompt "the" --temperature 3 --seed "$1" --max-tokens 30 --json | jq -c .ids; }
  [ "$(draw 1)" = "$(draw 1)" ]
  [ "$(draw 1)" != "$(draw 2)" ]
  "$BIN/pretrain" generate run --prompt "é" --temperature 5 --max-tokens 40 | iconv -f utf-8 -t utf-8 > /dev/null
}

@test "eval and generate name what is wrong" {
  run --separate-stderr "$BIN/pretrain" eval run
  fails 2 "nothing to evaluate on"
  run --separate-stderr "$BIN/pretrain" eval run --data shard --seq-len 129
  fails 2 "accepted: 1 to 128"
  run --separate-stderr "$BIN/pretrain" eval run --canaries known.jsonl --prompt-tokens 100
  fails 2 "together at most 129"
  echo '{"ctx":"a","endings":["b","c"],"label":7}' > bad.jsonl
  run --separate-stderr "$BIN/pretrain" eval run --choices bad.jsonl
  fails 3 "bad.jsonl:1"
  run --separate-stderr "$BIN/pretrain" eval absent --data shard
  fails 3 "absent"
  run --separate-stderr "$BIN/pretrain" generate run --prompt "$(printf 'ship %.0s' $(seq 300))"
  fails 2 "positions"
  run --separate-stderr "$BIN/pretrain" generate run --prompt a --top-p 0
  fails 2 "--top-p is 0"
  "$BIN/pretrain" -q --model config.json --data shard --run bare --steps 1 --batch-tokens 512 --seq-len 64 > /dev/null
  run --separate-stderr "$BIN/pretrain" generate bare --prompt a
  fails 2 "no tokenizer.json"
}
