# What tokshard leaves behind when a signal ends it in the middle: nothing that nobody resumes.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  mkfifo in
}

# Text that does not compress, of many blocks.
documents() { head -c "$1" /dev/urandom | base64 -w 1000 | awk '{print "{\"text\":\"" $0 "\",\"id\":\"d" NR "\"}"}'; }

# end_by SIGNAL COMMAND...: the command reads the FIFO and is in the middle of it, with a temporary file, when it
# is signalled; the status is its own. Background jobs of scripts ignore SIGINT, hence env. With GOES_ON the input
# ends after the signal, otherwise never.
end_by() {
  local signal=$1
  shift
  env --default-signal=INT "$BIN/tokshard" "$@" &
  local pid=$!
  exec 7>in
  documents 3000000 >&7
  until compgen -G '*.tmp-*' >/dev/null; do kill -0 "$pid"; done
  kill -s "$signal" "$pid"
  local code=0
  [ -z "${GOES_ON:-}" ] || exec 7>&-
  wait "$pid" || code=$?
  exec 7>&-
  return "$code"
}

@test "a filter that is ended leaves no temporary file and dies of the signal" {
  for signal in TERM:143 INT:130 HUP:129; do
    run end_by "${signal%:*}" filter -q --rejects out.jsonl -o kept.jsonl in
    [ "$status" -eq "${signal#*:}" ]
    [ "$(ls)" = in ]
  done
}

@test "a signal that the caller ignores stays ignored" {
  trap '' HUP
  GOES_ON=1 run end_by HUP filter -q -o kept.jsonl in
  [ "$status" -eq 0 ]
  [ "$(wc -l <kept.jsonl)" -gt 3000 ]
}

@test "a filter that was told to replace a file leaves the old one" {
  echo old >out.jsonl
  run end_by TERM filter -q -f -o out.jsonl in
  [ "$status" -eq 143 ]
  [ "$(ls | paste -sd' ')" = "in out.jsonl" ]
  [ "$(cat out.jsonl)" = old ]
}
