#!/usr/bin/env bats
# Every write, sync and rename of an output fails in turn, or the process is killed there: the old
# file or the new one is left, never neither and never a part.
bats_require_minimum_version 1.5.0
load "../support/assertions"

setup() {
  cd "$BATS_TEST_TMPDIR"
  shim="$SUPPORT/inject_errors.so"
  # The shim does not go with a sanitizer's own runtime.
  if ldd "$SUPPORT/sample" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  seq 200000 > input
  cp input expected
}

# attempt CALL:N[:kill]: replaces `out` under that fault; the status is the tool's.
attempt() {
  rm -f fired
  LD_PRELOAD="$shim" INJECT_ERRORS="$1" INJECT_ERRORS_LOG=fired \
    "$SUPPORT/sample" copy input -f -o "$2" 2> message
}

@test "each failing call leaves the old file and says so" {
  for call in write fsync rename; do
    for ((n = 1; ; ++n)); do
      echo old > out
      status=0
      attempt "$call:$n" out || status=$?
      if [ ! -e fired ]; then
        [ "$status" -eq 0 ]
        cmp out expected
        break
      fi
      echo "$call $n: exit $status, $(cat message)"
      [ "$status" -eq 3 ]
      grep -q '^sample: error: cannot ' message
      # Only the sync of the directory comes after the rename.
      if [ "$(cat out)" != old ]; then
        [ "$call" = fsync ]
        [ "$n" -eq 2 ]
        cmp out expected
      fi
      [ -z "$(find . -name 'out.tmp-*')" ]
    done
    [ "$n" -gt 1 ]
  done
}

@test "kill -9 at each call leaves the old file or the new one" {
  for call in write fsync rename; do
    for ((n = 1; ; ++n)); do
      echo old > out
      status=0
      attempt "$call:$n:kill" out || status=$?
      [ -e fired ] || break
      [ "$status" -eq 137 ]
      [ "$(head -c 4 out)" = old ] || cmp out expected
    done
    [ "$n" -gt 1 ]
    attempt none out
    cmp out expected
  done
}

@test "a failure of a compressed output is no better" {
  for n in 1 2; do
    echo old > out.gz
    run attempt "write:$n" out.gz
    [ "$status" -eq 3 ] || [ ! -e fired ]
    [ "$(cat out.gz)" = old ] || gzip -t out.gz
  done
}
