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

# A model small enough for the emulation, as file NAME of the lab.
small_model() {
  cat > "$BATS_FILE_TMPDIR/lab/$1" <<'JSON'
{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
JSON
}
has_emulation() { "$BIN/pretrain" --version | grep -q 'emulated cuda backend present'; }
needs_emulation() { has_emulation || skip "this build has no emulation (BALLAST_CUDA_EMULATION)"; }

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

# signal_when SIGNAL PATTERN RUN: pretrain with TRAIN_ARGS, which gets the signal as soon as the trace of RUN has a line
# with the pattern; its exit code in `status`.
signal_when() {
  local pid
  "$BIN/pretrain" "${TRAIN_ARGS[@]}" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if grep -qs "$2" "$3/trace.jsonl"; then break; fi
  done
  kill -s "$1" "$pid"
  status=0
  wait "$pid" || status=$?
}

losses() { "$SUPPORT/training_tool" losses "$1/trace.jsonl"; }

# start_ranks N OPTION...: pretrain as N ranks over tcp, in the background: PIDS, and rankK.out and rankK.err of each.
start_ranks() {
  local n=$1 r port
  shift
  port=$("$SUPPORT/training_tool" port)
  train_args -j1 "$@"
  PIDS=()
  for ((r = 0; r < n; r++)); do
    BALLAST_RANK=$r BALLAST_WORLD_SIZE=$n BALLAST_MASTER=127.0.0.1:$port BALLAST_COMM_TIMEOUT=120 \
      ${PEAK:+"$SUPPORT/training_tool" peak "rank$r.peak"} \
      "$BIN/pretrain" "${TRAIN_ARGS[@]}" > "rank$r.out" 2> "rank$r.err" &
    PIDS+=($!)
  done
}
# Exit codes of all ranks in STATUSES.
wait_ranks() {
  local pid status
  STATUSES=()
  for pid in "${PIDS[@]}"; do
    status=0
    wait "$pid" || status=$?
    STATUSES+=("$status")
  done
}
# ranks N OPTION...: start and wait; fails unless every rank exits with ${EXPECTED:-0}.
ranks() {
  local status
  start_ranks "$@"
  wait_ranks
  for status in "${STATUSES[@]}"; do
    if [ "$status" -ne "${EXPECTED:-0}" ]; then
      echo "exit codes ${STATUSES[*]}"
      cat rank*.err
      return 1
    fi
  done
}
