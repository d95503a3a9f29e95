# For bats files that train: a small model and data in $BATS_FILE_TMPDIR/lab, made once per file.
make_lab() {
  mkdir -p "$BATS_FILE_TMPDIR/lab"
  cd "$BATS_FILE_TMPDIR/lab" || return 1
  "$SUPPORT/training_tool" shard train 300 1
  "$SUPPORT/training_tool" shard val 20 2
  cat > config.json <<'JSON'
{"model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": true}
JSON
}

# pretrain with the lab's model and data; further options win. train_args alone is for background jobs, whose $! must be
# the binary itself.
train_args() {
  local lab=$BATS_FILE_TMPDIR/lab
  TRAIN_ARGS=(--model "$lab/config.json" --data "$lab/train" --batch-tokens 1024 --seq-len 128 --micro-batch 4
    --lr 3e-3 --clip zclip --ckpt-every 10 -q "$@")
}
train() {
  train_args "$@"
  "$BIN/pretrain" "${TRAIN_ARGS[@]}"
}

losses() { "$SUPPORT/training_tool" losses "$1/trace.jsonl"; }
