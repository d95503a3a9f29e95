# tokshard stat: what was kept and dropped, what shards are made of; numbers against jq over the inputs.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup() {
  cd "$BATS_TEST_TMPDIR"
  for part in a b; do
    awk -v part=$part 'BEGIN {
      for (i = 0; i < 60; ++i) {
        words = ""
        for (k = 0; k <= i; ++k) words = words " word" k % 7
        printf "{\"text\":\"Text %d of %s%s\",\"id\":\"%s%d\",\"url\":\"https://h%d.example/%s%d\",\"language\":\"l%02d\",\"source\":\"%s\"}\n", \
          i, i % 5 ? part : "both", words, part, i, i % 30, part, i, i % 30, part
      }
    }' >$part.jsonl
  done
  printf 'User-agent: *\nDisallow: /a1\n' >robots.txt
}

tokshard() { run --separate-stderr "$BIN/tokshard" "$@"; }

make_summaries() {
  for part in a b; do
    "$BIN/tokshard" filter -q --languages l00,l01,l02,l03 --stats filter-$part.json $part.jsonl -o f-$part.jsonl
  done
  "$BIN/tokshard" dedup -q a.jsonl b.jsonl --stats dedup.json -o d.jsonl
}

make_shards() {
  "$BIN/tokshard" vocab -q --size 280 a.jsonl -o tok.json
  "$BIN/tokshard" encode -q --tokenizer tok.json --shard-tokens 4000 a.jsonl -o set
  "$BIN/tokshard" encode -q --tokenizer tok.json b.jsonl -o b
}

@test "summaries add up, each step for itself" {
  make_summaries
  tokshard stat --json filter-a.json dedup.json filter-b.json
  [ "$status" -eq 0 ]
  [ "$(jq -r .type <<<"$output" | paste -sd' ')" = "dropped dropped dropped total" ]
  [ "$(jq -r 'select(.input) | .input' <<<"$output" | paste -sd' ')" = "filter-a.json dedup.json filter-b.json" ]
  jq -s .[-1].dropped <<<"$output" >total.json
  for key in kept rejected; do
    [ "$(jq ".steps.filter.$key" total.json)" -eq "$(jq -s "map(.$key) | add" filter-?.json)" ]
    [ "$(jq ".steps[\"dedup exact document\"].$key" total.json)" -eq "$(jq ".$key" dedup.json)" ]
  done
  [ "$(jq .steps.filter.rejected total.json)" -gt 100 ]
  [ "$(jq '.steps["dedup exact document"].rejected' total.json)" -eq 12 ]
  [ "$(jq -cS .reasons total.json)" = \
    "$(jq -s 'map(.reasons | to_entries) | add | group_by(.key) | map({key: .[0].key, value: (map(.value) | add)}) | from_entries' -cS filter-?.json dedup.json)" ]
  [ "$(jq -cS '.languages | map_values(.rejected)' total.json)" = \
    "$(jq -s 'map(.languages | to_entries) | add | group_by(.key) | map({key: .[0].key, value: (map(.value.rejected) | add)}) | from_entries' -cS filter-?.json)" ]
}

@test "what filters reject is told by source, whichever rule it was" {
  make_summaries
  tokshard stat --json filter-a.json filter-b.json
  [ "$(jq -cS 'select(.type == "total").dropped.sources' <<<"$output")" = \
    "$(for part in a b; do
      jq -c --slurpfile in $part.jsonl --slurpfile out f-$part.jsonl -n '[$in, $out] | map(group_by(.source) |
        map({key: .[0].source, value: length}) | from_entries) | . as [$in, $out] | $in | with_entries(
        .value = {kept: ($out[.key] // 0), rejected: (.value - ($out[.key] // 0))})'
    done | jq -scS 'map(to_entries) | add | group_by(.key) | map({key: .[0].key,
      value: {kept: (map(.value.kept) | add), rejected: (map(.value.rejected) | add)}}) | from_entries')" ]
  [ "$(jq 'select(.type == "total").dropped.sources | length' <<<"$output")" -eq 2 ]
  tokshard stat filter-a.json
  grep -q '^source *judged *rejected$' <<<"$output"
  grep -qx 'a *60 *52' <<<"$output"
  tokshard filter --languages l00 -o f.jsonl a.jsonl
  [[ "$stderr" == *"source         60  a, 58 rejected"* ]]
}

@test "what robots.txt closes is told by language and host, from standard input too" {
  "$BIN/tokshard" filter -n --json --robots robots.txt a.jsonl >robots.json
  blocked=$(jq '.reasons["robots:disallowed"]' robots.json)
  [ "$blocked" -gt 5 ]
  [ "$(jq .chars robots.json)" -eq "$(jq -s 'map(.text | length) | add' a.jsonl)" ]
  [ "$(jq .chars_kept robots.json)" -lt "$(jq .chars robots.json)" ]
  run --separate-stderr bash -c '"$BIN/tokshard" stat --json - <robots.json | tail -1'
  [ "$(jq .dropped.blocked <<<"$output")" -eq "$blocked" ]
  [ "$(jq -cS .dropped.blocking_hosts.most <<<"$output")" = "$(jq -cS .blocking_hosts.most robots.json)" ]
  [ "$(jq '.dropped.languages | map(.blocked) | add' <<<"$output")" -eq "$blocked" ]
}

@test "shards of a set and a prefix are what their manifests and indexes say" {
  make_shards
  members=$(ls set-*.idx | wc -l)
  [ "$members" -ge 2 ]
  tokshard stat --json set b
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq $((members + 2)) ]
  jq -s .[-1].shards <<<"$output" >total.json
  [ "$(jq .shards total.json)" -eq $((members + 1)) ]
  for key in documents tokens; do
    [ "$(jq ".$key" total.json)" -eq "$(jq -s "map(.$key) | add" ./*.manifest.json)" ]
    [ "$(jq -cS ".sources | map_values(.$key)" total.json)" = \
      "$(jq -s "map(.sources | to_entries) | add | group_by(.key) | map({key: .[0].key, value: (map(.value.$key) | add)}) | from_entries" -cS ./*.manifest.json)" ]
  done
  [ "$(jq .bytes total.json)" -eq "$(jq -j .text a.jsonl b.jsonl | wc -c)" ]
  jq -e '(.tokens / .bytes - .tokens_per_byte | fabs) < 1e-12' total.json
  jq -e '(.languages | map(.share) | add - 1 | fabs) < 1e-12' total.json
  [ "$(jq .hosts.hosts total.json)" -eq 30 ]
  [ "$(jq '.hosts.most["h3.example"]' total.json)" -eq 4 ]
  [ "$(jq -c .lengths total.json)" = "$("$BIN/tokshard" inspect --json set b |
    jq -sc 'map(.lengths) | add | group_by(.below) | map({below: .[0].below, documents: (map(.documents) | add)})')" ]
  [ "$(jq '.lengths | map(.documents) | add' total.json)" -eq 120 ]
}

@test "tables are aligned, 80 columns wide, twenty rows and the others" {
  make_summaries
  long=$(printf 'x%.0s' $(seq 200))
  sed -i "s/\"l29\"/\"$long\"/" a.jsonl b.jsonl
  make_shards
  tokshard stat filter-a.json dedup.json set b
  [ "$status" -eq 0 ]
  awk 'length > 80 {print; bad = 1} END {exit bad}' <<<"$output"
  grep -qE '^filter +60 +8 +52 +13\.3 % +[0-9.]+ %$' <<<"$output"
  grep -qE '^xxx+\.\.\. ' <<<"$output"
  # 30 languages: twenty, then the others; what they count is the rest.
  others=$(sed -n '/^language .*tokens.byte/,/^all/p' <<<"$output")
  [ "$(wc -l <<<"$others")" -eq 23 ]
  grep -qE '^others \(10\) ' <<<"$others"
  [ "$(awk 'NR > 1 && !/^all/ {sum += $(NF - 4)} END {print sum}' <<<"$others")" -eq 120 ]
  [ "$(awk '/^all/ {print $2}' <<<"$others")" -eq 120 ]
  # Columns end where their heads do.
  [ "$(awk '{print length}' <<<"$others" | sort -u | wc -l)" -eq 1 ]
  printf '%s\n' "$output" >plain.txt
  without_control_bytes plain.txt
}

@test "a shard that does not know its bytes says so" {
  make_shards
  rm b.manifest.json
  tokshard stat b
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "1 shard, 60 documents, "*" tokens, unknown size of text" ]]
  grep -qE '^unknown +60 +[0-9]+ +100\.0 % +-$' <<<"$output"
  tokshard stat --json b
  [ "$(jq -s '.[1].shards | has("bytes") or has("tokens_per_byte")' <<<"$output")" = false ]
}

@test "redacted shards are told apart, their splits and merges too" {
  make_shards
  printf '{"id":"b%d"}\n' 1 7 8 | "$BIN/tokshard" recheck -q --takedown - b -o out.jsonl
  mkdir red forgotten small
  "$BIN/tokshard" redact -q --list out.jsonl b -o red
  "$BIN/tokshard" redact -q --forget --list out.jsonl b -o forgotten
  "$BIN/tokshard" redact -q --compact --list out.jsonl b -o small
  printf '{"id":"b%d"}\n' 20 | "$BIN/tokshard" recheck -q --takedown - red/b -o again.jsonl
  mkdir twice
  "$BIN/tokshard" redact -q --list again.jsonl red/b -o twice
  "$BIN/tokshard" split -q --shards 3 red/b -o piece
  "$BIN/tokshard" merge -q red/b set -o both
  for shard in red/b:3:60 forgotten/b:3:60 twice/b:4:60 piece:3:60 both:3:120 small/b:null:57; do
    IFS=: read -r name redacted documents <<<"$shard"
    tokshard stat --json "$name"
    [ "$status" -eq 0 ]
    jq -s .[-1].shards <<<"$output" >total.json
    [ "$(jq .redacted.documents total.json)" = "$redacted" ]
    [ "$(jq .documents total.json)" -eq "$documents" ]
    jq -e '.tokens == (.languages | map(.tokens) | add) + (.redacted.tokens // 0)' total.json
    jq -e '.documents == (.sources | map(.documents) | add) + (.redacted.documents // 0)' total.json
    jq -e '((.tokens - (.redacted.tokens // 0)) / .bytes - .tokens_per_byte | fabs) < 1e-12' total.json
  done
  # What a redaction takes over are links, which are no repetition.
  printf '{"id":"%s"}\n' "$(zstdcat set-00000.docs.jsonl.zst | jq -r .id | head -1)" >first
  "$BIN/tokshard" recheck -q --takedown - set <first >first.jsonl
  mkdir part
  "$BIN/tokshard" redact -q --list first.jsonl set -o part
  [ part/set-00001.bin -ef set-00001.bin ]
  tokshard stat --json set part/set
  [ "$status" -eq 0 ]
  jq -se '.[-1].shards.documents == 120' <<<"$output"
  tokshard stat red/b
  [ "$(grep -cE '^redacted +3 +[0-9]+ +[0-9.]+ % +-$' <<<"$output")" -eq 3 ]
  rm red/b.docs.jsonl.zst
  cp small/b.docs.jsonl.zst red/
  tokshard stat red/b
  assert_fails 3 "sidecar and index differ in their documents: red/b.docs.jsonl.zst (57, the index says 60)"
}

@test "names that a summary does not list are under others" {
  awk 'BEGIN {
    for (i = 0; i < 1003; ++i)
      printf "{\"text\":\"Text.\",\"url\":\"https://h.example/%d\",\"license\":\"LicenseRef-n%d\"}\n", i, i
  }' >many.jsonl
  "$BIN/tokshard" filter -q --license 'deny:MIT' --stats many.json many.jsonl -o kept.jsonl
  tokshard stat many.json
  grep -qE '^others +983 +0$' <<<"$output"
  run ! grep -q '(none)' <<<"$output"
  tokshard stat --json many.json
  [ "$(jq -sc '.[-1].dropped | [(.licenses | length), .other_licenses]' <<<"$output")" = '[1000,{"kept":3,"rejected":0}]' ]
}

@test "documents without URL are no host" {
  make_shards
  sed 's/"url":"[^"]*",//' a.jsonl >bare.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json bare.jsonl b.jsonl -o half
  tokshard stat --json half
  [ "$(jq -sc '.[-1].shards.hosts | [.hosts, .without, (.most | length), .most["h3.example"]]' <<<"$output")" = '[30,60,30,2]' ]
}

@test "names of wide characters do not move the columns" {
  make_shards
  printf '{"text":"Text.","id":"w","source":"\u4e2d\u6587"}\n{"text":"Text.","id":"x","source":"%s"}\n' \
    "$(printf '\xe4\xb8\xad%.0s' $(seq 60))" >wide.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json wide.jsonl -o wide
  tokshard stat wide
  # Of a wide character of three bytes two cells are shown: two rows beside "all", of 80 cells each.
  [ "$(sed -n '/^source/,/^all/p' <<<"$output" | awk '{n = gsub(/\xe4\xb8\xad|\xe6\x96\x87/, "xx"); print length}' | sort -u)" = 80 ]
}

@test "pictures: reasons, tokens, tokens per byte, lengths" {
  command -v gnuplot || skip "no gnuplot"
  make_summaries
  make_shards
  tokshard stat filter-a.json set -o all.svg
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  for text in "Documents dropped by reason" "Tokens by language" "Tokens per byte by language" "Documents by tokens"; do
    grep -q "$text" all.svg
  done
  grep -q ">l28<" all.svg
  tokshard stat filter-a.json -o reasons.svg
  run ! grep -q "Tokens by language" reasons.svg
  tokshard stat set -o set.png
  [ "$(head -c 4 set.png | tail -c 3)" = PNG ]
  tokshard stat set -o set.png
  assert_fails 2 "output exists: set.png (-f replaces it)"
  tokshard stat --json set -o other.svg
  assert_fails 2 "a picture has no JSON form: --json (name another file with -o)"
  printf '{"v":1,"type":"mix","documents":1,"kept":1,"rejected":0,"reasons":{}}\n' >none.json
  tokshard stat none.json -o none.svg
  assert_fails 7 "nothing to draw: none.json"
  [ ! -e none.svg ]
}

@test "what is neither summary nor shard is refused in one line" {
  make_shards
  tokshard stat absent
  assert_fails 3 "no summary, shard, set or folder of this name: absent"
  tokshard stat a.jsonl
  assert_fails 3 "no summary record: a.jsonl:1 (filter, dedup, decontaminate or mix --stats writes one)"
  tokshard stat tok.json
  [ "$status" -eq 3 ]
  [ -z "$output" ]
  [ "${#stderr_lines[@]}" -eq 1 ]
  : >empty.json
  tokshard stat empty.json
  assert_fails 3 "no summary record in this file: empty.json"
  printf '{"v":1,"type":"mix","documents":3,"kept":1,"rejected":2,"reasons":{"mix:rate":1}}\n' >odd.json
  tokshard stat odd.json
  assert_fails 3 "reasons do not add up to what was rejected: odd.json:1 (1 and 2)"
  for name in x.pdf x.PNG x.svg.gz x.html x.json; do
    tokshard stat b -o $name
    assert_fails 2 "the name says another format than what is written: $name (.txt, .svg or .png, or with --json .json or .jsonl)"
    [ ! -e $name ]
  done
  tokshard stat --json b -o x.txt
  assert_fails 2 "the name says another format than what is written: x.txt (with --json .json or .jsonl)"
  "$BIN/tokshard" stat b > printed
  for name in x x.txt ./.x; do
    "$BIN/tokshard" stat b -o $name
    cmp $name printed
  done
  "$BIN/tokshard" stat --json b -o x.jsonl.gz
  zcat x.jsonl.gz | cmp - <("$BIN/tokshard" stat --json b)
  mkdir folder
  tokshard stat folder
  assert_fails 2 "no shards in this folder: folder (none ends in .idx)"
  tokshard stat b b.idx
  assert_fails 2 "input is named twice: b"
  tokshard stat b ./b
  assert_fails 2 "input is named twice: ./b (as b)"
  make_summaries
  tokshard stat filter-a.json ./filter-a.json
  assert_fails 2 "input is named twice: ./filter-a.json (as filter-a.json)"
  ln -s filter-a.json linked.json
  run --separate-stderr bash -c '"$BIN/tokshard" stat linked.json - <filter-a.json'
  assert_fails 2 "input is named twice: - (as linked.json)"
  tokshard stat b -f -o b.bin
  assert_fails 2 "output is also an input: b.bin"
  jq -c '.tokens += 1' b.manifest.json >other
  mv other b.manifest.json
  tokshard stat b
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"manifest disagrees with the shard index: b.manifest.json"* ]]
  truncate -s -2 b.bin
  tokshard stat b
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"shard index disagrees with the size of the data: b.bin"* ]]
}
