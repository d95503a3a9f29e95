# tokshard mix and decontaminate: which documents stay, how often, and why.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  for i in $(seq 400); do
    printf '{"text":"document %d","id":"%d","language":"%s","source":"%s"}\n' "$i" "$i" \
      "$([ $((i % 2)) -eq 0 ] && echo de || echo en)" "$([ $((i % 4)) -eq 0 ] && echo wiki || echo web)"
  done >in.jsonl
}

tokshard() { run --separate-stderr "$BIN/tokshard" "$@"; }

@test "mix draws by language and source, whatever the order and the threads" {
  tokshard mix -j 1 --rates 'source=wiki:2,language=en:0.25' --stats stats.json in.jsonl -o one.jsonl
  [ "$status" -eq 0 ]
  [ "$(grep -c '"source":"wiki"' one.jsonl)" -eq 200 ]
  [ "$(grep -c '"source":"wiki".*"copy":2' one.jsonl)" -eq 100 ]
  [ "$(grep -c '"language":"de","source":"web"' one.jsonl)" -eq 100 ]
  drawn=$(grep -c '"language":"en"' one.jsonl)
  [ "$drawn" -gt 20 ]
  [ "$drawn" -lt 80 ]
  grep -q '"rules":\[{"rule":"source=wiki:2","rate":2.0,"documents":100,"written":200}' stats.json
  "$BIN/tokshard" mix -q -j 4 --rates 'source=wiki:2,language=en:0.25' in.jsonl | cmp - one.jsonl
  sort -r in.jsonl >other.jsonl
  "$BIN/tokshard" mix -q --rates 'source=wiki:2,language=en:0.25' other.jsonl | sort | cmp - <(sort one.jsonl)
  "$BIN/tokshard" mix -q --seed 9 --rates 'source=wiki:2,language=en:0.25' in.jsonl >seeded.jsonl
  run ! cmp -s seeded.jsonl one.jsonl
}

@test "mix names what it did not draw, and refuses what is no rule" {
  tokshard mix --rates 'language=en:0' --rejects rest.jsonl in.jsonl
  [ "${#lines[@]}" -eq 200 ]
  [ "$(grep -c '"dropped_by":"mix","reason":"rate"' rest.jsonl)" -eq 200 ]
  [[ "$stderr" == *"400 documents: 200 kept, 200 rejected, 200 written"* ]]
  for bad in 'host=x:1' '*:2000' 'language=en'; do
    tokshard mix --rates "$bad" in.jsonl -o never.jsonl
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--rates"* ]]
  done
  [ ! -e never.jsonl ]
  tokshard mix -n --rates apertus-33 in.jsonl
  [ "$status" -eq 0 ]
}

@test "decontaminate names the benchmark, the item and the words" {
  printf '\n{"query":"What do cats eat at night?","text":"Cats eat small mice and birds in the dark garden."}\n' >pets.jsonl
  printf '{"text":"He said: cats eat small MICE and birds - in the dark garden!","id":"1"}\n' >docs.jsonl
  printf '{"text":"Dogs eat other things altogether, in the day.","id":"2"}\n' >>docs.jsonl
  tokshard decontaminate --words 8 --benchmarks pets.jsonl --rejects seen.jsonl --stats stats.json docs.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"id":"2"'* ]]
  grep -q '"contamination":{"benchmark":"pets","item":2,"words":"cats eat small mice and birds in the"}' seen.jsonl
  grep -q '"dropped_by":"decontaminate","reason":"pets"' seen.jsonl
  grep -q '"reasons":{"decontaminate:pets":1}' stats.json
  tokshard decontaminate --method overlap --benchmarks pets.jsonl docs.jsonl --rejects over.jsonl
  [ "${#lines[@]}" -eq 1 ]
  grep -q '"contamination":{"benchmark":"pets","item":2,"share":0.6' over.jsonl
}

@test "decontaminate refuses benchmarks that hold nothing" {
  printf '{"text":"short"}\n' >short.jsonl
  tokshard decontaminate --benchmarks short.jsonl in.jsonl
  [ "$status" -eq 7 ]
  printf '{"txt":"short"}\n' >wrong.jsonl
  tokshard decontaminate --benchmarks wrong.jsonl in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"wrong.jsonl:1"* ]]
  tokshard decontaminate --words 200 --benchmarks short.jsonl in.jsonl
  [ "$status" -eq 2 ]
  tokshard decontaminate --method overlap --queries --benchmarks short.jsonl in.jsonl
  [ "$status" -eq 2 ]
}

@test "copies stand apart in a shard, are held out together, and are no filter" {
  "$BIN/tokshard" vocab -q --size 280 in.jsonl -o tok.json
  "$BIN/tokshard" mix -q --rates '*:3' in.jsonl -o three.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json --holdout 20% three.jsonl -o web
  "$BIN/tokshard" decode web | jq -r .id >ids
  [ "$(wc -l <ids)" -gt 700 ]
  # Of some thousand neighbours two in a thousand would be copies by chance.
  [ "$(uniq -d ids | wc -l)" -lt 20 ]
  "$BIN/tokshard" decode web-holdout | jq -r .id | sort | uniq -c | awk '$1 != 3 {exit 1}'
  [ "$(jq -c .filters web.manifest.json)" = "{}" ]
}

@test "benchmarks may be several files, each with a byte order mark" {
  words='one two three four five six seven eight nine ten eleven twelve thirteen'
  printf '\xef\xbb\xbf{"text":"%s"}\n' "$words" >first.jsonl
  printf '\xef\xbb\xbf\n{"text":"%s"}\n' "${words// / and }" >second.jsonl
  printf '{"text":"%s","id":"%s"}\n' "$words" a "${words// / and }" b "${words// / or }" c >docs.jsonl
  run --separate-stderr "$BIN/tokshard" decontaminate --benchmarks first.jsonl --benchmarks second.jsonl docs.jsonl
  [ "$status" -eq 0 ]
  [ "$(jq -r .id <<<"$output")" = c ]
  for words in 0 101; do
    run --separate-stderr "$BIN/tokshard" decontaminate --benchmarks first.jsonl --words $words docs.jsonl
    assert_fails 2 "must be in 1..100: --words"
  done
}
