#!/usr/bin/env bats
# pretrain coord-check: under muP sizes of activations do not follow the width, under the standard parametrisation they do.

bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

check() { "$BIN/pretrain" coord-check --widths 64,128,256 "$@"; }

@test "muP is flat, the standard parametrisation is not" {
  # The usual bound is 0.1; a width of 64 is too narrow for the limit that muP describes.
  run check --widths 128,256,512 --stability mup_base_width=64 --fail-on 0.1
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -gt 28 ]
  run check --fail-on 0.5
  [ "$status" -eq 1 ]
  run check
  [ "$status" -eq 0 ]
  [[ "$output" == *"logits        1"*"(may fall)"* ]]
}

@test "at the first step muP's hidden sizes agree closely, and logits fall with the root of the width" {
  check --stability mup_base_width=64 --steps 1 --json | grep slope > slopes
  run perl -ne '/"module":"(\w+)".*"slope":([-\d.e]+)/ or die; my $want = $1 eq "logits" ? -0.5 : 0;
    print "$1 $2\n" if abs($2 - $want) > 0.05' slopes
  [ "$(wc -l < slopes)" -eq 7 ]
  [ -z "$output" ]
}

@test "the same seeds give the same bytes, and every layer is reported" {
  check --steps 2 --seeds 1 --json > one
  check --steps 2 --seeds 1 --json -j1 > two
  cmp one two
  [ "$(grep -c '"layer":3,"module":"out"' one)" -eq 6 ]
}

@test "a picture" {
  check --steps 2 --seeds 1 -o widths.svg
  grep -q '<svg' widths.svg
  grep -q 'step 2' widths.svg
}

@test "what cannot be measured is refused" {
  run --separate-stderr check --widths 64
  [ "$status" -eq 2 ]
  run --separate-stderr check --widths 128,64
  [ "$status" -eq 2 ]
  run --separate-stderr check --widths 64,100
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"width 100 does not fit the model"* ]]
  run --separate-stderr check --model no-such-model
  [ "$status" -eq 2 ]
}
