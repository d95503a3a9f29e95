#!/usr/bin/env bats
# The driver of the laboratory: a grid runs, is not run again, goes on where it was cut, and becomes a table and a plot.

bats_require_minimum_version 1.5.0

setup() {
  command -v python3 > /dev/null || skip "no python3"
  export PYTHONDONTWRITEBYTECODE=1
  cd "$BATS_TEST_TMPDIR" || return 1
}

lab() { python3 "$SRC/tests/bench/lab/lab.py" "$@"; }

@test "a grid runs once and gives a table and a plot" {
  "$SRC/tests/support/make_corpus" .
  lab run decay --bin "$BIN" --docs docs.jsonl --out out --scale smoke > first
  grep -q "10 of 10 runs have a result" first
  [ "$(ls out/smoke/runs/*/result.json | wc -l)" -eq 10 ]
  grep -q '^| decay . lr | 0.003 | 0.01 |$' out/smoke/tables.md
  [ "$(grep -c '^| 0.1 | [0-9.]* | [0-9.]* |$' out/smoke/tables.md)" -ge 1 ]
  if command -v gnuplot > /dev/null; then grep -q '<svg' out/smoke/decay.svg; fi
  # What has a result is left alone; what has none is run, and nothing else.
  rm -r "out/smoke/runs/decay_decay=2_lr=0.01_seed=1"
  find out/smoke/runs -name trace.jsonl -exec md5sum {} + | sort -k 2 > before
  lab run decay --bin "$BIN" --docs docs.jsonl --out out --scale smoke > second
  find out/smoke/runs -name trace.jsonl -exec md5sum {} + | sort -k 2 > after
  [ "$(comm -13 before after | wc -l)" -eq 1 ]
  [ -e "out/smoke/runs/decay_decay=2_lr=0.01_seed=1/result.json" ]
}

@test "a run that an option of which pretrain does not know is left out and named" {
  "$SRC/tests/support/make_corpus" .
  mkdir bin
  ln -s "$BIN"/* bin/
  rm bin/pretrain
  printf '#!/bin/bash\necho "pretrain: error: %s is not built" >&2\nexit 2\n' "'x'" > bin/pretrain
  chmod +x bin/pretrain
  lab run beta2 --bin bin --docs docs.jsonl --out out --scale smoke > said
  grep -q "is not built" said
  grep -q "0 of 6 runs have a result" said
}

@test "the sensitivity to the learning rate is the paper's" {
  run python3 -c 'import sys
sys.path.insert(0, sys.argv[1])
from report import rate_sensitivity
print("%.7f" % rate_sensitivity([3.2, 3.0, 2.9, 2.95, 3.4, 9.0, None], 10.4))' "$SRC/tests/bench/lab"
  [ "$output" = 2.0785714 ]
}
