# tokshard vocab: what does not change the vocabulary, and what happens at the bound of memory.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

# COUNT documents of 20 words each: some common ones, and more and more that stand in one document only.
make_docs() {
  awk -v n="$1" 'BEGIN {
    srand(5)
    for (i = 0; i < n; ++i) {
      text = ""
      for (k = 0; k < 20; ++k) {
        number = k % 2 ? i * 10 + k : int(exp(rand() * 8))
        word = ""
        for (; number > 0; number = int(number / 20)) word = word sprintf("%c", 97 + number % 20)
        text = text " " word
      }
      printf "{\"text\":\"%s\",\"id\":\"d%d\"}\n", text, i
    }
  }'
}

@test "the vocabulary depends neither on threads nor on how documents are cut into files" {
  make_docs 2000 > docs.jsonl
  "$BIN/tokshard" vocab -q -j 1 --size 800 docs.jsonl -o one.json
  for threads in 2 3 5; do
    "$BIN/tokshard" vocab -q -f -j "$threads" --size 800 docs.jsonl -o other.json
    cmp one.json other.json
  done
  head -n 700 docs.jsonl > a.jsonl
  tail -n +701 docs.jsonl | zstd -q > b.jsonl.zst
  "$BIN/tokshard" vocab -q -f -j 2 --size 800 a.jsonl b.jsonl.zst -o other.json
  cmp one.json other.json
  "$BIN/tokshard" vocab -q -f -j 2 --size 800 b.jsonl.zst a.jsonl -o other.json
  cmp one.json other.json
}

@test "pieces are dropped at the same places with any number of threads" {
  make_docs 40000 > docs.jsonl # several times what is read between two prunings
  [ "$(wc -c < docs.jsonl)" -gt 4000000 ]
  "$BIN/tokshard" vocab -j 1 --json --max-pieces 5000 --size 800 docs.jsonl -o one.json > one.out 2> one.err
  grep -q '^tokshard: warning: [0-9]* rare pieces were dropped to stay within --max-pieces 5000, others stand for them; no count is off by more than [0-9]*$' one.err
  [ "$(jq .pieces one.out)" -le 5000 ]
  [ "$(jq .dropped_pieces one.out)" -gt 100000 ]
  [ "$(jq .count_error one.out)" -gt 0 ]
  [ "$(jq .documents one.out)" -eq 40000 ]
  for threads in 2 3 5; do
    "$BIN/tokshard" vocab -q -f -j "$threads" --json --max-pieces 5000 --size 800 docs.jsonl -o other.json > other.out
    cmp one.json other.json
    cmp one.out other.out
  done
  "$BIN/tokshard" vocab -q -f -j 2 --max-pieces 5000 --size 800 - -o other.json < docs.jsonl
  cmp one.json other.json
}

@test "malformed lines end the reading or are counted, and rejected documents are passed over" {
  make_docs 200 > docs.jsonl
  "$BIN/tokshard" vocab -q --size 300 docs.jsonl -o whole.json
  { head -n 100 docs.jsonl
    echo '{"text":'
    echo '{"text":"zzzz zzzz zzzz zzzz zzzz zzzz","ballast":{"dropped_by":"x"}}'
    echo '{"text":""}'
    tail -n +101 docs.jsonl; } > mixed.jsonl
  run --separate-stderr "$BIN/tokshard" vocab --size 300 mixed.jsonl -o y.json
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"mixed.jsonl:101"* ]]
  [ "${#stderr_lines[@]}" -eq 1 ]
  [ ! -e y.json ]
  run --separate-stderr "$BIN/tokshard" vocab --json --on-error skip --size 300 mixed.jsonl -o y.json
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"warning"*"mixed.jsonl:101"* ]]
  [ "$(jq -c '[.documents, .skipped]' <<< "$output")" = "[200,1]" ]
  cmp whole.json y.json
}
