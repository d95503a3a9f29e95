# tokshard dedup: exact and by Bloom filter, of documents, paragraphs and lines.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
}

dedup() { run --separate-stderr "$BIN/tokshard" dedup "$@"; }

documents() {
  printf '{"text":"one","id":"1"}\n{"text":"two","id":"2","k":[1]}\n{"text":"one","id":"3"}\n'
  printf '{"text":"","id":"4"}\n{"text":"two","id":"5"}\n{"text":"three","id":"6"}\n'
}

# many N M: N documents with M distinct texts, scattered.
many() {
  awk -v n="$1" -v m="$2" 'BEGIN { for (i = 0; i < n; ++i)
    printf "{\"text\":\"text %d\\nshared line %d\\n\\nlast %d\",\"id\":\"d%d\"}\n", i * 7919 % m, i % 50, i * 104729 % m, i }'
}

@test "the first of equal documents stays, the others name it" {
  documents >in.jsonl
  dedup --rejects out.jsonl --stats stats.json in.jsonl
  [ "$status" -eq 0 ]
  [ "$output" = '{"text":"one","id":"1"}
{"text":"two","id":"2","k":[1]}
{"text":"three","id":"6"}' ]
  [ "$(jq -r '[.id, .ballast.dropped_by, .ballast.reason, .ballast.duplicate_of] | join(" ")' out.jsonl)" = "3 dedup duplicate 1
4 length empty 
5 dedup duplicate 2" ]
  [[ "$stderr" == *"6 documents: 3 kept, 3 rejected"* ]]
  [ "$(jq -c '[.v, .type, .method, .unit, .documents, .kept, .rejected, .reasons, .distinct, .malformed]' stats.json)" = \
    '[1,"dedup","exact","document",6,3,3,{"dedup:duplicate":2,"length:empty":1},3,0]' ]
}

@test "lines and paragraphs that came before go, and documents with nothing new" {
  printf '%s\n' '{"text":"menu\nhello\n\nbye","id":"a"}' '{"text":"menu\nnew\n\nbye\n","id":"b"}' \
    '{"text":"hello\n\nmenu","id":"c"}' >in.jsonl
  dedup --unit line --rejects out.jsonl in.jsonl
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = '{"text":"menu\nhello\n\nbye","id":"a"}' ]
  [ "${lines[1]}" = '{"text":"new\n","id":"b","ballast":{"dedup":{"lines":{"found":3,"kept":1}}}}' ]
  [ "$(jq -r '.id + " " + .text + " " + .ballast.reason' out.jsonl)" = "c hello

menu nothing_new" ]
  [[ "$stderr" == *"removed         4  of 8 parts"* ]]
  dedup --unit paragraph in.jsonl
  [ "$(jq -r .text <<<"${lines[1]}")" = "menu
new" ]
  [ "${#lines[@]}" -eq 3 ]
  dedup --unit line --ignore-below 5 in.jsonl
  [ "$(jq -r .text <<<"${lines[2]}")" = menu ]
}

@test "order and bytes depend neither on threads nor on how documents are packed" {
  many 20000 15000 >in.jsonl
  split -n l/3 in.jsonl part.
  gzip part.aa
  zstd -q --rm part.ab
  for how in "--method exact" "--unit line" "--unit paragraph" "--method bloom --capacity 20000 --false-positives 0.001"; do
    "$BIN/tokshard" dedup -q -j 1 $how --rejects one.out in.jsonl >one
    "$BIN/tokshard" dedup -q -j 4 $how --rejects four.out part.aa.gz part.ab.zst - <part.ac >four
    cmp one four
    cmp one.out four.out
    [ "$(cat one one.out | wc -l)" -eq 20000 ]
    rm one.out four.out
  done
}

@test "documents of a JSON field order of their own agree with sort -u" {
  many 5000 3000 >in.jsonl
  "$BIN/tokshard" dedup -q in.jsonl | jq .text | sort >ours
  jq .text in.jsonl | sort -u | cmp - ours
  "$BIN/tokshard" dedup -q --unit line in.jsonl | jq -r .text | grep . | sort >ours
  jq -r .text in.jsonl | grep . | sort -u | cmp - ours
}

@test "a Bloom filter keeps nothing twice, drops at most its share, and says when it is too small" {
  many 20000 20000 >in.jsonl
  dedup --method bloom --capacity 20000 --false-positives 0.01 --stats stats.json -o kept.jsonl in.jsonl in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"named twice"* ]]
  cp in.jsonl again.jsonl
  dedup --method bloom --capacity 20000 --false-positives 0.01 --stats stats.json --rejects out.jsonl \
    -o kept.jsonl in.jsonl again.jsonl
  [ "$status" -eq 0 ]
  [ -z "$(jq .text kept.jsonl | sort | uniq -d)" ]
  [ "$(jq -r .ballast.reason out.jsonl | sort -u)" = probable_duplicate ]
  # 20,000 new ones, each mistaken with at most .01: mean 200 at most, five deviations above it 271.
  [ "$(wc -l <kept.jsonl)" -ge $((20000 - 271)) ]
  # 191,702 bits and words of 64: 23,968 bytes
  [ "$(jq -c '[.memory, .capacity, .false_positives]' stats.json)" = '[23968,20000,0.01]' ]
  jq -e '.false_positives_at_end < 0.0105' stats.json
  dedup --method bloom --capacity 1000 in.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"warning: more than 1000 distinct documents: from here on more than 1e-06"* ]]
}

@test "too little memory is an error that leaves no file" {
  many 20000 20000 >in.jsonl
  dedup --memory 100KiB -o kept.jsonl in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"distinct documents need more memory than allowed: --memory (allow more, or take --method bloom)"* ]]
  [ -z "$(find . -name 'kept*')" ]
}

@test "options that would not be looked at are refused" {
  documents >in.jsonl
  for wrong in "--capacity 10" "--false-positives 0.1" "--method bloom" "--method bloom --capacity 10 --memory 1G" \
    "--ignore-below 5" "--method bloom --capacity 0" "--method bloom --capacity 10 --false-positives 0.9" \
    "--method other" "--unit word" "--rejects in.jsonl" "--rejects - -o -"; do
    dedup $wrong in.jsonl
    [ "$status" -eq 2 ]
    [ -z "$output" ]
  done
}

@test "an input in two spellings is named twice, a pipe is not" {
  documents >in.jsonl
  ln -s in.jsonl link.jsonl
  for again in ./in.jsonl "$PWD/in.jsonl" link.jsonl; do
    dedup in.jsonl "$again"
    assert_fails 2 "input is named twice: $again (as in.jsonl)"
  done
  run --separate-stderr bash -c '"$BIN/tokshard" dedup in.jsonl - <in.jsonl'
  assert_fails 2 "input is named twice: - (as in.jsonl)"
  run --separate-stderr bash -c '"$BIN/tokshard" dedup -q - <(cat in.jsonl) <(cat in.jsonl) <in.jsonl | cmp - <("$BIN/tokshard" dedup -q in.jsonl)'
  [ "$status" -eq 0 ]
}

@test "malformed lines end the run, or are counted; earlier rejects pass to the rejects" {
  { documents; echo '{"text":'; echo '{"text":"six","id":"7","ballast":{"dropped_by":"pii","reason":"found"}}'; } >in.jsonl
  dedup -o kept.jsonl in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"in.jsonl:7"* ]]
  [ ! -e kept.jsonl ]
  dedup --on-error skip --rejects out.jsonl --stats stats.json in.jsonl
  [ "$status" -eq 0 ]
  [ "$(jq -c '[.malformed, .documents, .reasons."input:rejected"]' stats.json)" = "[1,7,1]" ]
  [ "$(tail -1 out.jsonl)" = '{"text":"six","id":"7","ballast":{"dropped_by":"pii","reason":"found"}}' ]
  dedup -n --json --on-error skip in.jsonl
  [ "$(jq -c '[.type, .kept]' <<<"$output")" = '["dedup",3]' ]
}
