# tokshard recheck: which documents of a finished shard are excluded now, by robots.txt files of today or a takedown list.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

recheck() { run --separate-stderr "$BIN/tokshard" recheck "$@"; }

# make_shard PREFIX COUNT HOSTS: document i is http://hI.example/private/i when 10 divides i, else .../i, in this order; every
# 11th has no URL.
make_shard() {
  awk -v n="$2" -v hosts="$3" 'BEGIN {
    for (i = 0; i < n; ++i) {
      url = i % 11 == 10 ? "" : sprintf("\"url\":\"http://h%d.example/%s%d\",", i % hosts, i % 10 ? "" : "private/", i)
      printf "{\"text\":\"The ship %d of %d\",%s\"id\":\"d%d\"}\n", i, n, url, i
    }
  }' >docs.jsonl
  "$BIN/tokshard" vocab -q -f --size 280 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json docs.jsonl -o "$1"
}

@test "one robots.txt for all: what it forbids today, with the reason" {
  make_shard web 100 7
  printf 'User-agent: *\nDisallow: /private/\n' >robots.txt
  recheck --robots robots.txt web
  [ "$status" -eq 0 ]
  [ "$(jq -r .document <<<"$output" | tr '\n' ' ')" = "0 20 30 40 50 60 70 80 90 " ]
  [[ "$stderr" == *"web: 9 of 100 documents excluded, "*" tokens (asked 8 of 8 hosts, read 1 of 1 frames)" ]]
  line=${lines[1]}
  [ "$(jq -c '[.shard, .id, .url, .host, .reason, .rule, .line]' <<<"$line")" = \
    '["web","d20","http://h6.example/private/20","h6.example","robots","Disallow: /private/",2]' ]
  [ "$(jq -r '.agents[-1]' <<<"$line")" = "*" ]
  [ "$(jq -r .sha256 <<<"$line")" = "$(printf 'The ship 20 of 100' | sha256sum | cut -d' ' -f1)" ]
  [ "$(jq .tokens <<<"$line")" -eq "$(("$("$BIN/tokshard" inspect --json web | jq .tokens)" - \
    "$(zstd -dc web.docs.jsonl.zst | jq -s 'del(.[20]) | map(.tokens) | add')"))" ]
  recheck --robots robots.txt --agents Friendly web
  [ "$(wc -l <<<"$output")" -eq 9 ]
  printf 'User-agent: GPTBot\nDisallow: /\n' >robots.txt
  recheck --robots robots.txt --agents Friendly web
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "robots.txt by host: only the frames of the hosts that it names are read" {
  make_shard web 4000 1500
  mkdir robots
  printf 'User-agent: GPTBot\nDisallow: /\n' >robots/h7.example.txt
  printf 'User-agent: Someone\nDisallow: /\n' >robots/h8.example.txt
  recheck --robots robots web
  [ "$status" -eq 0 ]
  [ "$(jq -r .document <<<"$output" | tr '\n' ' ')" = "7 1507 3007 " ]
  [[ "$stderr" == *"web: 3 of 4000 documents excluded, "*" (asked 1 of 1501 hosts, read 3 of 4 frames)" ]]
  recheck --robots robots --on-missing drop web
  [ "$(wc -l <<<"$output")" -eq $((4000 - 3)) ] # the pages of h8.example may stay
  [ "$(head -1 <<<"$output" | jq -c '[.rule, .agents, .line]')" = '["missing",null,null]' ]
}

@test "a takedown list of every kind of entry, plain, compressed and on stdin" {
  make_shard web 200 7
  cat >list <<'LIST'
# from the desk of 3 March
http://h1.example/1
https://h2.example/private/*   # whatever is there
h3.example
.example.org
{"id":"d10"}
{"id":"d5","host":"h5.example"}
{"id":"d6","host":"h5.example"}
LIST
  recheck --takedown list web
  [ "$status" -eq 0 ]
  jq -c '[.document, .line, .reason]' <<<"$output" >got
  zstd -dc web.docs.jsonl.zst | jq -c 'input_line_number as $n | . as $d | ($n - 1) as $i |
    if .url == "http://h1.example/1" then [$i, 2] elif (.url // "" | startswith("http://h2.example/private/")) then [$i, 3]
    elif .host == "h3.example" then [$i, 4] elif .id == "d10" then [$i, 6] elif .id == "d5" then [$i, 7] else empty end
    | . + ["takedown"]' >want
  [ "$(wc -l <want)" -gt 30 ]
  cmp got want
  [ "$(tail -1 <<<"$output" | jq -c '[.rule, .agents]')" = '["h3.example",null]' ]
  [[ "$stderr" == *"2 of 7 entries of the list decided about no document: line 5 (.example.org), line 8 ({"* ]]
  recheck -n --json --takedown list web
  [ "$(jq -c '[.entries, .idle_entries, .first_idle[0]]' <<<"$output")" = '[7,2,{"line":5,"rule":".example.org"}]' ]
  seq -f 'gone%.0f.example' 9 >gone
  recheck --takedown gone -n web
  [[ "$stderr" == *"9 of 9 entries"*"line 5 (gone5.example), ..." ]]
  printf 'h3.example\n' >named
  recheck --takedown named -n --json web
  [ "$(jq -c '[.entries, .idle_entries, .first_idle]' <<<"$output")" = '[1,0,[]]' ]
  [[ "$stderr" != *entries* ]]
  "$BIN/tokshard" recheck -q --takedown list web >plain
  gzip <list | "$BIN/tokshard" recheck -q --takedown - web | cmp - plain
}

@test "a star where it is no wildcard is refused by its line" {
  make_shard web 20 3
  for entry in 'http://*.example/p1' 'http://*/p1' 'http://h1.example/p*1' '*.example'; do
    printf 'h2.example\n%s\n' "$entry" >list
    recheck --takedown list web -o out
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"list:2"* ]]
    [ ! -e out ]
  done
}

@test "several shards, an output that is whole or not there, a summary for programs" {
  make_shard one 30 3
  make_shard two 60 3
  printf 'h1.example\n' >list
  recheck --json --takedown list one two -o out.jsonl.zst
  [ "$status" -eq 0 ]
  [ "$(jq -c '[.shards, .documents, .excluded, .hosts_asked]' <<<"$output")" = '[2,90,27,2]' ]
  [ "$(zstd -dc out.jsonl.zst | jq -r .shard | uniq -c | tr -s ' ' | tr '\n' ';')" = " 9 one; 18 two;" ]
  [[ "$stderr" == *"all: 27 of 90 documents excluded"* ]]
  recheck --takedown list one -o out.jsonl.zst
  [ "$status" -eq 2 ]
  recheck -n --json --takedown list one
  [ "$(jq .excluded <<<"$output")" -eq 9 ]
  # What was listed can be asked for again.
  zstd -dc out.jsonl.zst | "$BIN/tokshard" recheck -q --takedown - one two | jq -c '[.shard, .document]' >again
  zstd -dc out.jsonl.zst | jq -c '[.shard, .document]' | cmp - again
}

@test "a set or a folder of shards is asked as its shards are" {
  make_shard web 100 7
  mkdir folder
  "$BIN/tokshard" split -q --shards 3 web -o folder/set
  printf 'User-agent: *\nDisallow: /private/\n' >robots.txt
  "$BIN/tokshard" recheck -q --robots robots.txt web >whole
  recheck --robots robots.txt folder/set
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"folder/set-00001: "*"all: 9 of 100 documents excluded"* ]]
  # The same documents; each says the shard that has it, and its number there.
  cmp <(jq -c 'del(.shard, .document)' <<<"$output") <(jq -c 'del(.shard, .document)' whole)
  jq -r '"\(.shard) \(.document) \(.id)"' <<<"$output" | while read -r shard number id; do
    [ "$(zstd -dc "$shard.docs.jsonl.zst" | jq -r .id | sed -n "$((number + 1))p")" = "$id" ]
  done
  [ "$(jq -r .shard <<<"$output" | sort -u | wc -l)" -eq 3 ]
  cmp <("$BIN/tokshard" recheck -q --robots robots.txt folder) <(printf '%s\n' "$output")
  recheck --robots robots.txt folder/set folder/set-00001
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"input is named twice: folder/set-00001"* ]]
  recheck -f --robots robots.txt folder/set -o folder/set-00001.docs.jsonl.zst
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output is also an input"* ]]
  rm folder/set-00001.*
  recheck --robots robots.txt folder/set -o out.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"a shard of the set is missing: folder/set-00001"* ]]
  [ ! -e out.jsonl ]
}

@test "what cannot be asked is refused in one line" {
  make_shard web 30 3
  for arguments in "web" "--robots tok.json --takedown list web" "--takedown list --agents x web" \
    "--takedown list --on-missing drop web" "--robots robots.txt --mode other web" "--takedown list web web"; do
    # shellcheck disable=SC2086
    recheck $arguments
    [ "$status" -eq 2 ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
  done
  printf 'fine.example\nh.example/without/scheme\n' >list
  recheck --takedown list web -o out
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"list:2"* ]]
  [ ! -e out ]
  printf 'h1.example\n' >list
  recheck --takedown list gone
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"gone.docs.jsonl.zst"* ]]
  head -c 200 web.docs.jsonl.zst >cut.docs.jsonl.zst
  recheck --takedown list cut
  [ "$status" -eq 3 ]
  recheck --takedown list web -o web.docs.jsonl.zst -f
  [ "$status" -eq 2 ]
  "$BIN/tokshard" verify -q --full web
}

@test "signals in the files of hosts exclude where they are obeyed" {
  make_shard web 100 7
  jq -nc '{host: "h1.example", robots_txt: "User-agent: *\nContent-Usage: /15 train-ai=n\n"},
    {url: "http://h2.example/.well-known/tdmrep.json", content: "[{\"location\":\"/private/\",\"tdm-reservation\":1}]"}' >robots.jsonl
  recheck --robots robots.jsonl web
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  recheck --robots robots.jsonl --content-usage drop --tdm drop web
  [ "$(jq -c '[.document, .reason, .rule, .line, .agents]' <<<"$output")" = \
    '[15,"content_usage","Content-Usage: /15 train-ai=n",2,null]
[30,"tdm","tdmrep.json: /private/",null,null]' ]
  [[ "$stderr" == *"(asked 2 of 8 hosts"* ]]
  recheck --takedown robots.jsonl --tdm drop web
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--tdm needs --robots"* ]]
}
