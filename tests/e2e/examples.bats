# Every command that the README and the man pages show as an example is run as it stands there.
bats_require_minimum_version 1.5.0

setup_file() {
  made=$BATS_FILE_TMPDIR/made
  "$SRC/tests/support/make_run" "$made"
  cd "$made"
  # The names that the examples use: a crawl, documents, a run with incidents that nobody has answered, a model, a job.
  gzip -k crawl.warc
  zstd -q docs.jsonl
  sed 's/^guard.*/guard = "off"/' run.toml >open.toml
  jq -c '.score = (.text | length)' docs.jsonl >scored.jsonl
  cp "$SRC/tests/golden/linear/tfidf.json" quality.json
  head -5 docs.jsonl >arc.jsonl
  mkdir runs
  "$BIN/pretrain" -q --config open.toml --run runs/a
  ln -s runs/a RUN
  ln -s runs/a A
  ln -s runs/a B
  awk 'BEGIN {
    print "n,d,loss"
    for (n = 1e8; n < 2e9; n *= 2)
      for (d = 1e9; d < 2e10; d *= 2) print n "," d "," 1.8 + 482 / n ^ 0.35 + 2085 / d ^ 0.37
  }' > runs.csv
  "$BIN/ckpt" convert -q --to hf run -o llama
  cp llama/model.safetensors model.safetensors
  mkdir -p "$BATS_FILE_TMPDIR/stubs"
  printf '#!/bin/bash\n' >"$BATS_FILE_TMPDIR/stubs/sbatch"
  chmod +x "$BATS_FILE_TMPDIR/stubs/sbatch"
  touch fp8.sh
}

check() {
  PATH=$BATS_FILE_TMPDIR/stubs:$PATH "$SRC/tests/support/run_examples" "$SRC/$1" "$BATS_FILE_TMPDIR/made"
}

@test "examples of the README" { check README.md; }
@test "examples of tokshard(1)" { check man/tokshard.1; }
@test "examples of pretrain(1)" { check man/pretrain.1; }
@test "examples of ckpt(1)" { check man/ckpt.1; }
@test "examples of gradstat(1)" { check man/gradstat.1; }
@test "examples of fp8probe(1)" { check man/fp8probe.1; }

@test "an example that fails is noticed" {
  printf '```sh\ntokshard filter --no-such-flag\n```\n' >"$BATS_TEST_TMPDIR/page.md"
  run "$SRC/tests/support/run_examples" "$BATS_TEST_TMPDIR/page.md" "$BATS_FILE_TMPDIR/made"
  [ "$status" -eq 1 ]
  [[ "$output" == WRONG:* ]]
  printf 'no example\n' >"$BATS_TEST_TMPDIR/page.md"
  run "$SRC/tests/support/run_examples" "$BATS_TEST_TMPDIR/page.md" "$BATS_FILE_TMPDIR/made"
  [ "$status" -eq 1 ]
}
