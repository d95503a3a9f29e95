# The whole pipe on a tiny corpus: filter, vocab, encode, pretrain with faults, gradstat, ckpt, fp8probe; and what was planted
# at one end is found at the other.
bats_require_minimum_version 1.5.0

setup_file() {
  "$SRC/tests/support/make_run" "$BATS_FILE_TMPDIR/made"
}

setup() {
  cp -a "$BATS_FILE_TMPDIR/made/." "$BATS_TEST_TMPDIR"
  cd "$BATS_TEST_TMPDIR"
}

count() { # count FILE FILTER: how many of the JSON lines
  jq -n "[inputs | select($2)] | length" "$1"
}

# The last loss of every step, one a line: those of the surviving line.
losses() {
  jq -rn 'reduce (inputs | select(.type == "step")) as $s ({}; .[$s.step | tostring] = $s.loss) |
    to_entries | sort_by(.key | tonumber)[] | "\(.key) \(.value)"' "$1/trace.jsonl"
}

@test "what the robots.txt closes is dropped with its reason, and nothing else" {
  [ "$(count rejects.jsonl 'true')" -eq 30 ]
  [ "$(count rejects.jsonl '.ballast.dropped_by == "robots" and (.url | test("/private/"))')" -eq 30 ]
  [ "$(count clean.jsonl 'true')" -eq 270 ]
  [ "$(count clean.jsonl '.url | test("/private/")')" -eq 0 ]
}

@test "planted addresses are redacted and counted" {
  # Of 300 documents each 7th has an e-mail address and each 9th an IP; each 10th document is dropped.
  [ "$(jq .pii.email filter.json)" -eq $((300 / 7 - 300 / 70)) ]
  [ "$(jq .pii.ip filter.json)" -eq $((300 / 9 - 300 / 90)) ]
  run ! grep -E 'reader[0-9]+@example.org|203\.0\.113' clean.jsonl
}

@test "the crawl of the same pages gives the same text" {
  "$BIN/tokshard" filter -q --robots crawl.warc crawl.warc -o pages.jsonl
  [ "$(count pages.jsonl 'true')" -eq 36 ] # of 40 pages, 4 are private
  text_by_page() { jq -r '"\(.url | split("/") | last) \(.text | split("\n") | last)"' | sort; }
  head -n 36 clean.jsonl | text_by_page | cmp - <(text_by_page <pages.jsonl)
}

@test "shards verify and hold every document once" {
  "$BIN/tokshard" verify --full web web-holdout
  [ "$("$BIN/tokshard" inspect --json web web-holdout | jq -s 'map(.documents) | add')" -eq 270 ]
  { "$BIN/tokshard" decode web && "$BIN/tokshard" decode web-holdout; } | jq -r .id | sort |
    cmp - <(jq -r .id clean.jsonl | sort)
}

@test "training goes to its end and learns" {
  "$BIN/gradstat" summary --json run >summary.json
  jq -e '.last_step == 120 and .steps == 120 and .last_loss < .first_loss - 0.5' summary.json
}

@test "both faults are found at their steps, and nothing else is" {
  "$BIN/gradstat" spikes --json run >incidents.jsonl
  [ "$(count incidents.jsonl 'true')" -eq 2 ]
  [ "$(count incidents.jsonl '.onset == 60 or .onset == 61')" -eq 1 ]
  [ "$(count incidents.jsonl '.nonfinite and (.onset == 90 or .onset == 91)')" -eq 1 ]
}

@test "replayed clipping gives the logged decisions" {
  "$BIN/gradstat" clip --check run
}

@test "a run that recovered by replay has the losses of a run without faults" {
  sed '/^inject/d' run.toml >calm.toml
  "$BIN/pretrain" -q --config calm.toml --run calm
  [ "$(losses calm | wc -l)" -eq 120 ]
  losses run | cmp - <(losses calm)
}

@test "after a rollback the run takes the same way again" {
  losses run >before
  "$BIN/ckpt" rollback run --to 100 --reason "again" >/dev/null
  "$BIN/pretrain" -q --config run.toml --run run
  losses run | cmp - before
  "$BIN/ckpt" verify --full run
  [ "$("$BIN/ckpt" journal run --event rollback --last --field reason)" = "again" ]
}

@test "killed at any moment and resumed, the run gives the same losses" {
  losses run >expected
  for records in 7 31 58 77 102 118; do
    rm -rf killed pipe
    mkfifo pipe
    "$BIN/pretrain" -q --config run.toml --run killed --ckpt-every 10 --trace - >pipe 2>/dev/null 3>&- &
    pid=$!
    exec 7<pipe # stays open, so that the run does not see its reader leave
    head -n "$records" <&7 >/dev/null
    kill -9 "$pid" || true
    wait "$pid" || true
    exec 7<&-
    "$BIN/pretrain" -q -j 1 --config run.toml --run killed --ckpt-every 10
    losses killed | cmp - expected
    "$BIN/ckpt" verify --full killed
  done
}

@test "the converted folder has the weights of the checkpoint" {
  "$BIN/ckpt" convert -q --to hf run -o hf
  [ -e hf/config.json ]
  [ -e hf/tokenizer.json ]
  [ -e hf/model.safetensors ]
  "$BIN/ckpt" diff -q run hf
}

@test "the probe judges every weight matrix" {
  "$BIN/fp8probe" gate --json run >gate.jsonl || [ $? -eq 1 ]
  # q, k, v, o, gate, up and down in each of two layers
  [ "$(jq 'select(.type == "summary") | .tensors_judged' gate.jsonl)" -ge 14 ]
}

@test "a follower at the end of the pipe stops the run at the first NaN" {
  set +e
  "$BIN/pretrain" -q --config run.toml --run followed --guard off --trace - |
    "$BIN/gradstat" follow --fail-on nonfinite - >/dev/null
  codes=("${PIPESTATUS[@]}")
  set -e
  [ "${codes[0]}" -eq 75 ]
  [ "${codes[1]}" -eq 1 ]
  "$BIN/ckpt" verify --full followed
}
