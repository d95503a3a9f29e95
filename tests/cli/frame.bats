#!/usr/bin/env bats
# What the frame of libcore/cli promises for every tool, on a small tool of its own.
bats_require_minimum_version 1.5.0
load "../support/assertions"

setup() {
  cd "$BATS_TEST_TMPDIR"
  sample="$SUPPORT/sample"
}

@test "a missing operand is the usage on stderr and exit 2" {
  run --separate-stderr "$sample" copy
  [ "$status" -eq 2 ]
  [ -z "$output" ]
  [ "${stderr_lines[0]}" = "usage: sample copy [options] INPUT..." ]
  run --separate-stderr "$sample" copy -q
  [ "$status" -eq 2 ]
  [ "${stderr_lines[0]}" = "sample: error: INPUT is required" ]
}

@test "the default verb runs without its name, also behind common options" {
  for words in "" "show" "-q" "-j 2" "-q show" "-j 2 show"; do
    run --separate-stderr "$sample" $words --lr 5 --json
    [ "$status" -eq 0 ]
    [[ "$output" == *'"lr":5.0'* ]]
  done
}

@test "an unknown option names its neighbour" {
  run --separate-stderr "$sample" show --lrr 1
  assert_fails 2 "unknown option '--lrr' (did you mean '--lr'?)"
  [ "${stderr_lines[1]}" = "sample: hint: try 'sample show --help'" ]
}

@test "bad values name the flag, the value and the range" {
  run --separate-stderr "$sample" show --tokens 5x
  assert_fails 2 "--tokens: '5x' is not a count (like 4096, 0.5M, 4B, 64KiB)"
  run --separate-stderr "$sample" show --lr fast
  assert_fails 2 "--lr: 'fast' is not a valid value"
  run --separate-stderr "$sample" show --precision bf61
  assert_fails 2 "--precision: 'bf61' is not one of fp32, bf16, fp8 (did you mean 'bf16'?)"
  run --separate-stderr "$sample" show --threads -1
  assert_fails 2 "--threads: '-1' is not in range (0 to 4096)"
  run --separate-stderr "$sample" show --threads 99999999999999999999
  assert_fails 2 "--threads: '99999999999999999999' is not in range (0 to 4096)"
  run --separate-stderr "$sample" show --seed 99999999999999999999
  assert_fails 2 "--seed: '99999999999999999999' is not in range (-9223372036854775808 to 9223372036854775807)"
  run --separate-stderr "$sample" show --seed 0x10
  assert_fails 2 "--seed: '0x10' is not a whole number"
  run --separate-stderr "$sample" show --seed ''
  assert_fails 2 "--seed: '' is not a whole number"
  run --separate-stderr "$sample" show -o ''
  assert_fails 2 "names no file: --output (empty)"
  run --separate-stderr "$sample" show ''
  assert_fails 2 "names no file: INPUT (empty)"
  [ "$("$sample" show --json --seed 010 | jq .seed)" = 10 ]
  [ "$("$sample" show --json --seed -9223372036854775808 | jq -c .seed_given)" = true ]
}

@test "every kind of end has its exit code, and what was printed arrives" {
  for pair in no:1 memory:3 corrupt:3 device:4 guard:5; do
    run --separate-stderr "$sample" end "${pair%:*}"
    [ "$status" -eq "${pair#*:}" ]
    [ "$output" = begun ]
  done
  run --separate-stderr "$sample" end device
  assert_error 4 "gemm (4, 4): the device is gone"
  run --separate-stderr "$sample" end corrupt
  assert_error 3 'bad header: a\x1B[2Jb (not "magic")'
}

@test "-o publishes the result whole, refuses to replace, and never after a failure" {
  "$sample" show --json -o out.json
  [ "$("$sample" show --json)" = "$(cat out.json)" ]
  run --separate-stderr "$sample" show --json -o out.json
  assert_fails 2 "output exists: out.json (-f replaces it)"
  "$sample" show --lr 7 --json -f -o out.json
  grep -q '"lr":7.0' out.json
  run "$sample" end corrupt -o gone.txt
  [ "$status" -eq 3 ]
  [ ! -e gone.txt ]
  [ -z "$(ls | grep tmp-)" ]
}

@test "-o compresses by its ending and - is stdout" {
  "$sample" show --json -o out.json.gz
  [ "$(gzip -dc out.json.gz)" = "$("$sample" show --json -o -)" ]
}

@test "output over input is refused, through links too" {
  echo text > in.txt
  ln in.txt hard.txt
  for name in in.txt ./in.txt hard.txt; do
    run --separate-stderr "$sample" copy -f in.txt -o "$name"
    assert_fails 2 "output is also an input: $name"
  done
  run --separate-stderr "$sample" copy -f - -o in.txt < in.txt
  assert_fails 2 "output is also an input: in.txt"
  [ "$(cat in.txt)" = text ]
}

@test "inputs may be files, pipes, -, gzip and zstd" {
  printf 'a\nb\n' > plain
  gzip -k plain
  "$sample" copy plain -o plain.zst
  for input in plain plain.gz plain.zst; do
    [ "$("$sample" copy "$input")" = $'a\nb' ]
    [ "$("$sample" copy - < "$input")" = $'a\nb' ]
    [ "$(cat "$input" | "$sample" copy -)" = $'a\nb' ]
    [ "$("$sample" copy <(cat "$input"))" = $'a\nb' ]
  done
  head -c 20 plain.gz > cut.gz
  run --separate-stderr "$sample" copy cut.gz
  assert_error 3 "truncated gzip data: cut.gz"
}

@test "a full or closed stdout is exit 3, a closed pipe dies by SIGPIPE" {
  run --separate-stderr bash -c "'$sample' show > /dev/full"
  assert_fails 3 "cannot write: standard output (No space left on device)"
  run bash -c "'$sample' show >&-"
  [ "$status" -eq 3 ]
  seq 1000000 > many
  run --separate-stderr bash -c "'$sample' copy many | head -1; echo \${PIPESTATUS[0]}"
  [ "$output" = $'1\n141' ]
  [ -z "$stderr" ]
}

@test "precedence over the whole chain, and the file's line in its errors" {
  printf 'lr = 1.0\ntokens = "2K"\n' > run.toml
  BALLAST_LR=2 run --separate-stderr "$sample" --config run.toml --json
  [[ "$output" == *'"lr":2.0,"tokens":2000'* ]]
  BALLAST_CONFIG=run.toml run --separate-stderr "$sample" --json --set lr=3
  [[ "$output" == *'"lr":3.0,"tokens":2000'* ]]
  printf 'lr = 1.0\n\ntokns = 5\n' > bad.toml
  run --separate-stderr "$sample" --config bad.toml
  assert_fails 2 "unknown key 'tokns': bad.toml:3 (did you mean 'tokens'?)"
  run --separate-stderr "$sample" --config none.toml
  assert_fails 3 "cannot open: none.toml (No such file or directory)"
}

@test "--help fits 80 columns and 60 lines, --version --json is JSON" {
  for words in --help "show --help" "copy -h" "show --bogus=1 --help"; do
    run --separate-stderr "$sample" $words
    if [ "$words" != "show --bogus=1 --help" ]; then
      [ "$status" -eq 0 ]
      [ -z "$stderr" ]
      [ "${#lines[@]}" -le 60 ]
      [ "$(awk 'length > 80' <<< "$output")" = "" ]
    else
      [ "$status" -eq 2 ]
    fi
  done
  run "$sample" --version
  [[ "${lines[0]}" =~ ^"sample (Ballast) "[0-9]+\.[0-9]+\.[0-9]+$ ]]
  grep -q '^zstd  *[0-9]' <<< "$output"
  grep -Eq '^CUDA  *(absent|[0-9])' <<< "$output"
  "$sample" --version --json | jq -e '.v == 1 and (.libraries.zstd | length > 0)'
}

@test "completions parse and complete" {
  "$sample" --generate-completion=bash > c.bash
  bash -n c.bash
  source c.bash
  complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sample; }
  complete_words sample sh
  [ "${COMPREPLY[*]}" = show ]
  complete_words sample show --prec
  [ "${COMPREPLY[*]}" = --precision ]
  complete_words sample show --precision fp
  [ "${COMPREPLY[*]}" = "fp32 fp8" ]
  complete_words sample show --color = al
  [ "${COMPREPLY[*]}" = always ]
  complete_words sample end m
  [ "${COMPREPLY[*]}" = memory ]
  complete_words sample show --lr ""
  [ "${#COMPREPLY[@]}" -eq 0 ]
  touch "with space.jsonl"
  complete_words sample copy with
  [ "${COMPREPLY[0]}" = "with space.jsonl" ]
  if command -v zsh > /dev/null; then "$sample" --generate-completion=zsh > c.zsh && zsh -n c.zsh; fi
  if command -v fish > /dev/null; then "$sample" --generate-completion=fish > c.fish && fish -n c.fish; fi
  run --separate-stderr "$sample" --generate-completion=tcsh
  assert_fails 2 "no completions for 'tcsh': --generate-completion (bash, zsh or fish)"
}
