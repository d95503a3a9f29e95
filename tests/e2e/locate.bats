#!/usr/bin/env bats
# From an incident to the documents of its batch, and from documents to the steps and checkpoints that consumed them.
bats_require_minimum_version 1.5.0

# A corpus of frequent words in which one document is made of signs that no other has.
setup_file() {
  cd "$BATS_FILE_TMPDIR"
  "$SRC/tests/support/make_corpus" . 300
  "$BIN/tokshard" filter -q docs.jsonl -o clean.jsonl
  "$BIN/tokshard" vocab -q --size 512 clean.jsonl -o tokenizer.json
  jq -cn '{text: ([range(0; 90)] | map([9000 + (. * 37) % 1500] | implode) | join("")), id: "odd-1",
           url: "http://odd.example/signs.html"}' >> clean.jsonl
  "$BIN/tokshard" encode -q --tokenizer tokenizer.json clean.jsonl -o web
  cat > config.json <<'JSON'
{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": false}
JSON
  cat > run.toml <<'TOML'
model = "config.json"
tokenizer = "tokenizer.json"
data = ["web"]
batch_tokens = "128"
micro_batch = 4
seq_len = 32
lr = 3e-3
clip = "zclip"
keep = "all"
data_seed = 1
TOML
  "$BIN/pretrain" -q --config run.toml --guard off --steps 400 --ckpt-every 50 --run natural
  # Ways back with and without data that is passed over, a step that is repeated, and a restart.
  "$BIN/pretrain" -q --config run.toml --steps 90 --ckpt-every 10 --guard skip:3,rollback:20+2,replay,stop \
    --inject nan@22,nan@44,nan@61 --run tangled
  "$BIN/ckpt" rollback -q tangled --to 70 --skip 320:330 --reason "an operator's" > /dev/null
  "$BIN/pretrain" -q --config run.toml --steps 90 --ckpt-every 10 --guard skip:3,rollback:20+2,replay,stop \
    --inject nan@22,nan@44,nan@61 --run tangled
}
setup() {
  load "../support/assertions"
  cd "$BATS_FILE_TMPDIR"
}

# "SEGMENT STEP SAMPLE DOCUMENT" of everything that a run consumed: every step of every branch, in the order of the run.
replay() {
  local segment step last
  jq -r 'select(.type == "step") | "\(.segment) \(.step)"' "$1/trace.jsonl" | sort -un -k1,1 -k2,2 > steps
  for segment in $(cut -d' ' -f1 steps | sort -un); do
    step=$(awk -v s="$segment" '$1 == s {print $2}' steps | head -1)
    last=$(awk -v s="$segment" '$1 == s {print $2}' steps | tail -1)
    "$BIN/tokshard" locate --json --counts expected --run "$1" --segment "$segment" --step "$step..$last"
  done | jq -r 'select(.type == "document") | "\(.segment) \(.step) \(.sample) \(.document)"' | sort
}

@test "locate names the document of rare tokens behind a spike, its sequence first" {
  # Those in which the loss jumped; the norm alone warns of more.
  "$BIN/gradstat" spikes --json natural | jq -c 'select(.detected_loss)' > incidents
  [ -s incidents ]
  "$BIN/tokshard" locate --json --run natural - < incidents > found
  jq -se 'map(select(.type == "document")) | .[0] | .id == "odd-1" and .host == "odd.example" and .document >= 0 and
    .rare_share > 0.4 and .surprisal > 10 and (.rarest[0] | has("text"))' found
  # The trace's own event names the same sequence.
  step=$(jq -s 'map(select(.type == "batch"))[0].step' found)
  worst=$(jq -c "select(.event == \"spike\" and .step == $step) | .samples[0]" natural/trace.jsonl)
  jq -se "map(select(.type == \"document\"))[0] | .sample == $worst and .loss > 4" found
  "$BIN/tokshard" locate --run natural incidents > table
  grep -q 'http://odd.example/signs.html' table
  without_control_bytes table
}

@test "an ordinary batch has about one rare token in a hundred" {
  "$BIN/tokshard" locate --json --run natural --step 380..400 |
    jq -se 'map(select(.type == "batch") | .rare_share) | length == 21 and (add / length) < 0.05'
}

@test "locate gives every step exactly the samples that the trace says it consumed" {
  replay tangled > consumed
  jq -r 'select(.type == "step") | "\(.segment) \(.step) \(.batch_start)"' tangled/trace.jsonl | sort > begins
  awk '{k = $1 " " $2; if (!(k in low) || $3 < low[k]) low[k] = $3} END {for (k in low) print k, low[k]}' consumed |
    sort > lowest
  cmp begins lowest
  # What was passed over was shown to nobody on the line.
  "$BIN/ckpt" inspect tangled --json | jq -c '.. | .skip_ranges? // empty' > skipped
  [ "$(jq length skipped)" -ge 3 ]
  "$BIN/tokshard" locate --json --run tangled --samples 320:330 | jq -se 'length > 0 and all(.[]; .step == null)'
}

@test "seen agrees with a replay of the data order, on every branch" {
  replay tangled > consumed
  documents=$("$BIN/tokshard" inspect --json web | jq .documents)
  jq -cn "range(0; $documents) | {shard: \"web\", document: .}" > all
  "$BIN/tokshard" seen --json --run tangled --ids all > fates
  jq -r 'select(.type == "document") | .document as $d | .shown[] | "\(.segment) \(.step) \(.sample) \($d)"' fates |
    sort > seen
  [ "$(wc -l < seen)" -gt 500 ]
  cmp consumed seen
  # Steps that were not applied have taught nothing.
  jq -r 'select(.type == "step" and .skipped) | "\(.segment) \(.step)"' tangled/trace.jsonl | sort -u > dropped
  [ -s dropped ]
  jq -r 'select(.type == "document") | .shown[] | select(.trained | not) | "\(.segment) \(.step)"' fates | sort -u |
    cmp - dropped
}

@test "seen says the first checkpoint that holds a document and the last that is free of it" {
  echo '{"url":"http://odd.example/signs.html","reason":"takedown"}' > list
  "$BIN/tokshard" seen --json --run natural --ids list > fates
  step=$(jq 'select(.type == "document") | .shown[0].step' fates)
  first=$(((step + 49) / 50 * 50))
  jq -se ".[0].reason == \"takedown\" and .[0].id == \"odd-1\" and
    .[0].first_checkpoint == \"ckpt/step-$(printf %09d $first)\"" fates
  jq -se ".[1].last_free_checkpoint == \"ckpt/step-$(printf %09d $((first - 50)))\" and .[1].consumed == 1" fates
  "$BIN/tokshard" seen --run natural --ids - < list | grep -q 'is the last that is free of all'
  # From an incident to its documents to what they reached.
  "$BIN/gradstat" spikes --json natural | "$BIN/tokshard" locate --json --run natural - |
    "$BIN/tokshard" seen --json --run natural --ids - | jq -se '.[-1].documents > 0 and .[-1].unknown == 0'
}

@test "documents that the run does not have are counted, not guessed" {
  printf '%s\n' '{"id":"nobody"}' '{"shard":"elsewhere/other","document":3}' '{"shard":"moved/web","document":3}' |
    "$BIN/tokshard" seen --json --run natural --ids - | jq -se '.[-1] | .documents == 1 and .unknown == 2'
}

@test "a batch that was replaced on purpose is said to be" {
  "$BIN/pretrain" -q --config run.toml --guard off --steps 60 --ckpt-every 20 --inject rare@50 --run made-up
  run --separate-stderr "$BIN/tokshard" locate --json --run made-up --step 50
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"rare@50 fed made-up tokens instead of this batch"* ]]
  jq -se '.[0].replaced == "rare@50"' <<< "$output"
  "$BIN/gradstat" report -o made-up.html --post-mortem made-up.md made-up
  grep -q 'Token histogram of these batches: made-up tokens, fed on purpose: rare@50' made-up.md
  "$BIN/tokshard" locate -q --json --run made-up --step 50 | "$BIN/tokshard" seen --json --run made-up --ids - |
    jq -se '[.[].shown // [] | .[] | select(.step == 50)] | length > 0 and all(.[]; .trained | not)'
}

@test "a diagnosis and a post-mortem weigh the tokens of an incident where the shards can be read" {
  "$BIN/gradstat" spikes --json --diagnose natural | jq -c 'select(.detected_loss)' > judged
  jq -se 'length > 0 and all(.[]; .diagnosis.causes[] | select(.cause == "rare_tokens") | .weight > 0.3 and
    (.evidence | any(.kind == "for" and (.text | contains("bits of surprisal a token")))))' judged
  "$BIN/gradstat" report -o page.html --post-mortem incidents.md natural
  grep -q 'Token histogram of these batches: .* bits a token, before .* against .* batches before' incidents.md
  grep -q '^| rarest 1 % | .* % | .* % |$' incidents.md
  # The same trace without its run directory says nothing of tokens.
  "$BIN/gradstat" spikes --diagnose natural/trace.jsonl | grep -q 'not recorded: .*token counts of the batch'
  run --separate-stderr "$BIN/gradstat" spikes --diagnose --data web natural/trace.jsonl
  assert_fails 2 "--data needs a run directory: natural/trace.jsonl"
  mkdir "$BATS_TEST_TMPDIR/away"
  cd "$BATS_TEST_TMPDIR/away"
  "$BIN/gradstat" spikes --diagnose "$BATS_FILE_TMPDIR/natural" | grep -q 'not recorded: .*token counts of the batch'
  "$BIN/gradstat" spikes --diagnose --data "$BATS_FILE_TMPDIR/web" "$BATS_FILE_TMPDIR/natural" |
    grep -q 'bits of surprisal a token'
}

@test "shards that have moved, lost their sidecar, or changed" {
  mkdir -p moved
  cp web.bin web.idx moved/
  run --separate-stderr "$BIN/tokshard" locate --json --run natural --data moved/web --step 110
  [ "$status" -eq 0 ]
  [ "$(grep -c 'has no sidecar' <<< "$stderr")" -eq 1 ]
  jq -se '.[1] | .shard == "moved/web" and .document >= 0 and (has("id") | not)' <<< "$output"
  mkdir -p elsewhere
  run --separate-stderr bash -c "cd elsewhere && '$BIN/tokshard' locate --run ../natural --step 110"
  assert_fails 2 "source 'web' is not there: web (say where it is now: --data web=PREFIX)"
  printf '\1' | dd of=moved/web.bin bs=1 seek=100 conv=notrunc status=none
  run --separate-stderr "$BIN/tokshard" locate --json --run natural --data web=moved/web --step 110
  [[ "$stderr" == *"moved/web: not as the run was trained on it"* ]]
}

@test "what cannot be answered is refused" {
  run --separate-stderr "$BIN/tokshard" locate --run natural --step 401
  assert_fails 7 "the trace has no step 401 on the surviving line: natural"
  run --separate-stderr "$BIN/tokshard" locate --run natural
  assert_fails 2 "give one of --step, --samples and incidents (a file of incidents, or '-' for stdin)"
  run --separate-stderr "$BIN/tokshard" locate --run natural --step 9..3
  assert_fails 2 "malformed range '9..3': --step (accepted: N..M)"
  run --separate-stderr "$BIN/tokshard" locate --run natural --data other=web --step 3
  assert_fails 2 "the run has no source 'other': --data (it has web)"
  mkdir several
  for name in one two; do for file in web.{bin,idx,docs.jsonl.zst,manifest.json}; do ln "$file" "several/$name.${file#web.}"; done; done
  run --separate-stderr "$BIN/tokshard" locate --run natural --data web=several --step 3
  assert_fails 2 "'several' names 2 shards: --data (without NAME= each goes by its own name)"
  echo '{"shard":"web","document":99999}' > list
  run --separate-stderr "$BIN/tokshard" seen --run natural --ids list
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"document 99999 is not in the shard"* ]]
  echo '{"reason":"none"}' > list
  run --separate-stderr "$BIN/tokshard" seen --run natural --ids list
  assert_fails 3 "line names no document: list:1 (shard and document, or id, or url)"
  cp -r natural blind
  rm -r blind/ckpt
  run --separate-stderr "$BIN/tokshard" locate --run blind --step 3
  assert_fails 7 "no complete checkpoint says what data the run has: blind"
}

@test "columns of locate and seen are as wide as a terminal shows what stands in them" {
  local wide=データ-कर्म  # 10 columns: three wide letters, a hyphen, three letters with a mark of no width
  for ending in bin idx docs.jsonl.zst; do cp web.$ending $wide.$ending; done
  sed "s/\"web\./\"$wide./" web.manifest.json > $wide.manifest.json
  "$BIN/pretrain" -q --config run.toml --set data=$wide --guard off --steps 2 --ckpt-every 1 --run named
  "$BIN/tokshard" locate --json --run named --step 1 | jq -c 'select(.type == "document") | .document = (8, 37)' |
    sort -u > ids
  "$BIN/tokshard" seen --run named --ids ids > table
  [[ "$(sed -n 1p table)" == "document       samples first checkpoint"* ]]
  [[ "$(grep ":8 " table)" == "$wide:8         "[0-9]" "* ]]
  [[ "$(grep ":37 " table)" == "$wide:37        "[0-9]" "* ]]
  # One width before the tokens, on every line.
  "$BIN/tokshard" locate --counts expected --run named --step 1 | sed 1d > table
  [ "$(sed -n 2,99p table | grep http | sed "s/$wide/0123456789/; s/ '.*//" | awk '{print length($0)}' | sort -u | wc -l)" -eq 1 ]
}
