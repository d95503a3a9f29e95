# tokshard robots: verdicts, the deciding line, exit codes.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  printf 'User-agent: GPTBot\nDisallow: /private/\nAllow: /private/open\n' >robots.txt
}

robots() { run --separate-stderr "$BIN/tokshard" robots "$@"; }

@test "allowed URLs exit 0 and say which line decided" {
  robots --agent GPTBot --robots robots.txt https://h.example/ https://h.example/private/open/1
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 'allow     https://h.example/                no rule matches' ]
  [ "${lines[1]}" = 'allow     https://h.example/private/open/1  robots.txt:3: Allow: /private/open' ]
  [ -z "$stderr" ]
}

@test "one disallowed URL makes the answer no" {
  robots --agent gptbot --robots robots.txt /private/x /y
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = 'disallow  /private/x  robots.txt:2: Disallow: /private/' ]
  [ "${lines[1]}" = 'allow     /y          no rule matches' ]
}

@test "--json gives one object per URL" {
  robots --json --agent GPTBot --robots robots.txt /private/x /y
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = '{"v":1,"type":"robots","url":"/private/x","agent":"GPTBot","allowed":false,"outcome":"disallowed","line":2,"rule":"Disallow: /private/"}' ]
  [ "${lines[1]}" = '{"v":1,"type":"robots","url":"/y","agent":"GPTBot","allowed":true,"outcome":"allowed","line":null,"rule":null}' ]
}

@test "robots.txt comes from stdin and may be compressed" {
  gzip <robots.txt >robots.gz
  run "$BIN/tokshard" robots --agent GPTBot --robots - /private/x <robots.gz
  [ "$status" -eq 1 ]
}

@test "each mode decides in its own way" {
  printf 'User-agent: bot\nDisallow: /a\nSitemap: x\nUser-agent: CCBot/2.0\nDisallow: /c\n' >odd.txt
  ask() { run "$BIN/tokshard" robots --robots odd.txt "$@"; }
  ask --mode rfc --agent GPTBot /a # "bot" is another robot
  [ "$status" -eq 0 ]
  ask --mode protego --agent GPTBot /a # "bot" stands in "gptbot"
  [ "$status" -eq 1 ]
  ask --mode rfc --agent CCBot/2.0 /c
  [ "$status" -eq 1 ]
  ask --mode google --agent CCBot/2.0 /c # the file's name is cut to "ccbot"
  [ "$status" -eq 0 ]
  ask --mode google --agent CCBot /c
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = 'disallow  /c  odd.txt:5: Disallow: /c' ]
}

@test "an unknown mode is refused with the modes there are" {
  robots --mode other --agent GPTBot --robots robots.txt /x
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"'other'"*"rfc, google or protego"* ]]
}

@test "a missing robots.txt is exit 3 with its path" {
  robots --agent GPTBot --robots absent.txt /x
  [ "$status" -eq 3 ]
  [[ "$stderr" == *absent.txt* ]]
}

@test "-o publishes the verdicts" {
  robots --agent GPTBot --robots robots.txt -o verdicts /y
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  grep -q '^allow' verdicts
}

@test "URLs come from standard input too, one a line" {
  printf 'https://h.example/private/1\r\n\n  /y  \n' >urls
  run --separate-stderr bash -c '"$BIN/tokshard" robots --agent GPTBot --robots robots.txt /private/open - <urls'
  [ "$status" -eq 1 ]
  [ "$(awk '{print $1, $2}' <<<"$output" | paste -sd';')" = "allow /private/open;disallow https://h.example/private/1;allow /y" ]
  run --separate-stderr bash -c 'echo h.example/private/1 | "$BIN/tokshard" robots --agent GPTBot --robots robots.txt -'
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"neither a URL nor a path"*"-:1"* ]]
  run --separate-stderr bash -c '"$BIN/tokshard" robots --agent GPTBot --robots - - <robots.txt'
  [ "$status" -eq 2 ]
}

@test "what is no question is refused before any answer" {
  for words in "GPTBot h.example/private/1" "GPTBot private/1" "GPTBot mailto:a@h.example" "GPTBot ?q" "GPTBot "; do
    robots --agent "${words%% *}" --robots robots.txt /private/1 "${words#* }"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ "$stderr" == *"neither a URL nor a path from '/': '${words#* }'"* ]]
  done
  for agent in "" " "; do
    robots --agent "$agent" --robots robots.txt /private/1
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ "$stderr" == *"--agent names no robot"* ]]
  done
}

@test "--agent is one robot by the name that filter asks for" {
  printf 'User-agent: GPTBot\nDisallow: /\nUser-agent: CCBot/2.0\nAllow: /\nUser-agent: Kangaroo Bot\nDisallow: /\n' >g.txt
  echo '{"text": "some words", "url": "https://a.example/x"}' >page.jsonl
  for agent in GPTBot ' GPTBot' $'gptbot\t ' 'Kangaroo Bot' CCBot/2.0 bigsur.ai '*'; do
    "$BIN/tokshard" filter -q -f --agents "$agent" --robots g.txt page.jsonl -o kept.jsonl
    robots --json --agent "$agent" --robots g.txt https://a.example/x
    [ "$(jq .allowed <<<"$output")" = "$(jq -s 'length == 1' kept.jsonl)" ]
    [ "$(jq -r .agent <<<"$output")" = "$(sed 's/^[ \t]*//; s/[ \t]*$//' <<<"$agent")" ]
  done
  robots --agent ' GPTBot' --robots g.txt https://a.example/x
  [ "$status" -eq 1 ]
  refused() { # WORDS AGENT...
    for agent in "${@:2}"; do
      robots --agent "$agent" --robots g.txt https://a.example/x
      [ "$status" -eq 2 ]
      [ -z "$output" ]
      [ "${#stderr_lines[@]}" -eq 1 ]
      [[ "$stderr" == *"--agent $1"*"one product token, or '*'"* ]]
    done
  }
  refused "names several robots: 'GPTBot,CCBot'" GPTBot,CCBot ' GPTBot,CCBot '
  refused "names several robots" 'GPTBot,' 'GPTBot,gptbot' 'apertus,Mine'
  refused "names a list of robots: 'apertus'" apertus ' apertus'
  refused "names a list of robots" apertus-report ai-robots
  refused "is no product token" 'GPT*' '**' 'Mozilla/5.0 (compatible; GPTBot/1.2)' GPTBot: $'GPT\nBot' Bot\# Böt
}

# Captures as filter takes them: a rule, an older one, a server's failure, a redirect.
make_captures() {
  cat >caps.jsonl <<'CAPS'
{"host":"a.example","robots_txt":"User-agent: *\nDisallow: /p","date":"2025-02-01"}
{"host":"a.example","robots_txt":"User-agent: *\nDisallow: /old","date":"2024-02-01"}
{"host":"b.example:8080","robots_txt":"User-agent: GPTBot\nAllow: /p/1\nDisallow: /"}
{"host":"c.example","status":503}
{"host":"d.example","status":301,"location":"https://a.example/robots.txt"}
CAPS
  printf '%s\n' https://a.example/p https://A.example/old https://b.example:8080/p/1 http://b.example:8080/x \
    https://c.example/ http://d.example/p http://e.example/ >urls
}

@test "sources by host give each URL its own file, and a path has none" {
  make_captures
  robots --agent GPTBot --robots caps.jsonl $(cat urls)
  [ "$status" -eq 1 ]
  cat >want <<'WANT'
disallow  https://a.example/p         a.example/robots.txt:2: Disallow: /p (captured 2025-02-01)
allow     https://A.example/old       no rule matches (captured 2025-02-01)
allow     https://b.example:8080/p/1  b.example/robots.txt:2: Allow: /p/1
disallow  http://b.example:8080/x     b.example/robots.txt:3: Disallow: /
disallow  https://c.example/          the host failed to give its robots.txt
disallow  http://d.example/p          d.example/robots.txt:2: Disallow: /p
allow     http://e.example/           no robots.txt of the host is known
WANT
  diff want - <<<"$output"
  robots --agent GPTBot --robots caps.jsonl /p
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"a path has no host: '/p'"* ]]
  mkdir hosts
  printf 'User-agent: *\nDisallow: /x\n' >hosts/b.example_8080.txt
  robots --agent GPTBot --robots hosts http://b.example:8080/x
  [ "$status" -eq 1 ]
}

@test "the answers are those of filter, whatever the options" {
  make_captures
  jq -R '{text: "some words", id: ("d\(input_line_number)"), url: .}' -c urls >docs.jsonl
  for options in "" "--captures any" "--on-unreachable keep" "--on-missing drop" "--mode protego --on-missing drop"; do
    "$BIN/tokshard" filter -q -f $options --agents GPTBot --robots caps.jsonl docs.jsonl -o kept.jsonl
    robots --json $options --agent GPTBot --robots caps.jsonl - <urls
    jq -r 'select(.allowed) | .url' <<<"$output" | diff - <(jq -r .url kept.jsonl)
  done
  [ "$(wc -l <kept.jsonl)" -gt 0 ]
}
