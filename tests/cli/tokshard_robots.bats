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
  [ "${lines[0]}" = $'allow\thttps://h.example/\tno rule matches' ]
  [ "${lines[1]}" = $'allow\thttps://h.example/private/open/1\trobots.txt:3: Allow: /private/open' ]
  [ -z "$stderr" ]
}

@test "one disallowed URL makes the answer no" {
  robots --agent gptbot --robots robots.txt /private/x /y
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = $'disallow\t/private/x\trobots.txt:2: Disallow: /private/' ]
  [ "${lines[1]}" = $'allow\t/y\tno rule matches' ]
}

@test "--json gives one object per URL" {
  robots --json --agent GPTBot --robots robots.txt /private/x /y
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = '{"v":1,"type":"robots","url":"/private/x","agent":"GPTBot","allowed":false,"line":2,"rule":"Disallow: /private/"}' ]
  [ "${lines[1]}" = '{"v":1,"type":"robots","url":"/y","agent":"GPTBot","allowed":true,"line":null,"rule":null}' ]
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
  [ "${lines[0]}" = $'disallow\t/c\todd.txt:5: Disallow: /c' ]
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
