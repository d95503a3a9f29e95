# tokshard vocab, encode, decode, inspect, verify: the round trip, what is independent of threads and
# order, and what is refused.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
}

# COUNT documents with ids d0..; every third in German, one in five without URL.
make_docs() {
  awk -v n="$1" 'BEGIN {
    for (i = 0; i < n; ++i) {
      lang = i % 3 ? "en" : "de"
      text = i % 3 ? "The ballast keeps the ship upright; run " : "Der Ballast h\303\244lt das Schiff im Lot; Fahrt "
      url = i % 5 ? sprintf("\"url\":\"https://h%d.example/%d\",", i % 7, i) : ""
      printf "{\"text\":\"%s%d of %d.\\nIt'\''s %s again &amp; again.\",\"id\":\"d%d\",%s\"language\":\"%s\"}\n", text, i, n, lang, i, url, lang
    }
  }'
}

prepare() {
  make_docs "${1:-200}" > docs.jsonl
  "$BIN/tokshard" vocab -q --size 300 docs.jsonl -o tok.json
}

@test "documents come back as they went in" {
  prepare
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json docs.jsonl -o web
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"web: 200 documents"* ]]
  "$BIN/tokshard" decode web | sort > decoded
  "$BIN/tokshard" encode -q --tokenizer tok.json --order input docs.jsonl -o plain
  "$BIN/tokshard" decode plain > in_order
  sort in_order | cmp - decoded
  cut -d, -f1 in_order | cmp - <(cut -d, -f1 docs.jsonl)
  run "$BIN/tokshard" decode plain --doc 4
  [ "$output" = "The ballast keeps the ship upright; run 4 of 200.
It's en again &amp; again." ]
  run "$BIN/tokshard" verify --full web plain
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
}

@test "the shard depends on neither threads nor the order of the documents" {
  prepare
  "$BIN/tokshard" encode -q -j 1 --seed 7 --holdout 10% --tokenizer tok.json docs.jsonl -o one
  "$BIN/tokshard" encode -q -j 4 --seed 7 --holdout 0.1 --tokenizer tok.json docs.jsonl -o four
  sort -r docs.jsonl | gzip | "$BIN/tokshard" encode -q --seed 7 --holdout 10% --tokenizer tok.json - -o back
  "$BIN/tokshard" encode -q --seed 8 --holdout 10% --tokenizer tok.json docs.jsonl -o other
  for part in "" -holdout; do
    for ending in bin idx docs.jsonl.zst; do
      cmp "one$part.$ending" "four$part.$ending"
      cmp "one$part.$ending" "back$part.$ending"
    done
    run ! cmp -s "one$part.bin" "other$part.bin"
  done
}

@test "a held-out shard and its rest hold every document once" {
  prepare
  "$BIN/tokshard" encode -q --holdout 20% --tokenizer tok.json docs.jsonl -o web
  { "$BIN/tokshard" decode web; "$BIN/tokshard" decode web-holdout; } | grep -o '"id":"[^"]*"' | sort > found
  grep -o '"id":"[^"]*"' docs.jsonl | sort | cmp - found
  held=$("$BIN/tokshard" decode web-holdout | wc -l)
  [ "$held" -gt 20 ]
  [ "$held" -lt 60 ]
}

@test "the held-out part of an earlier shard is not left beside a shard that trains on it" {
  prepare
  "$BIN/tokshard" encode -q --holdout 20% --tokenizer tok.json docs.jsonl -o web
  run --separate-stderr "$BIN/tokshard" encode -q -f --tokenizer tok.json docs.jsonl -o web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"web-holdout.manifest.json"* ]]
  rm web-holdout.*
  "$BIN/tokshard" encode -q -f --tokenizer tok.json docs.jsonl -o web
}

@test "vocab does not depend on threads, and markers are single tokens" {
  prepare
  "$BIN/tokshard" vocab -q -j 4 --size 300 docs.jsonl -o again.json
  cmp tok.json again.json
  echo '{"text":"<email-pii></s>","id":"x"}' > marked.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json marked.jsonl -o m
  [ "$(od -An -tu2 -w2 -v m.bin | awk '$1 == 3' | wc -l)" -eq 1 ]
  [ "$(od -An -tu2 -w2 -v m.bin | awk '$1 == 1' | wc -l)" -eq 1 ] # the end of the document only
  "$BIN/tokshard" encode -q --special match --bos none --eos none --tokenizer tok.json marked.jsonl -o n
  [ "$(od -An -tu2 -v n.bin | tr -s ' ')" = " 3 1" ]
}

@test "inspect counts documents, tokens and languages" {
  prepare
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  run --separate-stderr "$BIN/tokshard" inspect --json web
  [ "$status" -eq 0 ]
  [[ "$output" == *'"documents":200,'*'"dtype":"uint16"'*'"hosts":8,'* ]]
  [[ "$output" == *'"languages":{"de":{"documents":67,'*'"en":{"documents":133,'* ]]
  run --separate-stderr "$BIN/tokshard" inspect web
  [[ "$output" == *"documents  200"*"language"*"de"* ]]
}

@test "inspect and verify show names of strangers without their escapes and in columns" {
  prepare
  long=$(printf 'license-%.0s' {1..30})
  jq -c --arg long "$long" '.language = "\u001b[2Jxx" | .license = "MIT\nGPL" | .source = $long + "z"' docs.jsonl >odd.jsonl
  prefix=$'od\033[2Jd'
  "$BIN/tokshard" encode -q --tokenizer tok.json odd.jsonl -o "$prefix"
  "$BIN/tokshard" inspect "$prefix" >shown
  [ "$(awk 'NR > 1 && !/sha256/ && length > 80' shown | wc -l)" -eq 0 ]
  "$BIN/tokshard" inspect --json "$prefix" | jq -e --arg long "${long}z" '.sources | has($long)'
  rm "$prefix.docs.jsonl.zst" "$prefix.manifest.json"
  "$BIN/tokshard" verify "$prefix" >>shown
  without_control_bytes shown
  grep -qF 'language   \x1B[2Jxx' shown
  grep -qF 'license    MIT\x0AGPL' shown
  grep -qE '^  source     license-lic\.\.\.-license-z +[0-9]+ documents' shown
  grep -qF 'od\x1B[2Jd: not checked, not there: od\x1B[2Jd.docs.jsonl.zst' shown
  [ "$(awk '/^  (language|license|source) /{print index($0, "documents")}' shown | uniq -c | tr -s ' ')" = " 3 50" ]
}

@test "verify finds an index that disagrees, a changed byte and a lost file" {
  prepare
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  cp web.bin good.bin
  truncate -s -2 web.bin
  run --separate-stderr "$BIN/tokshard" verify web
  [ "$status" -eq 1 ]
  [[ "$output" == *"shard index disagrees with the size of the data: web.bin"* ]]
  run --separate-stderr "$BIN/tokshard" decode web
  [ "$status" -eq 3 ]
  cp good.bin web.bin
  printf '\377\377' | dd of=web.bin bs=1 seek=10 conv=notrunc status=none
  run "$BIN/tokshard" verify web
  [ "$status" -eq 0 ]
  run --separate-stderr "$BIN/tokshard" verify --full --json web
  [ "$status" -eq 1 ]
  [[ "$output" == *'"ok":false'* && "$output" == *"outside the vocabulary"* ]]
  rm web.docs.jsonl.zst
  run "$BIN/tokshard" verify web
  [ "$status" -eq 1 ]
  rm web.idx
  run --separate-stderr "$BIN/tokshard" verify web
  [ "$status" -eq 3 ]
  [[ "$stderr" == *web.idx* ]]
}

@test "malformed tokenizers are refused and nothing is written" {
  prepare
  head -c 1000 tok.json > cut.json
  echo '{"version":"1.0","version":"1.0"}' > twice.json
  sed 's/"type": "BPE"/"type": "WordPiece"/' tok.json > wordpiece.json
  sed 's/"id": 1,/"id": 9,/' tok.json > ids.json
  expect() {
    run --separate-stderr "$BIN/tokshard" encode --tokenizer "$1" docs.jsonl -o x
    [ "$status" -eq "$2" ]
    [[ "$stderr" == "tokshard: error: "*"$1"* || "$stderr" == "tokshard: error: "*"$3"* ]]
    [[ "$stderr" == *"$3"* ]]
    run ls -d x*
    [ "$status" -ne 0 ]
  }
  expect cut.json 3 ""
  expect twice.json 3 duplicate
  expect wordpiece.json 2 WordPiece
  expect ids.json 3 "says id 9"
  expect missing.json 3 missing.json
}

@test "bad documents are named by line, or skipped and counted" {
  prepare
  { head -3 docs.jsonl; echo '{"text": broken'; echo '{"text":"a","text":"b","id":"t"}'; tail -3 docs.jsonl; } > bad.jsonl
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json bad.jsonl -o x
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"bad.jsonl:4"* ]]
  run ls -d x*
  [ "$status" -ne 0 ]
  run --separate-stderr "$BIN/tokshard" encode --json --on-error skip --tokenizer tok.json bad.jsonl -o x
  [ "$status" -eq 0 ]
  [[ "$output" == *'"documents":6,'*'"skipped":2,'* ]]
  printf '{"text":"caf\351","id":"latin"}\n' > latin.jsonl
  run --separate-stderr "$BIN/tokshard" encode --json --tokenizer tok.json latin.jsonl -o latin
  [ "$status" -eq 0 ]
  [[ "$output" == *'"replaced":1}'* ]]
}

@test "truncated inputs are corrupt and leave nothing" {
  prepare 2000
  gzip -c docs.jsonl | head -c 3000 > cut.jsonl.gz
  zstd -qc docs.jsonl | head -c 3000 > cut.jsonl.zst
  for file in cut.jsonl.gz cut.jsonl.zst; do
    run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json "$file" -o x
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"$file"* ]]
    run --separate-stderr "$BIN/tokshard" vocab --size 300 "$file" -o y.json
    [ "$status" -eq 3 ]
    run ls -d x* y*
    [ "$status" -ne 0 ]
  done
}

@test "outputs that exist, cannot be written, or are inputs are refused" {
  prepare
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json docs.jsonl -o web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output exists: web.bin"* ]]
  "$BIN/tokshard" encode -q -f --tokenizer tok.json docs.jsonl -o web
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json docs.jsonl -o no/such/folder
  [ "$status" -eq 3 ]
  cp docs.jsonl in.bin
  run --separate-stderr "$BIN/tokshard" encode -f --tokenizer tok.json in.bin -o in
  [ "$status" -eq 2 ]
  cmp docs.jsonl in.bin
  run --separate-stderr "$BIN/tokshard" vocab -f --size 300 docs.jsonl -o docs.jsonl
  [ "$status" -eq 2 ]
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json docs.jsonl
  [ "$status" -eq 2 ]
  run bash -c '"$BIN/tokshard" decode web > /dev/full'
  [ "$status" -eq 3 ]
}

@test "a shard and a set of one name do not stand side by side" {
  prepare
  "$BIN/tokshard" encode -q --tokenizer tok.json --shard-tokens 2000 docs.jsonl -o web
  [ -e web-00001.bin ]
  run --separate-stderr "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  [ "$status" -eq 2 ]
  [ "$stderr" = "tokshard: error: output exists: web-00000.bin (-f replaces it)" ]
  "$BIN/tokshard" encode -qf --tokenizer tok.json docs.jsonl -o web
  [ -z "$(ls web-0*)" ]
  "$BIN/tokshard" verify --full web
  "$BIN/tokshard" encode -qf --tokenizer tok.json --shard-tokens 2000 docs.jsonl -o web
  [ ! -e web.bin ]
  # Names that end in a date are no set, and stay.
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o wiki-20231101
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o wiki
  "$BIN/tokshard" encode -qf --tokenizer tok.json --shard-tokens 2000 docs.jsonl -o wiki
  "$BIN/tokshard" verify -q --full wiki-20231101 wiki
  # Five digits behind a gap neither go nor pass for the end of a set.
  for file in web-00001.*; do cp "$file" "zip-90210.${file#*.}"; done
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o zip
  run --separate-stderr "$BIN/tokshard" encode -qf --tokenizer tok.json --shard-tokens 2000 docs.jsonl -o zip
  [ "$status" -eq 2 ]
  [ "$stderr" = "tokshard: error: would be taken for a shard of the set: zip-90210 (it stands behind a gap; move it or remove it)" ]
  "$BIN/tokshard" verify -q zip zip-90210
}

@test "a vocabulary that cannot be filled is not enough data" {
  echo '{"text":"ab","id":"x"}' > small.jsonl
  run --separate-stderr "$BIN/tokshard" vocab --size 5000 small.jsonl -o y.json
  [ "$status" -eq 7 ]
  [ ! -e y.json ]
  run --separate-stderr "$BIN/tokshard" vocab --size 100 small.jsonl -o y.json
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--size"* ]]
}

@test "decode wants the tokenizer that the shard was made with" {
  prepare
  "$BIN/tokshard" encode -q --tokenizer tok.json docs.jsonl -o web
  "$BIN/tokshard" vocab -q --size 290 docs.jsonl -o other.json
  run --separate-stderr "$BIN/tokshard" decode --tokenizer other.json web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"SHA-256"* ]]
  run --separate-stderr "$BIN/tokshard" decode web --doc 200
  [ "$status" -eq 2 ]
}

# tekken.json with the bytes and five words.
make_tekken() {
  awk 'BEGIN {
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    printf "{\"config\":{\"pattern\":\" ?\\\\p{L}+|[^\\\\p{L}]\",\"num_vocab_tokens\":261,\"default_vocab_size\":281,"
    printf "\"default_num_special_tokens\":20,\"version\":\"v3\"},\"vocab\":["
    for (i = 0; i < 256; ++i)
      printf "{\"rank\":%d,\"token_bytes\":\"%s%s==\",\"token_str\":null},", i, substr(digits, int(i / 4) + 1, 1), substr(digits, i % 4 * 16 + 1, 1)
    split("dGg= aGU= dGhl IHRoZQ== c2hpcA==", words, " ")
    for (i = 1; i <= 5; ++i)
      printf "%s{\"rank\":%d,\"token_bytes\":\"%s\",\"token_str\":null}", (i > 1 ? "," : ""), 255 + i, words[i]
    print "]}"
  }'
}

@test "tekken.json is known from its content" {
  make_tekken > some.json
  printf '{"text":"the ship, the </s>","id":"a"}\n' > docs.jsonl
  "$BIN/tokshard" encode -q --tokenizer some.json docs.jsonl -o web
  # <s>, the, then " ship" byte by byte, since nothing merges into "ship", a comma, " the", the text "</s>", </s>.
  [ "$(od -An -v -tu2 web.bin | tr -s ' \n' ' ')" = " 1 278 52 135 124 125 132 64 279 52 80 67 135 82 2 " ]
  run "$BIN/tokshard" decode web --doc 0
  [ "$output" = "the ship, the </s>" ]
  sed 's/"v3"/"v99"/' some.json > other.json
  run "$BIN/tokshard" encode --tokenizer other.json docs.jsonl -o bad
  [ "$status" -eq 2 ]
  [[ "$output" == *"tekken version 'v99' is not supported: other.json"* ]]
  sed 's/"rank":7,/"rank":8,/' some.json > broken.json
  run "$BIN/tokshard" encode --tokenizer broken.json docs.jsonl -o bad
  [ "$status" -eq 3 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *"rank is not the entry's place: broken.json, vocab entry 7"* ]]
}

@test "a SentencePiece model is known from its content" {
  cp "$SRC/tests/golden/tokenizer/bpe.model" any
  printf '{"text":"the ship  is 12 and \\"\\u00e9\\"","id":"a"}\n' > docs.jsonl
  run --separate-stderr "$BIN/tokshard" encode --tokenizer any docs.jsonl -o web
  [ "$status" -eq 0 ]
  run "$BIN/tokshard" decode web --doc 0
  [ "$output" = 'the ship  is 12 and "é"' ]
  run "$BIN/tokshard" encode --tokenizer any --special match docs.jsonl -o other
  [ "$status" -eq 2 ]
  [[ "$output" == *"SentencePiece does not recognise special tokens in texts"* ]]
  run ! test -e other.bin
  head -c 5000 any > cut
  run "$BIN/tokshard" encode --tokenizer cut docs.jsonl -o other
  [ "$status" -eq 3 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *"not a SentencePiece model, or cut short: cut"* ]]
}

@test "a file of Mistral's with the split pattern of Llama 3 is used as it stands, with a warning" {
  prepare
  sed 's|<email-pii>|[INST]|g; s|<ip-pii>|[/INST]|g' tok.json | jq '.added_tokens[].special = true' >mistral.json
  run --separate-stderr "$BIN/tokshard" encode --tokenizer mistral.json docs.jsonl -o mistral
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"warning: mistral.json: a tokenizer of Mistral's with the split pattern of Llama 3"* ]]
  run --separate-stderr "$BIN/tokshard" encode --tokenizer tok.json docs.jsonl -o llama
  [[ "$stderr" != *"Mistral"* ]]
}

@test "a set with a stranger behind its end is refused before anything is replaced" {
  for i in $(seq 300); do echo "{\"text\":\"Document number $i with some words\",\"id\":\"d$i\"}"; done >many.jsonl
  "$BIN/tokshard" vocab -q --size 270 many.jsonl -o small.json
  ENCODE=("$BIN/tokshard" encode -q --tokenizer small.json --holdout 10% --shard-tokens 2000 many.jsonl -o wiki)
  "${ENCODE[@]}"
  for ending in bin idx docs.jsonl.zst manifest.json; do cp wiki-00001.$ending wiki-90210.$ending; done
  sha256sum wiki* >sums
  for option in "" -f -nf; do
    run --separate-stderr "${ENCODE[@]}" --seed 5 $option
    [ "$status" -eq 2 ]
    sha256sum --quiet -c sums
  done
  [ "$stderr" = "tokshard: error: would be taken for a shard of the set: wiki-90210 (it stands behind a gap; move it or remove it)" ]
  rm wiki-90210.*
  # What a death leaves of a set has no first shard, and still is the held-out part.
  "$BIN/tokshard" encode -q --tokenizer small.json --holdout 50% --shard-tokens 1000 many.jsonl -o half
  rm half-0* half-holdout-00000.*
  run --separate-stderr "$BIN/tokshard" encode -q --tokenizer small.json --shard-tokens 2000 many.jsonl -o half
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the held-out part of an earlier shard is there"* ]]
}
