# Assertions shared by the bats files. After `run --separate-stderr`.

# assert_error CODE MESSAGE: that exit code and `tool: error: MESSAGE` as first line.
assert_error() {
  if [ "$status" -ne "$1" ] || [[ "${stderr_lines[0]}" != *": error: $2" ]]; then
    echo "wanted exit $1 and error: $2"
    echo "got exit $status, stdout: $output"
    echo "stderr: $stderr"
    return 1
  fi
}

# assert_fails CODE MESSAGE: the same, and nothing on stdout.
assert_fails() {
  assert_error "$1" "$2" || return 1
  [ -z "$output" ] || { echo "stdout: $output"; return 1; }
}

# without_control_bytes FILE: no escape sequence, carriage return or other control byte but LF and TAB.
without_control_bytes() {
  if LC_ALL=C grep -nP '[\x00-\x08\x0B-\x1F\x7F]' "$1" | cat -v; [ "${PIPESTATUS[0]}" -eq 0 ]; then
    echo "control bytes in $1"
    return 1
  fi
}

# to_closed_pipe COMMAND...: runs it with a stdout that nobody reads any more; the status is its own.
to_closed_pipe() {
  mkfifo "$BATS_TEST_TMPDIR/pipe.$$"
  exec 8<> "$BATS_TEST_TMPDIR/pipe.$$" 9> "$BATS_TEST_TMPDIR/pipe.$$"
  exec 8>&-
  rm "$BATS_TEST_TMPDIR/pipe.$$"
  "$@" >&9
  local code=$?
  exec 9>&-
  return "$code"
}
