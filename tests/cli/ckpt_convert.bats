# ckpt convert: the folder for Hugging Face transformers.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  "$SUPPORT/make_checkpoint" run 100 200 100
}

@test "convert: the files, and the same weights" {
  run --separate-stderr "$BIN/ckpt" convert run --to hf -o model
  [ "$status" -eq 0 ]
  [ "$(ls model)" = "$(printf '%s\n' config.json generation_config.json model.safetensors special_tokens_map.json tokenizer.json tokenizer_config.json)" ]
  run --separate-stderr "$BIN/ckpt" diff run@200 model
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"20 tensors compared, 0 differences"* ]]
  run --separate-stderr "$BIN/ckpt" diff run@100 model
  [ "$status" -eq 1 ]
  grep -q '"tokenizer_class": "PreTrainedTokenizerFast"' model/tokenizer_config.json
  grep -q '"bos_token": "<s>"' model/special_tokens_map.json
  grep -q '"torch_dtype": "float32"' model/config.json
}

@test "convert --dtype bf16 rounds; shards get an index" {
  "$BIN/ckpt" convert run --to hf --dtype bf16 --shard-bytes 4000 -o model
  grep -q '"torch_dtype": "bfloat16"' model/config.json
  grep -q '"total_size": 9120' model/model.safetensors.index.json
  run --separate-stderr "$BIN/ckpt" diff --json run@200 model
  [ "$status" -eq 1 ]
  [[ "${lines[0]}" == *'"nonfinite_a":0,"nonfinite_b":0}' ]]
}

@test "convert: an existing folder is replaced only with -f, and only when it is a model" {
  "$BIN/ckpt" convert run@100 --to hf -o model
  run --separate-stderr "$BIN/ckpt" convert run@200 --to hf -o model
  [ "$status" -eq 2 ]
  "$BIN/ckpt" convert -f run@200 --to hf -o model/
  "$BIN/ckpt" diff run@200 model
  mkdir home
  touch home/letter
  run --separate-stderr "$BIN/ckpt" convert -f run --to hf -o home
  [ "$status" -eq 2 ]
  [ -e home/letter ]
  run --separate-stderr "$BIN/ckpt" convert -f run --to hf -o run/ckpt/step-000000100
  [ "$status" -eq 2 ]
}

@test "convert: what is not built is refused by name; damage leaves nothing" {
  run --separate-stderr "$BIN/ckpt" convert run --to gguf -o model
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"'gguf' is not built"* ]]
  weights=run/ckpt/step-000000200/model-00001-of-00001.safetensors
  printf 'x' | dd of=$weights bs=1 seek=$(($(stat -c %s $weights) - 5)) conv=notrunc status=none
  run --separate-stderr "$BIN/ckpt" convert run@200 --to hf -o model
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"tensor is damaged"* ]]
  [ -z "$(ls -A | grep model)" ]
}

# The signal at each call of one kind in turn, until there is none left; `check` looks at what it left.
ended_at_every() { # CALL OPTION...
  local n status
  for ((n = 1; ; n++)); do
    rm -rf fired model model.tmp-*
    [ -z "${OLD:-}" ] || cp -r "$OLD" model
    status=0
    LD_PRELOAD="$SUPPORT/inject_errors.so" INJECT_ERRORS="$1:$n:term" INJECT_ERRORS_LOG=fired \
      "$BIN/ckpt" convert -q "${@:2}" run@200 --to hf -o model || status=$?
    if [ ! -e fired ]; then break; fi
    echo "$1 $n: exit $status, $(ls | paste -sd' ')"
    [ "$status" -eq 143 ]
    left "$1" "$n"
  done
  [ "$status" -eq 0 ]
  [ "$n" -gt 1 ]
}

@test "convert: ended by a signal it leaves the whole model or nothing" {
  if ldd "$BIN/ckpt" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  left() {
    [ -z "$(ls -A | grep tmp)" ]
    [ ! -e model ] || "$BIN/ckpt" diff -q run@200 model
  }
  for call in write fsync rename; do ended_at_every "$call" --shard-bytes 8000; done
}

@test "convert -f: ended by a signal it leaves one of the models, between the two renames both" {
  if ldd "$BIN/ckpt" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  "$BIN/ckpt" convert run@100 --to hf -o old
  OLD=old
  left() {
    if [ "$1 $2" = "rename 2" ]; then
      "$BIN/ckpt" diff -q run@100 model.tmp-*-old
      "$BIN/ckpt" diff -q run@200 model.tmp-*[^d]
    else
      [ -z "$(ls -A | grep tmp)" ]
      "$BIN/ckpt" diff -q run@100 model || "$BIN/ckpt" diff -q run@200 model
    fi
  }
  for call in write fsync rename; do ended_at_every "$call" -f; done
}
