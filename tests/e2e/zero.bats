#!/usr/bin/env bats
# Ranks that share out gradients (ZeRO-2): the bits of --zero 1 where additions have one order, the line of one rank within
# rounding elsewhere, whatever the model and whatever happens on the way.

bats_require_minimum_version 1.5.0

# Twelve layers, of which four make a bucket.
setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  local tied
  for tied in true false; do
    cat > deep-$tied.json <<JSON
{"model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 12,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": $tied}
JSON
  done
}
setup() {
  source "$SRC/tests/support/training.bash"
  cd "$BATS_TEST_TMPDIR" || return 1
  LAB=$BATS_FILE_TMPDIR/lab
  DEEP=(--model "$LAB/deep-false.json" --seq-len 32 --steps 6 --lr 1e-3 --ckpt-every 100)
}
MODELS=("deep-false" "deep-true" "deep-false --stability sigma_reparam" "deep-true --stability qk_norm,activation=xielu")

# model N: the options of MODELS[N].
model() { read -ra MODEL <<< "$LAB/${MODELS[$1]/ /.json }"; [[ ${MODEL[0]} = *.json ]] || MODEL[0]+=.json; }
weights() { cat "$1"/ckpt/step-*"$2"/model-*.safetensors; }
same_line() { cmp <(losses "$1") <(losses "$2"); }
close_to() {
  paste -d' ' <(losses "$1") <(losses "$2") | awk '
    function off(a, b) { return (a > b ? a - b : b - a) > 1e-4 * (1 + (a > 0 ? a : -a)) }
    NF != 6 || $1 != $4 || off($2, $5) || off($3, $6) { print "differs:", $0; bad = 1 }
    END { exit bad || NR == 0 }'
}

@test "with one micro-batch a rank every stage gives the same bits" {
  local i n zero
  for ((i = 0; i < ${#MODELS[@]}; i++)); do
    model $i
    for n in 2 4; do
      for zero in 0 1 2; do
        ranks $n --run run$zero "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 256 --micro-batch $((8 / n)) --zero $zero
        same_line run$zero run0
        cmp <(weights run$zero 6) <(weights run0 6)
        "$BIN/ckpt" verify --full run$zero
      done
      rm -r run?
    done
  done
}

@test "with several micro-batches a rank stages 2 and 1 are equal but for rounding" {
  local i n
  for ((i = 0; i < ${#MODELS[@]}; i++)); do
    model $i
    train "${DEEP[@]}" --run alone --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2
    for n in 2 4; do
      ranks $n --run run "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2 --zero 2
      close_to run alone
      ranks $n --run again "${DEEP[@]}" --model "${MODEL[@]}" --batch-tokens 768 --micro-batch 2 --zero 2
      same_line run again
      cmp <(weights run 6) <(weights again 6)
      rm -r run again
    done
    rm -r alone
  done
}
