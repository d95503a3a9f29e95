# The scripts of the source tree: what they install, and how they refuse.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

packages() {
  sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$SRC/scripts/packages"
}

# A PATH with only the named programs, so that a test decides who is root and what is installed.
only_path() {
  mkdir -p path
  for program in "$@"; do ln -sf "$(command -v "$program")" "path/$program"; done
}

fake() { # fake NAME BODY
  printf '#!/bin/bash\n%s\n' "$2" >"path/$1"
  chmod +x "path/$1"
}

@test "every library that the build requires is in the list of packages" {
  required=$(sed -n 's/^ballast_require[a-z_]*(.* \([a-z0-9.+-]*\))$/\1/p' "$SRC/cmake/BallastDependencies.cmake")
  [ "$(wc -l <<<"$required")" -ge 10 ]
  for package in $required; do
    packages | grep -qx "$package" || { echo "not in scripts/packages: $package"; return 1; }
  done
}

@test "the list of packages names each package once" {
  [ -z "$(packages | sort | uniq -d)" ]
}

@test "install-packages does nothing when everything is installed" {
  only_path bash dirname sed sort comm env
  fake apt-get 'echo called >&2; exit 9'
  fake id 'echo 1000'
  packages | sed 's/^/installed /' >installed
  fake dpkg-query "printf '%s\n' \"\$(<$PWD/installed)\""
  run --separate-stderr env PATH="$PWD/path" "$SRC/scripts/install-packages"
  [ "$status" -eq 0 ]
  [ -z "$output$stderr" ]
}

@test "install-packages without root and sudo prints one apt line and exits 2" {
  only_path bash dirname sed sort comm env
  fake apt-get 'echo called >&2; exit 9'
  fake id 'echo 1000'
  packages | grep -v '^cmake$' | sed 's/^/installed /' >installed
  fake dpkg-query "printf '%s\n' \"\$(<$PWD/installed)\""
  run --separate-stderr env PATH="$PWD/path" "$SRC/scripts/install-packages"
  [ "$status" -eq 2 ]
  [ "$output" = "apt-get update && apt-get install -y --no-install-recommends cmake" ]
  [[ "$stderr" == *"neither root nor sudo"* ]]
}

@test "install-packages as root installs only what is missing" {
  only_path bash dirname sed sort comm env
  fake id 'echo 0'
  packages | grep -v '^cmake$' | sed 's/^/installed /' >installed
  fake dpkg-query "printf '%s\n' \"\$(<$PWD/installed)\""
  # The script works in its own folder, so the fake writes where it is told.
  fake apt-get "echo \"\$*\" >>$PWD/apt.log"
  run --separate-stderr env PATH="$PWD/path" "$SRC/scripts/install-packages"
  [ "$status" -eq 0 ]
  grep -q ' update$' apt.log
  grep -q 'install --no-install-recommends cmake$' apt.log
}

@test "the scripts refuse options that they do not know" {
  for script in format demo demo-crawl gpu-check; do
    run --separate-stderr "$SRC/scripts/$script" --no-such-option another
    [ "$status" -eq 2 ]
    [[ "$stderr" == usage:* ]]
  done
}

@test "the scripts pass shellcheck" {
  command -v shellcheck >/dev/null || skip "no shellcheck"
  grep -lE '^#!/bin/(ba)?sh' "$SRC"/scripts/* "$SRC"/tests/support/* "$SRC"/tests/slurm/cluster \
    "$SRC"/examples/slurm/* "$SRC/.ci/run" | xargs shellcheck
}

@test "gpu-check says what it needs" {
  run -2 --separate-stderr "$SRC/scripts/gpu-check" --dry-run --bundle "$BATS_TEST_TMPDIR/none" --out "$BATS_TEST_TMPDIR/out"
  [ "$stderr" = "gpu-check: error: no bundle in $BATS_TEST_TMPDIR/none: scripts/bundle makes it" ]
  run -2 --separate-stderr "$SRC/scripts/bundle" "$BATS_TEST_TMPDIR/none" "$BATS_TEST_TMPDIR/bundle"
  [[ "$stderr" == "bundle: error: $BATS_TEST_TMPDIR/none/lib/ballast_cuda.so is missing"* ]]
  [ ! -e "$BATS_TEST_TMPDIR/bundle" ]
}
