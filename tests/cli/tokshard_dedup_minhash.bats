# tokshard dedup --method minhash: near duplicates, in stages that may be interrupted and shared.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

minhash() { run --separate-stderr "$BIN/tokshard" dedup --method minhash "$@"; }

# near N SEED: N documents of 60 words in families of five, whose members differ in the last word, or in case and punctuation.
near() {
  awk -v n="$1" -v seed="$2" 'BEGIN {
    for (i = 0; i < n; ++i) {
      family = int(i / 5); x = (family * 48271 + seed) % 2147483647; text = ""
      for (w = 0; w < 60; ++w) {
        x = x * 48271 % 2147483647
        word = sprintf("%c%c%cq", 97 + x % 26, 97 + int(x / 26) % 26, 97 + int(x / 676) % 26)
        if (w == 59 && i % 5 == 1) word = "other"
        if (w % 7 == 0 && i % 5 == 2) word = toupper(word) ","
        text = text (w ? " " : "") word
      }
      printf "{\"text\":\"%s\",\"id\":\"%d.%d\"}\n", text, seed, i
    }
  }'
}

inputs() {
  near 400 1 >a.jsonl
  { near 300 2; head -50 a.jsonl; } | gzip >b.jsonl.gz
  near 200 3 | zstd -q >c.jsonl.zst
}
files=(a.jsonl b.jsonl.gz c.jsonl.zst)
folder_sum() { (cd "$1" && sha256sum ./*); }

@test "near duplicates go, the first stays, clusters are listed" {
  inputs
  minhash --work w --rejects out.jsonl --stats stats.json --clusters clusters.jsonl -o kept.jsonl "${files[@]}"
  [ "$status" -eq 0 ]
  [ "$(jq -c '[.type, .method, .preset, .documents, .kept, .rejected, .clusters, .clustered, .largest, .cluster_sizes]' stats.json)" = \
    '["dedup","minhash","datatrove",950,180,770,180,950,10,{"4":170,"8":10}]' ]
  [ "$(jq -r .id kept.jsonl | head -3 | tr '\n' ' ')" = "1.0 1.5 1.10 " ]
  [ "$(jq -c .ballast kept.jsonl | sort | uniq -c | awk '{print $1, $2}' | tr '\n' ' ')" = \
    '10 {"dedup":{"cluster_size":10}} 170 {"dedup":{"cluster_size":5}} ' ]
  [ "$(jq -r 'select(.id == "1.7") | [.ballast.dropped_by, .ballast.reason, .ballast.duplicate_of] | join(" ")' out.jsonl | sort -u)" = \
    "dedup near_duplicate 1.5" ]
  [ "$(sed -n 2p clusters.jsonl)" = '{"kept":"1.5","document":5,"size":10}' ]
  [ "$(wc -l <clusters.jsonl)" -eq 180 ]
  [[ "$stderr" == *"180 clusters of 950 documents, the largest of 10"* ]]
}

@test "bytes depend neither on threads nor on who made what in which order" {
  inputs
  "$BIN/tokshard" dedup -q -j 1 --method minhash --work one "${files[@]}" --rejects one.out -o one.jsonl
  "$BIN/tokshard" dedup -q -j 4 --method minhash --work four "${files[@]}" --rejects four.out -o four.jsonl
  cmp one.jsonl four.jsonl
  cmp one.out four.out
  [ "$(folder_sum one)" = "$(folder_sum four)" ]
  for task in 2/3 0/3 1/3; do minhash --work shared --stage signatures --task $task "${files[@]}"; [ "$status" -eq 0 ]; done
  for task in 4/5 1/5 0/5 3/5 2/5; do minhash --work shared --stage buckets --task $task "${files[@]}"; done
  minhash --work shared --stage clusters "${files[@]}"
  [ "$(folder_sum one)" = "$(folder_sum shared)" ]
  minhash --work shared --stage apply --rejects shared.out "${files[@]}"
  printf '%s\n' "$output" | cmp - one.jsonl
  cmp shared.out one.out
}

@test "a killed run goes on with what is missing and comes to the same bytes" {
  near 20000 1 >a.jsonl
  near 20000 2 >b.jsonl
  "$BIN/tokshard" dedup -q --method minhash --work want a.jsonl b.jsonl -o want.jsonl
  for file in plan.json signatures-00000.bin signatures-00001.bin pairs-00000.bin pairs-00007.bin clusters.bin; do
    "$BIN/tokshard" dedup -q -j 2 --method minhash --work w a.jsonl b.jsonl -o kept.jsonl 2>/dev/null &
    pid=$!
    until [ -e "w/$file" ]; do kill -0 $pid; done
    kill -9 $pid || true
    wait $pid || true
  done
  rm -f kept.jsonl
  minhash --work w a.jsonl b.jsonl -o kept.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"signatures of 0 inputs made, of 2 found"* ]]
  cmp kept.jsonl want.jsonl
  [ "$(folder_sum w)" = "$(folder_sum want)" ]
}

@test "another preset, other inputs and changed inputs are refused" {
  inputs
  minhash --work w "${files[@]}"
  [ "$status" -eq 0 ]
  minhash --work w --preset curator "${files[@]}"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"made for other inputs or another preset: w/plan.json (name another --work, or remove this one)"* ]]
  minhash --work w a.jsonl
  [ "$status" -eq 2 ]
  sed -i '1s/w/v/' a.jsonl
  minhash --work w "${files[@]}" -o kept.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"changed since its signatures were made: a.jsonl"* ]]
  [ ! -e kept.jsonl ]
  minhash --work curator --preset curator "${files[@]}"
  [ "$status" -eq 0 ]
}

@test "damage in a stage's file ends in one line" {
  inputs
  "$BIN/tokshard" dedup -q --method minhash --work w "${files[@]}" >/dev/null
  cp -r w good
  for file in signatures-00001.bin pairs-00003.bin clusters.bin; do
    printf 'x' | dd of="w/$file" bs=1 seek=80 conv=notrunc status=none
    rm -f w/clusters.bin.keep
    [ $file = clusters.bin ] || rm -f w/clusters.bin
    [ $file != signatures-00001.bin ] || rm -f w/pairs-*.bin
    minhash --work w "${files[@]}" -o kept.jsonl
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"checksum differs: w/$file"* ]]
    [ ! -e kept.jsonl ]
    rm -r w
    cp -r good w
  done
  truncate -s 100 w/signatures-00000.bin
  minhash --work w "${files[@]}"
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"file is not complete: w/signatures-00000.bin"* ]]
}

@test "options that do not fit are refused, and a stage that comes too early" {
  inputs
  for wrong in "" "--work w --unit line" "--work w --capacity 5" "--work w --task 0/2" "--work w --stage signatures -o x" \
    "--work w --stage signatures --task 2/2" "--work w --stage signatures --task 1" "--work w --memory 1M" \
    "--work w --stage buckets --clusters c" "--work w --clusters a.jsonl" "--work w --preset other"; do
    minhash $wrong a.jsonl
    [ "$status" -eq 2 ]
    [ ! -e w ]
  done
  minhash --work w -
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"near deduplication reads its inputs twice: -"* ]]
  run -2 --separate-stderr "$BIN/tokshard" dedup --work w a.jsonl
  [[ "$stderr" == *"needs --method minhash: --work"* ]]
  minhash --work w --stage buckets a.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"an earlier stage is not complete: w/signatures-00000.bin (run --stage signatures first)"* ]]
  minhash -n --work other a.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"would make signatures of 1 input, buckets of 14 bands, and clusters"* ]]
  [ ! -e other ]
}

@test "documents too short for a shingle stay; empty and earlier rejected ones are counted" {
  printf '%s\n' '{"text":"same three words","id":"1"}' '{"text":"same three words","id":"2"}' '{"text":"","id":"3"}' \
    '{"text":"a b c d e","id":"4","ballast":{"dropped_by":"pii","reason":"found"}}' '{"text":"a b c d e","id":"5"}' >in.jsonl
  minhash --work w --rejects out.jsonl in.jsonl
  [ "$(jq -r .id <<<"$output" | tr '\n' ' ')" = "1 2 5 " ]
  [ "$(jq -r '[.id, .ballast.reason] | join(" ")' out.jsonl | tr '\n' ' ')" = "3 empty 4 found " ]
}
