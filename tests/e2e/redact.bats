# An opt-out that comes after the fact: found in a finished shard, taken out of it in both ways, checked by a stranger, and a
# running job that goes on.
bats_require_minimum_version 1.5.0

setup_file() {
  "$SRC/tests/support/make_corpus" "$BATS_FILE_TMPDIR/made" 300
  cd "$BATS_FILE_TMPDIR/made"
  "$BIN/tokshard" vocab -q --size 512 docs.jsonl -o tokenizer.json
  "$BIN/tokshard" encode -q --tokenizer tokenizer.json docs.jsonl -o web
  cat >config.json <<'JSON'
{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": true}
JSON
}

setup() {
  cd "$BATS_TEST_TMPDIR"
  cp "$BATS_FILE_TMPDIR"/made/{web.*,tokenizer.json,config.json,robots.txt} .
}

# The check that tokshard(1) shows, for a redaction in the folder redacted.
receipt_check() {
  "$SRC/tests/support/list_examples" "$SRC/man/tokshard.1" | awk -v RS='\n--\n' '/kept\(\)/' | sed '1,/^tokshard redact/d' >check.sh
  grep -q 'sha256sum -c receipt.sha256' check.sh
  run ! grep -q tokshard check.sh
  bash -eu check.sh
}

train() { # train RUN SHARD OPTION...
  "$BIN/pretrain" -q --model config.json --data "$2" --run "$1" --steps 24 --seq-len 64 --batch-tokens 256 --micro-batch 4 \
    --lr 3e-3 --clip zclip --ckpt-every 4 --keep all "${@:3}"
}
steps_of() { jq -c 'select(.type == "step") | [.step, .loss, .grad_norm, .n_valid]' "$1/trace.jsonl"; }

@test "documents that robots.txt of today excludes are gone, the rest is byte-identical, strangers can check it" {
  "$BIN/tokshard" recheck -q --robots robots.txt web -o out.jsonl
  [ "$(wc -l <out.jsonl)" -eq 30 ]
  "$BIN/tokshard" decode web | jq -c 'select(.url | contains("/private/") | not)' >kept
  [ "$(wc -l <kept)" -eq 270 ]
  sha256sum web.* >before
  for mode in tombstone compact; do
    "$BIN/tokshard" redact -q "--$mode" --list out.jsonl web -o redacted
    sha256sum --quiet -c before
    "$BIN/tokshard" verify -q --full redacted/web
    "$BIN/tokshard" decode redacted/web | jq -c 'select(.url | contains("/private/") | not)' | cmp - kept
    [ "$("$BIN/tokshard" decode redacted/web | jq -r 'select(.url | contains("/private/")).text' |
      tr -d '\n' | wc -c)" -eq 0 ]
    receipt_check >checked
    [ "$(tail -3 checked | cut -c1-64 | sort -u | wc -l)" -eq 1 ]
    [ "$(grep -c ': OK$' checked)" -eq 9 ]
    [ "$(jq -c '.shards[0].removed | map(.sha256) | sort' redacted/receipt.json)" = "$(jq -sc 'map(.sha256) | sort' out.jsonl)" ]
    # Lengths of the kept documents, from both indexes.
    documents=$(jq .documents web.manifest.json)
    od -An -v -td4 -w4 -j34 "-N$((4 * documents))" web.idx |
      sed "$(jq -r '.shards[0].removed[] | "\(.document + 1)d"' redacted/receipt.json)" >lengths
    left=$(jq .documents redacted/web.manifest.json)
    if [ "$mode" = compact ]; then
      [ "$left" -eq 270 ]
      od -An -v -td4 -w4 -j34 "-N$((4 * left))" redacted/web.idx | cmp - lengths
    else
      cmp web.idx redacted/web.idx
      jq -r '.shards[0].removed[].new | "\(.[0]) \(.[1] - .[0])"' redacted/receipt.json |
        while read -r begin bytes; do tail -c "+$((begin + 1))" redacted/web.bin | head -c "$bytes"; done |
        od -An -v -tu2 -w2 | sort -u >ids
      [ "$(tr -d ' ' <ids)" = "$(jq .token redacted/receipt.json)" ]
    fi
    # A byte that changed elsewhere is noticed, in the new files and in the old ones.
    for file in redacted/web.bin web.bin; do
      cp "$file" good
      printf 'x' | dd of="$file" bs=1 seek=20000 conv=notrunc status=none
      run ! receipt_check
      cp good "$file"
    done
    rm -r redacted
  done
}

@test "a job goes on over tombstones with the same bits, up to the first sample that holds one" {
  train whole web
  # A page that the run meets late.
  echo site.example | "$BIN/tokshard" recheck -q --takedown - web -o all.jsonl
  page=$("$BIN/tokshard" seen --json --run whole --ids all.jsonl |
    jq -n '[inputs | select(.shown | length > 0) | select([.shown[].step] | min > 8 and min < 16)][0].document')
  jq -c --argjson page "$page" 'select(.document == $page)' all.jsonl >out.jsonl
  [ "$(wc -l <out.jsonl)" -eq 1 ]
  "$BIN/tokshard" redact -q --list out.jsonl web -o redacted
  first=$("$BIN/tokshard" seen --json --run whole --ids out.jsonl | jq -s '[.[].shown[]?.step] | min')
  echo "first use at step $first"
  [ "$first" -gt 5 ]
  [ "$first" -lt 20 ]
  mkdir -p job/control
  for _ in 1 2 3; do
    touch job/control/stop
    run -75 train job web
  done
  # Other bytes are refused, unless a receipt leads to them.
  run --separate-stderr train job redacted/web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the content of shard 'web' is "*" --accept-data RECEIPT)" ]]
  run --separate-stderr train new redacted/web --accept-data redacted/receipt.json
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"there is nothing to resume"* ]]
  touch job/control/stop
  run -75 train job redacted/web --accept-data redacted/receipt.json
  grep '"event":"change"' job/journal.jsonl >changes
  [ "$(jq -c '[.step, .key, .reason, .receipts[0]]' changes)" = \
    "[3,\"data\",\"documents were redacted\",\"$(sha256sum <redacted/receipt.json | cut -d' ' -f1)\"]" ]
  [ "$(jq -r 'select(.event == "data").reason' job/trace.jsonl)" = "documents were redacted" ]
  train job redacted/web # the journal remembers
  [ "$(grep -c '"event":"change"' job/journal.jsonl)" -eq 1 ]
  run --separate-stderr train job web
  [ "$status" -eq 2 ]
  steps_of whole >want
  steps_of job >got
  cmp <(head -n $((first - 1)) want) <(head -n $((first - 1)) got)
  at_first() { sed -n "${first}p" "$1" | jq ".[$2]"; }
  [ "$(at_first got 3)" -lt "$(at_first want 3)" ]
  [ "$(at_first got 1)" != "$(at_first want 1)" ]
  [ "$(wc -l <got)" -eq 24 ]
  # What is counted is what a run over the new shard counts from its beginning.
  train fresh redacted/web
  cmp <(jq '.[3]' got) <(steps_of fresh | jq '.[3]')
}

@test "a job that was trained on a set goes on over the redacted set, and strangers can check all of it" {
  "$BIN/tokshard" split -q --shards 3 web -o set
  train whole set
  echo site.example | "$BIN/tokshard" recheck -q --takedown - set -o all.jsonl
  # A page that the run meets late, so of one shard of the three.
  page=$("$BIN/tokshard" seen --json --run whole --ids all.jsonl |
    jq -nc '[inputs | select(.shown | length > 0) | select([.shown[].step] | min > 8 and min < 16)][0] | [.shard, .document]')
  jq -c --argjson page "$page" 'select([.shard, .document] == $page)' all.jsonl >out.jsonl
  [ "$(wc -l <out.jsonl)" -eq 1 ]
  first=$("$BIN/tokshard" seen --json --run whole --ids out.jsonl | jq -s '[.[].shown[]?.step] | min')
  echo "page $page, first use at step $first"
  "$BIN/tokshard" redact -q --list out.jsonl set -o redacted
  "$BIN/tokshard" verify -q --full redacted/set
  # sha256sum and jq alone: the files, the old ones, and what was kept of each shard.
  "$SRC/tests/support/list_examples" "$SRC/man/tokshard.1" | sed -n '/^kept()/,/^}/p' >kept.sh
  [ -s kept.sh ]
  (
    source ./kept.sh
    cd redacted
    sha256sum --quiet -c receipt.sha256
    jq -r '.shards[].old | .bin, .idx, .docs, .manifest | "\(.sha256)  ../\(.file)"' receipt.json | sha256sum --quiet -c
    [ "$(jq '.shards | length' receipt.json)" -eq 3 ]
    for shard in set-00000 set-00001 set-00002; do
      want=$(jq -r --arg shard $shard '.shards[] | select(.shard == $shard).kept.sha256' receipt.json)
      [ "$(kept $shard old ../$shard.bin | cut -c1-64)" = "$want" ]
      [ "$(kept $shard new $shard.bin | cut -c1-64)" = "$want" ]
    done
  )
  [ "$(jq '[.shards[].removed | length] | sort | join(" ")' -r redacted/receipt.json)" = "0 0 1" ]
  mkdir -p job/control
  for _ in 1 2 3; do
    touch job/control/stop
    run -75 train job set
  done
  run --separate-stderr train job redacted/set
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the content of shard 'set-0000"*" --accept-data RECEIPT)" ]]
  touch job/control/stop
  run -75 train job redacted/set --accept-data redacted/receipt.json
  # Another list over the first: the receipts are a chain, in any order; one is not enough.
  echo 'http://site.example/private/*' | "$BIN/tokshard" recheck -q --takedown - redacted/set |
    "$BIN/tokshard" redact -q --list - redacted/set -o twice
  cp -r job other
  train job redacted/set # the journal remembers
  touch other/control/stop
  run --separate-stderr train other twice/set
  [ "$status" -eq 2 ]
  touch other/control/stop
  run -75 train other twice/set --accept-data twice/receipt.json
  [ "$(grep -c '"event":"change"' other/journal.jsonl)" -eq 2 ]
  steps_of whole >want
  steps_of job >got
  cmp <(head -n $((first - 1)) want) <(head -n $((first - 1)) got)
  run ! cmp -s <(sed -n "${first}p" want) <(sed -n "${first}p" got)
  [ "$(wc -l <got)" -eq 24 ]
  train fresh redacted/set
  cmp <(jq '.[3]' got) <(steps_of fresh | jq '.[3]')
  # Straight from the old set to the second redaction, over shards that the first or the second left alone.
  mkdir -p late/control
  touch late/control/stop
  run -75 train late set
  touch late/control/stop
  run -75 train late twice/set --accept-data twice/receipt.json --accept-data redacted/receipt.json
  [ "$(grep '"event":"change"' late/journal.jsonl | jq '.receipts | length')" -eq 2 ]
}

@test "a job does not go on over a compacted shard, or by a receipt of something else" {
  mkdir -p job/control
  touch job/control/stop
  run -75 train job web
  "$BIN/tokshard" recheck -q --robots robots.txt web -o out.jsonl
  "$BIN/tokshard" redact -q --compact --list out.jsonl web -o small
  run --separate-stderr train job small/web --accept-data small/receipt.json
  [ "$status" -eq 2 ]
  [ "$(wc -l <<<"$stderr")" -eq 1 ]
  [[ "$stderr" == *"the receipt removes documents, which moves all data after"* ]]
  "$BIN/tokshard" redact -q --list out.jsonl web -o one
  echo 'http://site.example/pages/4.html' | "$BIN/tokshard" recheck -q --takedown - one/web |
    "$BIN/tokshard" redact -q --list - one/web -o two
  run --separate-stderr train job two/web --accept-data two/receipt.json
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the receipts of --accept-data do not lead from one to the other"* ]]
  jq '.tool = "other"' two/web.manifest.json >changed
  cp -r two forged
  cp changed forged/web.manifest.json
  run --separate-stderr train job forged/web --accept-data one/receipt.json --accept-data two/receipt.json
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the receipt is of another manifest"* ]]
  touch job/control/stop
  run -75 train job two/web --accept-data two/receipt.json --accept-data one/receipt.json
  [ "$(grep '"event":"change"' job/journal.jsonl | jq '.receipts | length')" -eq 2 ]
}

@test "a batch of tombstones alone is a skipped step that says so" {
  echo site.example | "$BIN/tokshard" recheck -q --takedown - web | "$BIN/tokshard" redact -q --list - web -o none
  train run none/web --steps 2
  [ "$(jq -c 'select(.type == "step") | [.n_valid, .skip_reason]' run/trace.jsonl | sort -u)" = '[0,"no labels"]' ]
}
