# tokshard adopt and export: shards of other origin, and the token files of datatrove, OLMo and llm.c.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  awk 'BEGIN {
    for (i = 0; i < 60; ++i)
      printf "{\"text\":\"Document %d says little.\",\"id\":\"d%d\",\"url\":\"https://h%d.example/%d\",\"language\":\"%s\",\"source\":\"a, \\\"b\\\"\"}\n", \
        i, i, i % 3, i, i % 2 ? "en" : "de"
  }' >docs.jsonl
  "$BIN/tokshard" vocab -q --size 280 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json docs.jsonl -o web
  mkdir bare
  cp web.bin web.idx bare/
}

@test "an adopted shard has the sidecar and the counts of an encoded one" {
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json --documents docs.jsonl bare/web
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"bare/web: 60 documents"* ]]
  cmp bare/web.docs.jsonl.zst web.docs.jsonl.zst
  cmp bare/web.bin web.bin
  for key in languages token_counts tokenizer_sha256 bos eos vocab_size outputs; do
    [ "$(jq -c ".$key" bare/web.manifest.json)" = "$(jq -c ".$key" web.manifest.json)" ]
  done
  run "$BIN/tokshard" verify --full bare/web
  [ "$status" -eq 0 ]
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json bare/web
  assert_fails 2 "output exists: bare/web.docs.jsonl.zst (-f replaces it)"
}

@test "without documents the texts give the hashes, without a tokenizer nothing does" {
  "$BIN/tokshard" adopt -q --tokenizer tok.json bare/web
  cmp <(zstdcat bare/web.docs.jsonl.zst | jq -c '[.sha256, .bytes]') <(zstdcat web.docs.jsonl.zst | jq -c '[.sha256, .bytes]')
  [ "$(zstdcat bare/web.docs.jsonl.zst | jq -r .id | tail -n 1)" = web:59 ]
  "$BIN/tokshard" adopt -qf --vocab-size 280 bare/web
  [ "$(jq -c '[.tokenizer_sha256, .bos, .eos]' bare/web.manifest.json)" = '["",null,null]' ]
  [ "$(zstdcat bare/web.docs.jsonl.zst | jq -r .sha256 | sort -u)" = "" ]
  run "$BIN/tokshard" verify --full bare/web
  [ "$status" -eq 0 ]
}

@test "adopt refuses documents, tokens and vocabularies that are not those of the shard" {
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json --documents <(head -n 59 docs.jsonl) bare/web
  [ "$status" -ne 0 ]
  head -n 59 docs.jsonl >few.jsonl
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json --documents few.jsonl bare/web
  assert_fails 3 "not a line for each document: few.jsonl (59 lines, 60 documents)"
  sed '7s/says/said/' docs.jsonl >wrong.jsonl
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json --documents wrong.jsonl bare/web
  assert_fails 3 "the text is not that of document 6: wrong.jsonl:7"
  run --separate-stderr "$BIN/tokshard" adopt --vocab-size 200 bare/web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"outside the vocabulary"* ]]
  run --separate-stderr "$BIN/tokshard" adopt --vocab-size 280 --eos 7 bare/web
  assert_fails 2 "document 0 does not end with token 7: web (say --eos none or the right one)"
  run --separate-stderr "$BIN/tokshard" adopt bare/web
  assert_fails 2 "the size of the vocabulary is not known (give --tokenizer or --vocab-size, 1 to 16777216)"
  run --separate-stderr "$BIN/tokshard" adopt --vocab-size 16777217 bare/web
  assert_fails 2 "a vocabulary of 16777217: --vocab-size (1 to 16777216)"
  run --separate-stderr "$BIN/tokshard" adopt --vocab-size 280 nothing
  assert_fails 3 "no file and no shard of this name: nothing"
  run --separate-stderr "$BIN/tokshard" adopt --vocab-size 280 tok.json
  assert_fails 2 "not known what this is: tok.json (say --from megatron, datatrove, olmo or llmc)"
  [ "$(ls bare | wc -l)" -eq 2 ]
}

@test "files of datatrove, OLMo and llm.c come back byte for byte" {
  for dtype in uint16 uint32; do
    rm -f out.* back.* again.*
    "$BIN/tokshard" export -q --to datatrove --dtype $dtype --tokenizer-name org/tok web -o out.ds
    [ "$(head -n 1 out.ds.metadata)" = "org/tok|$([ $dtype = uint16 ] && echo 2 || echo 4)" ]
    "$BIN/tokshard" adopt -q --tokenizer tok.json --documents docs.jsonl out.ds -o back
    cmp back.bin web.bin
    cmp back.idx web.idx
    cmp back.docs.jsonl.zst web.docs.jsonl.zst
    "$BIN/tokshard" export -q --to datatrove --dtype $dtype back -o again.ds
    for ending in ds ds.index ds.metadata; do cmp out.$ending again.$ending; done

    "$BIN/tokshard" export -q --to olmo --dtype $dtype web -o out.npy
    [ "$(zcat out.csv.gz | sed -n 2p)" = "$(printf '%s,"a, ""b""",2\r' "$(awk -F, 'NR == 1 { print $2 }' <(zcat out.csv.gz)),$(zcat out.csv.gz | awk -F, 'NR == 2 { print $2 }'),d1")" ]
    "$BIN/tokshard" adopt -q --tokenizer tok.json --dtype $dtype out.npy -o back -f
    cmp back.bin web.bin
    cmp back.idx web.idx
    [ "$(zstdcat back.docs.jsonl.zst | jq -rc '[.id, .source]' | tail -n 1)" = '["d59","a, \"b\""]' ]
    "$BIN/tokshard" export -q --to olmo --dtype $dtype back -o again.npy
    cmp out.npy again.npy
    cmp <(zcat out.csv.gz) <(zcat again.csv.gz)
    rm out.csv.gz # borders by the token that ends documents
    "$BIN/tokshard" adopt -q --tokenizer tok.json --dtype $dtype out.npy -o back -f
    cmp back.bin web.bin
    cmp back.idx web.idx

    "$BIN/tokshard" export -q --to llmc --dtype $dtype web -o out.bin
    "$BIN/tokshard" adopt -q --tokenizer tok.json --from llmc out.bin -o back -f
    cmp back.bin web.bin
    cmp back.idx web.idx
    "$BIN/tokshard" export -q --to llmc --dtype $dtype back -o again.bin
    cmp out.bin again.bin
  done
  "$BIN/tokshard" adopt -q --vocab-size 280 --bos "$(jq .bos web.manifest.json)" out.bin -o begun # llm.c's own documents begin with their token
  cmp begun.idx web.idx
}

@test "damaged and masked files are refused by name" {
  "$BIN/tokshard" export -q --to datatrove web -o out.ds
  cp out.ds.index good
  truncate -s -8 out.ds.index
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json out.ds -o back
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"index does not end where the data does: out.ds.index"* ]]
  cp good out.ds.index
  head -c "$(($(stat -c %s out.ds) / 2))" /dev/zero | tr '\0' '\1' >out.ds.loss
  "$BIN/tokshard" adopt -q --tokenizer tok.json out.ds -o whole
  printf '\0' | dd of=out.ds.loss bs=1 seek=5 conv=notrunc status=none
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json out.ds -o back
  assert_fails 2 "the loss mask leaves tokens out, which a shard cannot say: out.ds.loss (token 5)"
  "$BIN/tokshard" export -q --to llmc web -o out.bin
  truncate -s -2 out.bin
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json --from llmc out.bin -o back
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"header and data differ in the number of tokens: out.bin"* ]]
  printf '\223NUMPY.........' >out.npy
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json out.npy -o back
  assert_fails 2 "a NumPy file with a header: out.npy (OLMo's are raw ids)"
  [ -z "$(ls | grep '^back')" ]
}

@test "a shard with tombstones is not exported" {
  echo '{"id":"d3"}' | "$BIN/tokshard" recheck -q --takedown - web -o out.jsonl
  mkdir red
  "$BIN/tokshard" redact -q --list out.jsonl web -o red
  run --separate-stderr "$BIN/tokshard" export --to datatrove red/web -o out.ds
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the shard has tombstones"* ]]
  [ ! -e out.ds ]
}

@test "a tokenizer name that is no text is not taken" {
  jq -c '.run.tokenizer_name = 5' web.manifest.json >changed
  mv changed web.manifest.json
  "$BIN/tokshard" export -q --to datatrove web -o out.ds
  [ "$(head -n 1 out.ds.metadata)" = "Unknown Tokenizer|2|2" ]
  jq -c '.run.tokenizer_name = "org/tok"' web.manifest.json >changed
  mv changed web.manifest.json
  "$BIN/tokshard" export -q -f --to datatrove web -o out.ds
  [ "$(head -n 1 out.ds.metadata)" = "org/tok|2" ]
}

@test "adopt does not replace what it reads, with -f either" {
  "$BIN/tokshard" export -q --to llmc web -o tok.bin
  cp tok.bin kept.bin
  run --separate-stderr "$BIN/tokshard" adopt -f --tokenizer tok.json tok.bin -o tok
  assert_fails 2 "output is also an input: tok.bin"
  cmp tok.bin kept.bin
  cp docs.jsonl new.idx
  run --separate-stderr "$BIN/tokshard" adopt -f --tokenizer tok.json --documents new.idx tok.bin -o new
  assert_fails 2 "output is also an input: new.idx"
  cmp new.idx docs.jsonl
  cp tok.json new.manifest.json
  run --separate-stderr "$BIN/tokshard" adopt -f --tokenizer new.manifest.json tok.bin -o new
  assert_fails 2 "output is also an input: new.manifest.json"
  cmp new.manifest.json tok.json
  cp web.docs.jsonl.zst kept
  run --separate-stderr "$BIN/tokshard" adopt -f --tokenizer tok.json --documents web.docs.jsonl.zst web
  assert_fails 2 "output is also an input: web.docs.jsonl.zst"
  cmp web.docs.jsonl.zst kept
}

@test "adopt puts no shard beside a set of its name" {
  "$BIN/tokshard" export -q --to llmc web -o x.bin
  "$BIN/tokshard" split -q --shards 3 web -o set
  local before
  before=$(sha256sum set-*)
  for flags in '' -n; do
    run --separate-stderr "$BIN/tokshard" adopt $flags --from llmc --tokenizer tok.json x.bin -o set
    assert_fails 2 "output exists: set-00000.bin (-f replaces it)"
  done
  cp x.bin set-00003.bin
  run --separate-stderr "$BIN/tokshard" adopt -f --from llmc --tokenizer tok.json set-00003.bin -o set
  assert_fails 2 "output is also an input: set-00003.bin"
  rm set-00003.bin
  [ "$(sha256sum set-*)" = "$before" ]
  [ ! -e set.bin ]
  "$BIN/tokshard" adopt -qf --from llmc --tokenizer tok.json x.bin -o set
  [ -z "$(ls | grep '^set-')" ]
  "$BIN/tokshard" verify -q --full set
  cmp set.bin web.bin
}

@test "adopt -f does not lose tombstones, origins and what is held out" {
  echo '{"id":"d3"}' | "$BIN/tokshard" recheck -q --takedown - web -o out.jsonl
  mkdir red
  "$BIN/tokshard" redact -q --list out.jsonl web -o red
  "$BIN/tokshard" merge -q web -o again
  "$BIN/tokshard" encode -q --holdout 0.3 --tokenizer tok.json docs.jsonl -o held
  for shard in red/web:redaction again:made_from held:part held-holdout:part; do
    cp "${shard%:*}.manifest.json" kept
    run --separate-stderr "$BIN/tokshard" adopt -f --tokenizer tok.json "${shard%:*}"
    assert_fails 2 "the manifest says what adopting would lose ('${shard#*:}'): ${shard%:*}.manifest.json"
    cmp "${shard%:*}.manifest.json" kept
  done
}

@test "ids and sources with line feeds come back from OLMo's table" {
  printf '{"text":"One.","id":"a\\nb","source":"\\r\\n"}\n{"text":"Two.","id":"\\"","source":"x\\n\\n,\\"\\ny"}\n{"text":"Three.","id":"c\\r"}\n' >odd.jsonl
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json odd.jsonl -o odd
  "$BIN/tokshard" export -q --to olmo odd -o odd.npy
  "$BIN/tokshard" adopt -q --tokenizer tok.json odd.npy -o back
  cmp back.bin odd.bin
  cmp <(zstdcat back.docs.jsonl.zst | jq -c '[.id, .source]') <(zstdcat odd.docs.jsonl.zst | jq -c '[.id, .source]')
  zcat odd.csv.gz | head -n 1 | gzip >cut.csv.gz
  cp odd.npy cut.npy
  run --separate-stderr "$BIN/tokshard" adopt --tokenizer tok.json cut.npy -o back2
  assert_fails 3 "a quote is not closed: cut.csv.gz:1"
}

@test "a tokenizer name with control characters is refused before anything is written" {
  run --separate-stderr "$BIN/tokshard" export --to datatrove --tokenizer-name "$(printf 'a\nb')" web -o out.ds
  assert_fails 2 "name of a tokenizer with control characters: --tokenizer-name ('a\x0Ab')"
  jq -c '.run.tokenizer_name = "a\tb"' web.manifest.json >changed
  mv changed web.manifest.json
  run --separate-stderr "$BIN/tokshard" export --to datatrove web -o out.ds
  assert_fails 2 "name of a tokenizer with control characters: web.manifest.json ('a\x09b'; --tokenizer-name gives another)"
  [ "$(ls | grep -c '^out')" -eq 0 ]
  "$BIN/tokshard" export -q --to datatrove --tokenizer-name org/tok web -o out.ds
}
