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

@test "modes that are not built are refused by name" {
  for mode in google protego other; do
    robots --mode "$mode" --agent GPTBot --robots robots.txt /x
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"$mode"* ]]
  done
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
