#!/usr/bin/env bats
# The recipes of examples/ run as they stand, shortened, and convert.

bats_require_minimum_version 1.5.0

@test "apertus-small trains through its phases and becomes an ApertusForCausalLM with the same logits" {
  cd "$BATS_TEST_TMPDIR"
  cp "$SRC"/examples/recipes/apertus-small/* .
  "$SRC/tests/support/make_corpus" . 400
  "$BIN/tokshard" vocab -q --size 400 docs.jsonl -o tokenizer.json
  head -n 200 docs.jsonl > web.jsonl
  tail -n 200 docs.jsonl > books.jsonl
  for source in web books; do
    "$BIN/tokshard" encode -q --tokenizer tokenizer.json --holdout 10% "$source.jsonl" -o "$source"
  done
  # The same borders at a twentieth of the length.
  sed -i 's/400K/20K/; s/200K/10K/; s/150K/7500/; s/320K/16K/' run.toml
  "$BIN/pretrain" -q --config run.toml
  jq -e -s '[.[] | select(.event == "phase")] | length == 2' run/trace.jsonl
  jq -e -s '[.[] | select(.event == "batch_size")] | length == 1' run/trace.jsonl
  "$BIN/gradstat" clip --check run
  run --separate-stderr "$BIN/ckpt" convert --to hf --check run -o hf
  echo "$output $stderr"
  [ "$status" -eq 0 ]
  jq -e '.architectures == ["ApertusForCausalLM"]' hf/config.json
}
