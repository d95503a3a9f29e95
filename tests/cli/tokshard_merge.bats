# tokshard merge: several finished shards as one.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  for part in a b c; do
    awk -v part=$part 'BEGIN {
      for (i = 0; i < 40; ++i)
        printf "{\"text\":\"Document %d of part %s, which says little.\",\"id\":\"%s%d\",\"url\":\"https://%s.example/%d\",\"language\":\"%s\"}\n", \
          i, part, part, i, part, i, i % 2 ? "en" : "de"
    }' >$part.jsonl
  done
  "$BIN/tokshard" vocab -q --size 280 a.jsonl -o tok.json
  for part in a b c; do
    "$BIN/tokshard" encode -q --order input --tokenizer tok.json $part.jsonl -o $part
  done
}

@test "a merged shard is the shard of all documents" {
  run --separate-stderr "$BIN/tokshard" merge --json a b c -o all
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"all: 120 documents"* ]]
  [[ "$output" == *'"documents":120,'* ]]
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json a.jsonl b.jsonl c.jsonl -o once
  for ending in bin idx docs.jsonl.zst; do cmp "all.$ending" "once.$ending"; done
  run "$BIN/tokshard" verify --full all
  [ "$status" -eq 0 ]
  cmp <("$BIN/tokshard" decode all) <("$BIN/tokshard" decode once)
  [ "$(jq -c '[.made_from[].shard]' all.manifest.json)" = '["a","b","c"]' ]
  [ "$(jq -c '[.inputs[].file]' all.manifest.json)" = '["a.jsonl","b.jsonl","c.jsonl"]' ]
  [ "$(jq '.made_from[1].manifest_sha256' -r all.manifest.json)" = "$(sha256sum b.manifest.json | cut -d' ' -f1)" ]
}

@test "merge takes names of files and folders" {
  "$BIN/tokshard" merge -q ./*.idx -o all
  mkdir folder
  mv a.* b.* c.* folder/
  "$BIN/tokshard" merge -q folder -o again
  cmp all.bin again.bin
}

@test "merge writes a set when shards have a limit" {
  "$BIN/tokshard" merge -q a b c -o all
  "$BIN/tokshard" split -q --shard-tokens 1K all -o cut
  run --separate-stderr "$BIN/tokshard" merge --json --shard-tokens 1K a b c -o set
  [ "$status" -eq 0 ]
  [ "$(jq -r .prefix <<<"$output" | tr '\n' ' ')" = "$(ls set-*.idx | sed 's/.idx$//' | tr '\n' ' ')" ]
  [ "${#lines[@]}" -ge 3 ]
  [ "$(jq -s 'map(.tokens) | max <= 1000' <<<"$output")" = true ]
  for file in cut-*.bin cut-*.idx cut-*.zst; do cmp "$file" "set${file#cut}"; done
  "$BIN/tokshard" verify -q --full set
  [ "$(jq -rs 'map(.made_from[] | .documents) | add' set-*.manifest.json)" -eq 120 ]
  # A set that is merged anew, with another limit, as one, and into parts of itself.
  "$BIN/tokshard" merge -q --shard-tokens 2K set -o larger
  [ "$(ls larger-*.idx | wc -l)" -lt "$(ls set-*.idx | wc -l)" ]
  "$BIN/tokshard" merge -q --shard-tokens 0 larger -o one
  cmp one.bin all.bin
  [ ! -e one-00000.bin ]
  local before
  before=$(sha256sum set-*)
  run --separate-stderr "$BIN/tokshard" merge -f --shard-tokens 2K set -o set
  assert_fails 2 "output is also an input: set-00000.bin"
  run --separate-stderr "$BIN/tokshard" merge --shard-tokens 2K a b -o set
  assert_fails 2 "output exists: set-00000.bin (-f replaces it)"
  run --separate-stderr "$BIN/tokshard" merge --shard-tokens -1 a b -o other
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--shard-tokens"*"-1"* ]]
  [ "$(sha256sum set-*)" = "$before" ]
  "$BIN/tokshard" merge -q -f --shard-tokens 100K a b c -o set
  [ "$(ls set-* | wc -l)" -eq 4 ]
  "$BIN/tokshard" encode -q --order input --parts work --tokenizer tok.json --task 0/1 a.jsonl
  run --separate-stderr "$BIN/tokshard" merge --shard-tokens 1K work -o parts
  assert_fails 2 "is of shards: --shard-tokens (for parts encode or build takes it)"
}

@test "merge refuses what does not fit, and its own inputs as output" {
  "$BIN/tokshard" vocab -q --size 270 b.jsonl -o other.json
  "$BIN/tokshard" encode -q --tokenizer other.json b.jsonl -o d
  run --separate-stderr "$BIN/tokshard" merge a d -o all
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"shards of different tokenizers: d ("* ]]
  run --separate-stderr "$BIN/tokshard" merge -f a b -o a
  assert_fails 2 "output is also an input: a.bin"
  run --separate-stderr "$BIN/tokshard" merge a a -o all
  assert_fails 2 "input is named twice: a"
  ln -s "$PWD" here
  for again in ./a "$PWD/a" a.idx here/a; do
    run --separate-stderr "$BIN/tokshard" merge a "$again" -o all
    [ "$status" -eq 2 ]
    [[ "$stderr" == "tokshard: error: input is named twice: "* ]]
  done
  [ ! -e all.bin ]
  run --separate-stderr "$BIN/tokshard" merge a nothing -o all
  assert_fails 3 "no shard of this name: nothing (give PREFIX of PREFIX.idx)"
  run --separate-stderr "$BIN/tokshard" merge a b
  assert_fails 2 "PREFIX of the shard is missing: -o"
  rm b.manifest.json
  run --separate-stderr "$BIN/tokshard" merge a b -o all
  assert_fails 2 "the shard has no manifest: b (tokshard adopt makes one)"
  run --separate-stderr "$BIN/tokshard" merge -n a c -o all
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"would merge 2 shards"* ]]
  [ ! -e all.bin ]
  "$BIN/tokshard" merge -q a c -o all
  run --separate-stderr "$BIN/tokshard" merge a c -o all
  assert_fails 2 "output exists: all.bin (-f replaces it)"
}

@test "a damaged shard is not merged" {
  printf '\005' | dd of=b.bin bs=1 seek=8 conv=notrunc status=none
  run --separate-stderr "$BIN/tokshard" merge a b -o all
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"b.bin"* ]]
  [ -z "$(ls | grep '^all')" ]
}

@test "merge never removes what it reads" {
  "$BIN/tokshard" merge -q --shard-tokens 1K a b -o set
  local before
  before=$(sha256sum set-*)
  # Refused before any work, in a dry run too, and -f does not change it.
  for flags in -n -f -nf ''; do
    run --separate-stderr "$BIN/tokshard" merge $flags set -o set
    assert_fails 2 "output is also an input: set-00000.bin"
  done
  run --separate-stderr "$BIN/tokshard" merge -f set-00001 c -o set
  assert_fails 2 "output is also an input: set-00001.bin"
  [ "$(sha256sum set-*)" = "$before" ]
  # Dates are no numbers of a set.
  for ending in bin idx docs.jsonl.zst manifest.json; do
    cp "a.$ending" "wiki-20231101.$ending"
    cp "b.$ending" "wiki-20240101.$ending"
  done
  before=$(sha256sum wiki-20*)
  "$BIN/tokshard" merge -q wiki-20231101 wiki-20240101 -o wiki
  "$BIN/tokshard" merge -qf wiki-20231101 wiki-20240101 -o wiki
  "$BIN/tokshard" merge -qf --shard-tokens 1K wiki-20231101 wiki-20240101 -o wiki
  [ ! -e wiki.idx ]
  [ "$(sha256sum wiki-20*)" = "$before" ]
  "$BIN/tokshard" verify -q wiki
  # A set that nothing reads goes as a whole.
  "$BIN/tokshard" merge -qf a b -o set
  [ "$(ls set*)" = "$(printf 'set.%s\n' bin docs.jsonl.zst idx manifest.json)" ]
}
