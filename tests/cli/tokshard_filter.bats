# tokshard filter: documents from crawls and JSON Lines, and what it does with bad input.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

filter() { run --separate-stderr "$BIN/tokshard" filter "$@"; }

# record TYPE URI BLOCK: one WARC record as wget writes it.
record() {
  printf 'WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: <%s>\r\nWARC-Date: 2025-01-02T03:04:05Z\r\n' "$1" "$2"
  printf 'WARC-Record-ID: <urn:uuid:%s>\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n' "${#3}" "${#3}" "$3"
}
page() { # page URI TYPE BODY
  record response "$1" "$(printf 'HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n%s' "$2" "$3")"
}
crawl() {
  record warcinfo "" "software: x"
  record resource metadata://gnu.org/software/wget/warc/wget.log "notes"
  page http://h.example/robots.txt text/plain $'User-agent: GPTBot\nDisallow: /private\n'
  page http://h.example/a text/html '<html lang=en><title>A</title><p>Mail ann@example.org'
  page http://h.example/private/b text/html '<p>secret'
  page http://h.example/c.png image/png 'png'
}
documents() {
  printf '{"text":"one","id":"1","url":"http://h.example/1"}\n'
  printf '{"text":"two from 10.0.0.1","id":"2","url":"http://h.example/private/2"}\n'
}

@test "a crawl becomes documents, opted-out pages go, personal data is marked" {
  crawl >crawl.warc
  filter --robots crawl.warc --rejects rejects.jsonl --stats stats.json crawl.warc
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == '{"text":"A\n\nMail <email-pii>","id":"<urn:uuid:'* ]]
  [[ "$output" == *'"url":"http://h.example/a","date":"2025-01-02T03:04:05Z","language":"en"'* ]]
  [ "$(wc -l <rejects.jsonl)" -eq 2 ]
  grep -q '"agents":\["GPTBot"\],"rule":"Disallow: /private","line":2' rejects.jsonl
  grep -q '"dropped_by":"extract","reason":"media_type"' rejects.jsonl
  grep -q '"records":6,"kept":1,"rejected":2,' stats.json
  grep -q '"reasons":{"extract:media_type":1,"robots:disallowed":1}' stats.json
  grep -q '"other_records":{"resource:metadata":1,"robotstxt":1,"warcinfo":1}' stats.json
  grep -q '"agents":{"GPTBot":1}' stats.json
  [[ "$stderr" == *"6 records: 1 kept, 2 rejected, 3 without document"* ]]
}

@test "every compression, and stdin, give the same documents" {
  crawl >crawl.warc
  gzip -k crawl.warc
  zstd -q crawl.warc
  for i in 1 2; do crawl | gzip; done >members.warc.gz
  "$BIN/tokshard" filter -q crawl.warc >want
  for input in crawl.warc.gz crawl.warc.zst; do "$BIN/tokshard" filter -q "$input" | cmp - want; done
  "$BIN/tokshard" filter -q - <crawl.warc.gz | cmp - want
  [ "$("$BIN/tokshard" filter -q members.warc.gz | wc -l)" -eq $((2 * $(wc -l <want))) ]
}

@test "order and bytes do not depend on threads" {
  for i in $(seq 3000); do printf '{"text":"document %d of a@b%d.org","id":"%d"}\n' "$i" "$i" "$i"; done >in.jsonl
  "$BIN/tokshard" filter -q -j 1 in.jsonl >one
  "$BIN/tokshard" filter -q -j 4 in.jsonl >four
  cmp one four
  [ "$(wc -l <one)" -eq 3000 ]
  [[ "$(sed -n 2000p one)" == *'"id":"2000"'* ]]
}

@test "robots from a folder are keyed by host and port" {
  mkdir robots
  printf 'User-agent: *\nDisallow: /private\n' >robots/h.example.txt
  documents >in.jsonl
  filter --robots robots --agents 'GPTBot,*' in.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  mv robots/h.example.txt robots/h.example_8080.txt
  filter --robots robots in.jsonl
  [ "${#lines[@]}" -eq 2 ]
  filter --robots robots --on-missing drop in.jsonl
  [ -z "$output" ]
  [[ "$stderr" == *"robots:missing"* ]]
}

@test "--pii drop and off" {
  documents >in.jsonl
  filter --pii drop in.jsonl
  [ "${#lines[@]}" -eq 1 ]
  filter --pii off in.jsonl
  [[ "${lines[1]}" == *"two from 10.0.0.1"* ]]
}

@test "--pii takes an action for each kind, and markers" {
  printf '{"text":"ann@b.org 10.0.0.1 9.9.9.9 GB29NWBK60161331926819","id":"1"}\n' >in.jsonl
  filter --pii-mode strict in.jsonl
  [[ "$output" == *'"<email-pii> 10.0.0.1 <ip-pii> <iban-pii>"'*'"pii":{"email":1,"ip":1,"iban":1}'* ]]
  filter --pii-mode strict --pii-addresses all --pii redact,email=keep,iban=off in.jsonl
  [[ "$output" == *'"ann@b.org <ip-pii> <ip-pii> GB29NWBK60161331926819"'*'"pii":{"email":1,"ip":2,"iban":0}'* ]]
  filter --pii-addresses public --pii-marker 'ip=[address]' --pii-marker email= in.jsonl
  [[ "$output" == *'" 10.0.0.1 [address] GB29NWBK60161331926819"'* ]]
  filter --pii-mode strict --pii keep,iban=drop in.jsonl
  [ -z "$output" ]
  [[ "$stderr" == *"pii:found"* ]]
}

@test "--pii and --pii-marker refuse what they do not know" {
  documents >in.jsonl
  for bad in erase phone=drop ip=hide; do
    filter --pii "$bad" in.jsonl -o out.jsonl
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--pii"* ]]
  done
  filter --pii-marker phone=x in.jsonl -o out.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--pii-marker"*"email, ip, iban"* ]]
  [ ! -e out.jsonl ]
}

@test "--quality names the rule and its numbers; limits are options" {
  printf '{"text":"one two three","id":"1"}\n' >in.jsonl
  filter --quality gopher --rejects out.jsonl in.jsonl
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  grep -q '"ballast":{"value":3.0,"limit":50.0,"dropped_by":"quality","reason":"gopher.short_doc"}' out.jsonl
  [[ "$stderr" == *"quality:gopher.short_doc"* ]]
  filter --quality gopher:min_doc_words=3,min_stop_words=off in.jsonl
  [ "${#lines[@]}" -eq 1 ]
}

@test "--quality c4 rewrites the text and counts the lines it took" {
  printf '{"text":"Menu\\nThis is one line.","id":"1"}\n' >in.jsonl
  filter --quality c4:min_num_sentences=1 --stats stats.json in.jsonl
  [[ "$output" == '{"text":"This is one line.",'*'"quality":{"c4":{"lines":2,"kept":1,"no_terminal_punct":1}}'* ]]
  grep -q '"lines_dropped":1' stats.json
  [[ "$stderr" == *"1 lines dropped from kept documents"* ]]
}

@test "--quality refuses unknown filters and keys" {
  documents >in.jsonl
  filter --quality dolma in.jsonl -o out.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"unknown filter 'dolma'"*gopher-repetition* ]]
  filter --quality gopher:min_words=3 in.jsonl -o out.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"unknown key 'min_words'"*min_doc_words* ]]
  [ ! -e out.jsonl ]
}

@test "--license keeps what the policy allows, as SPDX" {
  printf '{"text":"a","id":"1","license":"CC BY 4.0"}\n' >in.jsonl
  printf '{"text":"b","id":"2","metadata":{"license":"https://creativecommons.org/licenses/by-nc/4.0/"}}\n' >>in.jsonl
  printf '{"text":"c","id":"3"}\n{"text":"d","id":"4","license":"all mine"}\n' >>in.jsonl
  filter --license permissive --rejects out.jsonl --stats stats.json in.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"license":"CC-BY-4.0","ballast":{"license":{"said":"CC BY 4.0"}'* ]]
  grep -q '"id":"2","license":"CC-BY-NC-4.0".*"reason":"denied"' out.jsonl
  grep -q '"id":"3".*"dropped_by":"license","reason":"missing"' out.jsonl
  grep -q '"id":"4".*"reason":"unrecognised"' out.jsonl
  grep -q '"licenses":{"CC-BY-4.0":{"kept":1,"rejected":0},"CC-BY-NC-4.0":{"kept":0,"rejected":1}' stats.json
  [[ "$stderr" == *"licence         1  CC-BY-NC-4.0, 1 rejected"* ]]
  filter --license 'deny:noncommercial;unknown=keep' in.jsonl
  [ "${#lines[@]}" -eq 3 ]
  filter --license 'allow:Nothing-9' -o never in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"unknown licence 'Nothing-9'"*permissive* ]]
  [ ! -e never ]
}

@test "--license reads the markup of pages" {
  page http://h.example/x text/html '<p>Free text <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>' >one.warc
  filter --license 'CC-BY-*' one.warc
  [[ "$output" == *'"license":"CC-BY-4.0"'* ]]
  page http://h.example/x text/html '<p>No licence here' >none.warc
  filter --license 'CC-BY-*' none.warc
  [ -z "$output" ]
  [[ "$stderr" == *"license:missing"* ]]
}

models=$SRC/tests/golden/fasttext
sentences() {
  printf '{"text":"Das Haus und der Garten im Winter","id":"1","language":"en"}\n'
  printf '{"text":"the river goes over the bridge","id":"2"}\n{"text":"les enfants et le pain","id":"3"}\n'
}

@test "--languages by what documents say, and by a model" {
  sentences >in.jsonl
  filter --languages eng in.jsonl
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"id":"1"'* ]]
  [[ "$stderr" == *"language:missing"* ]]
  filter --languages en,fr --lang-model "$models/softmax.bin" --rejects out.jsonl --stats stats.json in.jsonl
  [ "${#lines[@]}" -eq 2 ]
  [[ "${lines[0]}" == *'"id":"2","language":"en","ballast":{"language":{"score":0.99'* ]]
  grep -q '"language":"de".*"language":{"score":0.99.*,"said":"en"},"dropped_by":"language","reason":"other"' out.jsonl
  grep -q '"languages":{"de":{"kept":0,"rejected":1},"en":{"kept":1' stats.json
  filter --lang-model "$models/softmax.bin" --language-threshold '1,fr=0.5' in.jsonl
  [ "${#lines[@]}" -eq 1 ]
  [[ "$stderr" == *"language:uncertain"* ]]
}

@test "--languages and models refuse what they do not know" {
  sentences >in.jsonl
  filter --languages ja --lang-model "$models/softmax.bin" -o never in.jsonl
  [ "$status" -eq 2 ]
  filter --language-threshold 0.5 -o never in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"needs --lang-model"* ]]
  head -c 5000 "$models/softmax.bin" >cut.bin
  filter --lang-model cut.bin -o never in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"not a fastText model: cut.bin (ends early)"* ]]
  [ ! -e never ]
}

@test "--score asks a model, --keep limits it, quantile finds the limit" {
  sentences >in.jsonl
  filter --score "german=fasttext:$models/softmax.bin,label=de,over=max" --keep 'german<0.5' --rejects out.jsonl in.jsonl
  [ "${#lines[@]}" -eq 2 ]
  grep -q '"id":"1".*"dropped_by":"score","reason":"german"' out.jsonl
  filter --score "german=fasttext:$models/softmax.bin,label=de" in.jsonl -o scored.jsonl
  run --separate-stderr "$BIN/tokshard" quantile --score german --share top:34% --by all scored.jsonl -o limits.json
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"3 documents with the score, 0 without"* ]]
  filter --thresholds limits.json scored.jsonl
  [ "${#lines[@]}" -eq 1 ]
  [[ "$output" == *'"id":"1"'* ]]
  filter --score 'n=metadata:none' --keep 'n>0' in.jsonl
  [[ "$stderr" == *"score:n.missing"* ]]
  filter --keep 'n' in.jsonl
  [ "$status" -eq 2 ]
}

linear=$SRC/tests/golden/linear
@test "--score asks a linear model, in filter, build and quantile" {
  printf '{"text":"a careful proof of the theorem","id":"1"}\n' >in.jsonl
  printf '{"text":"click now: free casino","id":"2"}\n{"text":"free casino, careful proof","id":"3"}\n' >>in.jsonl
  filter --score "q=linear:$linear/tfidf.json" --keep 'q>0.5' --rejects out.jsonl in.jsonl
  [ "$(jq -r .id <<<"$output")" = 1 ]
  [ "$(jq -r '.ballast | .dropped_by + ":" + .reason' out.jsonl)" = $'score:q\nscore:q' ]
  # What scikit-learn says of the first text, to the sixth digit.
  want=$(jq -c 'select(.model == "tfidf.json" and (.text | startswith("A careful"))) | .score * 1e6 | round' "$linear/expected.jsonl")
  [ "$(jq '.ballast.scores.q * 1e6 | round' <<<"$output")" = "$want" ]

  filter --score "q=linear:$linear/tfidf.json" in.jsonl -o scored.jsonl
  run --separate-stderr "$BIN/tokshard" quantile --score q --share top:67% scored.jsonl -o limits.json
  [ "$status" -eq 0 ]
  filter --thresholds limits.json scored.jsonl
  [ "$(jq -r .id <<<"$output")" = $'1\n3' ]
  # Both passes over the texts themselves.
  filter --score "q=linear:$linear/tfidf.json" --thresholds limits.json in.jsonl
  [ "$(jq -r .id <<<"$output")" = $'1\n3' ]

  "$BIN/tokshard" vocab -q --size 280 in.jsonl -o tok.json
  "$BIN/tokshard" build -q --tokenizer tok.json --score "q=linear:$linear/tfidf.json" --thresholds limits.json in.jsonl -o two
  "$BIN/tokshard" decode --tokenizer tok.json two >texts
  grep -q 'careful proof of the theorem' texts
  grep -q 'free casino, careful proof' texts
  run ! grep -q 'click now' texts
}

@test "the first chunk and the largest of a linear model" {
  printf '{"text":"casino offer theorem proof careful"}\n' >in.jsonl
  file=$linear/raw.json
  filter --score "a=linear:$file" --score "m=linear:$file,over=max,chunk=13" --score "f=linear:$file,over=first,chunk=13" in.jsonl
  jq -e '.ballast.scores | .f < .a and .a < .m' <<<"$output"
}

@test "linear models that are none, and options they do not have, are refused" {
  printf '{"text":"x"}\n' >in.jsonl
  printf '{"v":1,"type":"linear","bias":0,"terms":["aa","bb"],"weights":[1]}' >short.json
  filter --score q=linear:short.json -o never in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"'weights' is no list of 2 numbers: short.json (one for each term)" ]]
  filter --score q=linear:none.json -o never in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"none.json"* ]]
  filter --score "q=linear:$linear/counts.json,label=de" -o never in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"a linear model has no labels"* ]]
  filter --score "q=linear:$linear/counts.json,chunk=100" -o never in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"chunk needs over=max or over=first"* ]]
  filter --score q=onnx:x -o never in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"linear:FILE"* ]]
  [ ! -e never ]
}

@test "quantile refuses shares and scores that are none" {
  sentences >in.jsonl
  for bad in 33% top:0% top:101% middle:3% top:3; do
    run "$BIN/tokshard" quantile --score x --share "$bad" in.jsonl
    [ "$status" -eq 2 ]
  done
  run "$BIN/tokshard" quantile --score x --share top:3% in.jsonl
  [ "$status" -eq 7 ]
  [[ "$output" == *"ballast.scores.x"* ]]
}

@test "a malformed line names its place; --on-error skip counts it" {
  documents >in.jsonl
  printf '{"text":"torn\n' >>in.jsonl
  filter in.jsonl -o out.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"in.jsonl:3"* ]]
  [ ! -e out.jsonl ]
  filter --on-error skip in.jsonl -o out.jsonl
  [ "$status" -eq 0 ]
  [ "$(wc -l <out.jsonl)" -eq 2 ]
  [[ "$stderr" == *"input:malformed"* ]]
}

@test "--on-error skip takes no damaged WARC for JSON Lines" {
  printf '%s\n' '{"a":1}' '{"b":2}' >page
  for i in 1 2; do
    printf 'WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n'
    cat page
    printf '\r\n\r\n'
  done >whole.warc
  filter -n whole.warc
  [ "$status" -eq 0 ]
  for cut in 4 20 84 88; do
    tail -c +"$cut" whole.warc >cut.warc
    for parts in "" "--parts parts-$cut"; do
      filter --on-error skip $parts cut.warc -o out.jsonl
      [ "$status" -eq 3 ]
      [[ "$stderr" == *"cut.warc"* ]]
      [ ! -e out.jsonl ]
    done
  done
}

@test "a message in brackets before documents is a malformed line, to every verb" {
  { echo '[INFO] starting'; documents; } >in.jsonl
  "$BIN/tokshard" vocab -q --size 262 in.jsonl --on-error skip -o tok.json
  filter in.jsonl
  [ "$status" -eq 3 ]
  "$BIN/tokshard" encode --json --tokenizer tok.json --on-error skip in.jsonl -o whole >whole.json
  "$BIN/tokshard" encode --json --tokenizer tok.json --on-error skip --parts parts in.jsonl -o parted >parted.json
  [ "$(jq .documents whole.json)" -eq 2 ]
  cmp whole.bin parted.bin
  filter --on-error skip in.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 2 ]
}

@test "an input that is named twice counts once or not at all" {
  documents >in.jsonl
  ln -s in.jsonl link.jsonl
  for again in in.jsonl ./in.jsonl "$PWD/in.jsonl" link.jsonl; do
    for options in "-o out.jsonl" -n "--parts parts" "--parts parts --task 0/2"; do
      filter $options in.jsonl "$again"
      [ "$status" -eq 2 ]
      [[ "$stderr" == "tokshard: error: input is named twice: $again"* ]]
      [ -z "$output" ]
      [ ! -e out.jsonl ]
      [ ! -e parts ]
    done
  done
  cp in.jsonl copy.jsonl
  filter in.jsonl copy.jsonl
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 4 ]
}

@test "duplicate keys are malformed" {
  printf '{"text":"a","text":"b"}\n' >in.jsonl
  filter in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"in.jsonl:1"*"duplicate key 'text'"* ]]
}

@test "invalid UTF-8 is replaced and counted" {
  printf '{"text":"a\377b","id":"1"}\n' >in.jsonl
  filter in.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == *$'a\xef\xbf\xbdb'*'"replaced":1'* ]]
  [[ "$stderr" == *"1 ill-formed"* ]]
}

@test "truncated inputs are exit 3 and leave no output" {
  crawl >crawl.warc
  gzip -kn crawl.warc
  zstd -q crawl.warc
  head -c 700 crawl.warc >cut.warc
  head -c 300 crawl.warc.gz >cut.gz
  head -c 300 crawl.warc.zst >cut.zst
  for input in cut.warc cut.gz cut.zst; do
    filter "$input" -o out.jsonl --rejects rejects.jsonl --stats stats.json
    [ "$status" -eq 3 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" == *"truncated"*"$input"* ]]
    [ -z "$(find . -name '*out.jsonl*' -o -name '*rejects*' -o -name '*stats*')" ]
  done
}

@test "content of no known kind is refused" {
  echo '<html>' >in
  filter in
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"neither JSON Lines nor WARC"* ]]
}

@test "numbers of other keys are kept, to the nearest double, or make the line malformed" {
  while read -r number kept; do
    printf '{"text":"a","id":"1","metadata":{"x":%s}}\n' "$number" > in.jsonl
    filter --on-error skip in.jsonl
    [ "$(grep -o '"x":[^}]*' <<< "$output")" = "${kept:+"\"x\":$kept"}" ] || { echo "$number: $output"; return 1; }
    [[ -n "$kept" || "$stderr" == *"warning: malformed JSON: in.jsonl:1 "* ]]
  done << 'END'
18446744073709551615 18446744073709551615
18446744073709551616
-9223372036854775808 -9223372036854775808
-9223372036854775809
9007199254740993 9007199254740993
9007199254740993.0 9.007199254740992e+15
0.1234567890123456789 0.12345678901234568
1e2 100.0
1e308 1e+308
1e309
1e-400 0.0
END
}

@test "malformed lines are skipped from the first one on, ten of them are named, the others counted" {
  { for i in $(seq 15); do echo 'no document'; done; echo '{"text":"kept","id":"k"}'; } > in.jsonl
  "$BIN/tokshard" vocab -q --size 262 in.jsonl --on-error skip -o tok.json 2> err
  [ "$(grep -c 'warning: malformed JSON' err)" -eq 10 ]
  for verb in filter "filter --parts parts" dedup "mix --rates *:1" "encode --tokenizer tok.json -f" \
    "encode --tokenizer tok.json -f --parts encoded" "build --tokenizer tok.json -f" "vocab --size 262 -f"; do
    case $verb in
      encode* | build*) out=out ;;
      *) out=out.jsonl ;;
    esac
    "$BIN/tokshard" $verb --on-error skip in.jsonl -f -o $out 2> err
    [ "$(grep -c 'warning: malformed JSON: in.jsonl:' err)" -eq 10 ]
    grep -qx 'tokshard: warning: 5 malformed lines more skipped, 15 in all; -v names all of them' err
  done
  "$BIN/tokshard" filter -v --on-error skip in.jsonl -f -o out.jsonl 2> err
  [ "$(grep -c 'malformed JSON: in.jsonl:' err)" -eq 15 ]
  grep -qx 'tokshard: reading in.jsonl' err
  "$BIN/tokshard" dedup -v --on-error skip in.jsonl -f -o out.jsonl 2>&1 | grep -qx 'tokshard: reading in.jsonl'
  "$BIN/tokshard" filter -v --parts other --on-error skip in.jsonl -f -o out.jsonl 2>&1 |
    grep -qx 'tokshard: part 0 of in.jsonl: 16 records'
  [ "$(jq -r .id out.jsonl)" = k ]
  run --separate-stderr "$BIN/tokshard" filter in.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == "tokshard: error: malformed JSON: in.jsonl:1 ("* ]]
}

@test "output over input, existing output and full devices" {
  documents >in.jsonl
  filter in.jsonl -f -o in.jsonl
  [ "$status" -eq 2 ]
  documents | cmp - in.jsonl
  filter in.jsonl --rejects in.jsonl -f -o out.jsonl
  [ "$status" -eq 2 ]
  echo old >out.jsonl
  filter in.jsonl -o out.jsonl
  [ "$status" -eq 2 ]
  [ "$(cat out.jsonl)" = old ]
  run bash -c '"$BIN/tokshard" filter -q in.jsonl >/dev/full'
  [ "$status" -eq 3 ]
  filter in.jsonl -o /dev/full
  [ "$status" -eq 3 ]
  filter in.jsonl -o absent/out.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *absent* ]]
}

@test "a dry run decides everything and writes nothing" {
  documents >in.jsonl
  filter -n --json in.jsonl -o out.jsonl
  [ "$status" -eq 0 ]
  [[ "$output" == '{"v":1,"type":"filter","records":2,"kept":2,'* ]]
  [ ! -e out.jsonl ]
}

@test "captures in JSON Lines, of several dates, and who keeps out whom" {
  jq -nc '{host: "a.example", robots_txt: "User-agent: GPTBot\nDisallow: /\n", date: "2023-01-01"},
    {host: "a.example", robots_txt: "", date: "2025-01-01"},
    {url: "https://b.example/robots.txt", status: 503}' >robots.jsonl
  jq -nc '{text: "x", url: "https://a.example/1", language: "de"}, {text: "y", url: "https://a.example/2", language: "de"},
    {text: "z", url: "https://b.example/1", language: "fr"}, {text: "w", url: "https://c.example/1"}' >in.jsonl
  filter --robots robots.jsonl --stats stats.json in.jsonl
  [ "$status" -eq 0 ]
  [ "$(wc -l <<<"$output")" -eq 3 ]
  [ "$(jq -c .reasons stats.json)" = '{"robots:unreachable":1}' ]
  filter -f --robots robots.jsonl --captures any --on-unreachable keep --rejects rejects.jsonl --stats stats.json in.jsonl
  [ "$(wc -l <<<"$output")" -eq 2 ]
  [ "$(jq -c .ballast.captured rejects.jsonl | sort -u)" = '"2023-01-01"' ]
  [ "$(jq -c .languages_asked stats.json)" = '{"":{"asked":1,"blocked":0,"agents":{}},"de":{"asked":2,"blocked":2,"agents":{"GPTBot":2}},"fr":{"asked":1,"blocked":0,"agents":{}}}' ]
  [ "$(jq -c .blocking_hosts stats.json)" = '{"hosts":1,"most":{"a.example":2}}' ]
  filter --mode protego --robots robots.jsonl in.jsonl
  [ "$(wc -l <<<"$output")" -eq 4 ]
}

@test "signals about training are counted apart, and each has its policy" {
  { record response http://a.example/1 $'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Usage: train-ai=n\r\n\r\nheader'
    page http://a.example/2 text/html '<meta name="robots" content="noai, noimageai"><p>tag'
    page http://a.example/t/3 text/html '<p>file'
    page http://a.example/4 text/html '<p>robots'
  } >crawl.warc
  jq -nc '{host: "a.example", robots_txt: "User-agent: *\nContent-Signal: /4 ai-train=no, search=yes\n"},
    {url: "https://a.example/.well-known/tdmrep.json", content: "[{\"location\":\"/t/\",\"tdm-reservation\":1}]"}' >robots.jsonl
  filter --robots robots.jsonl --stats stats.json crawl.warc
  [ "${#lines[@]}" -eq 4 ]
  [ "$(jq -c .signals stats.json)" = '{"content_usage":{"refused":1},"content_signal":{"refused":1},"tdm":{"refused":1},"noai":{"refused":1},"noimageai":{"refused":1}}' ]
  [[ "$stderr" == *"refused         1  by content_usage"* ]]
  for flag in content-usage=header content-signal=robots tdm=file noai=tag noimageai=tag; do
    filter -f --robots robots.jsonl "--${flag%=*}" drop --rejects rejects.jsonl crawl.warc
    [ "$(jq -r .text rejects.jsonl)" = "${flag#*=}" ]
    [ "$(jq -r '.ballast | .dropped_by + "-" + .reason' rejects.jsonl)" = "signal-$(tr - _ <<<"${flag%=*}")" ]
  done
  filter -f --robots robots.jsonl --content-signal drop --rejects rejects.jsonl crawl.warc
  [ "$(jq -c '.ballast | [.rule, .line]' rejects.jsonl)" = '["Content-Signal: /4 ai-train=no, search=yes",2]' ]
}

@test "usage errors are exit 2 and name the flag" {
  documents >in.jsonl
  filter --dedup exact in.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--dedup"* ]]
  filter --mode other --robots in.jsonl in.jsonl
  [ "$status" -eq 2 ]
  for flag in "--agents GPTBot" "--mode rfc" "--on-missing keep" "--on-unreachable keep" "--captures any"; do
    # shellcheck disable=SC2086
    filter $flag in.jsonl
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"needs --robots"* ]]
  done
  filter --robots in.jsonl --agents 'A,,B' in.jsonl
  [ "$status" -eq 2 ]
  filter - -
  [ "$status" -eq 2 ]
}

@test "an early reader ends the filter quietly" {
  for i in $(seq 20000); do printf '{"text":"document %d","id":"%d"}\n' "$i" "$i"; done >in.jsonl
  run bash -c '"$BIN/tokshard" filter -q in.jsonl | head -1; echo "${PIPESTATUS[0]}"'
  [ "${#lines[@]}" -eq 2 ]
  [ "${lines[1]}" -eq 141 ]
}

@test "keys of a document that are called as ours, and are none, end nothing" {
  printf '%s\n' '{"text":"hello there","license":"mit license","ballast":{"license":"x","quality":5,"pii":[],"scores":1,"signals":"y"}}' \
    '{"text":"javascript is on here.\nThis is a whole line of words.\nAnd another one that stays.\nThree of them do.\nThen four of them do.\nFive lines do it here.","ballast":{"quality":"x"}}' > in.jsonl
  "$BIN/tokshard" filter --license permissive in.jsonl -o a.jsonl
  [ "$(jq -c '[.license,.ballast.license.said]' a.jsonl | head -n 1)" = '["MIT","mit license"]' ]
  "$BIN/tokshard" filter --quality c4 in.jsonl -o b.jsonl
  [ "$(jq '.ballast.quality.c4.lines' b.jsonl)" -eq 6 ]
}
