#!/usr/bin/env bats
# The contract of ballast(7) that all five tools keep. What a tool cannot show yet is skipped by name.
bats_require_minimum_version 1.5.0
load "../support/assertions"

tools="tokshard pretrain ckpt gradstat fp8probe"

setup() {
  cd "$BATS_TEST_TMPDIR"
  for tool in $tools; do
    if [ -x "$BIN/$tool" ]; then present+=("$tool"); else echo "# not built: $tool" >&3; fi
  done
  [ "${#present[@]}" -gt 0 ] || skip "no tool is built"
}

verbs_of() { "$BIN/$1" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z][a-z0-9-]*\) .*/\1/p'; }
has_verb() { verbs_of "$1" | grep -qx -- "$2"; }

# Long flags of a verb's help.
help_flags() { "$BIN/$1" "$2" --help | sed -nE 's/^  (-[a-zA-Z], |    )(--[a-z0-9-]+).*/\2/p'; }

# Verbs that read files, as `tool|words before the file`. Each is run on files made for the test.
readers() {
  while IFS='|' read -r tool words; do
    [ -x "$BIN/$tool" ] || continue
    if has_verb "$tool" "${words%% *}"; then
      echo "$tool|$words"
    else
      echo "# no verb yet: $tool ${words%% *}" >&3
    fi
  done << 'END'
tokshard|filter
tokshard|vocab --size 300 -o vocab.json
tokshard|inspect
tokshard|verify
pretrain|plan --config
pretrain|eval --data none
ckpt|list
ckpt|inspect
ckpt|verify
gradstat|summary
gradstat|spikes
gradstat|clip
fp8probe|scan
fp8probe|gate
END
}

@test "--help: stdout, exit 0, 80 columns, no control bytes, exit codes and page named" {
  for tool in "${present[@]}"; do
    for verb in "" $(verbs_of "$tool"); do
      run --separate-stderr "$BIN/$tool" $verb --help
      [ "$status" -eq 0 ]
      [ -z "$stderr" ]
      awk -v name="$tool $verb" 'length > 80 {print name ": " $0; bad = 1} END {exit bad}' <<< "$output"
      [[ "$output" == *"usage: "* && "$output" == *"exit codes: "* && "$output" == *"$tool(1)"* ]]
      "$BIN/$tool" $verb --help > help.txt
      without_control_bytes help.txt
    done
  done
}

@test "--help lists the choices of an option once" {
  for tool in "${present[@]}"; do
    for verb in $(verbs_of "$tool"); do
      found=$("$BIN/$tool" "$verb" --help | tr -s ' \n' '  ' | grep -oP '((?:[\w-]+, )+[\w-]+): \1(?![\w-])' || true)
      [ -z "$found" ] || { echo "$tool $verb: $found"; return 1; }
    done
  done
}

@test "--version: one form for all, --json parses" {
  for tool in "${present[@]}"; do
    run --separate-stderr "$BIN/$tool" --version
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [[ "${lines[0]}" =~ ^"$tool (Ballast) "[0-9]+\.[0-9]+\.[0-9]+$ ]]
    for name in compiler zstd xxHash CUDA MPI; do grep -q "^$name " <<< "$output"; done
    "$BIN/$tool" --version --json | jq -e --arg tool "$tool" '.v == 1 and .tool == $tool' > /dev/null
  done
}

@test "an unknown flag is exit 2, one line that names it, and a hint" {
  for tool in "${present[@]}"; do
    for verb in "" $(verbs_of "$tool"); do
      run --separate-stderr "$BIN/$tool" $verb --no-such-flag
      assert_fails 2 "unknown option '--no-such-flag'"
      [ "${#stderr_lines[@]}" -eq 2 ]
      [[ "${stderr_lines[1]}" == "$tool: hint: try '$tool"*" --help'" ]]
    done
  done
}

@test "an unknown verb is exit 2 and names its neighbour" {
  for tool in "${present[@]}"; do
    verb=$(verbs_of "$tool" | awk 'length > 4' | head -1)
    [ -n "$verb" ] || continue
    if "$BIN/$tool" --help | grep -q "^usage: $tool \["; then
      echo "# $tool takes operands without a verb" >&3
      continue
    fi
    run --separate-stderr "$BIN/$tool" "${verb}x"
    assert_fails 2 "unknown verb '${verb}x' (did you mean '$verb'?)"
  done
}

@test "no words at all: usage on stderr and exit 2, where something is needed" {
  for tool in "${present[@]}"; do
    "$BIN/$tool" --help | grep -q "^usage: $tool \[" && continue
    run --separate-stderr "$BIN/$tool"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ "${stderr_lines[0]}" == "usage: $tool "* ]]
  done
}

@test "a full stdout is exit 3 and says so" {
  for tool in "${present[@]}"; do
    for word in --help --version; do
      run --separate-stderr bash -c "'$BIN/$tool' $word > /dev/full"
      assert_fails 3 "cannot write: standard output (No space left on device)"
    done
  done
}

@test "a pipe closed by its reader ends a tool by SIGPIPE, silently" {
  for tool in "${present[@]}"; do
    run --separate-stderr to_closed_pipe "$BIN/$tool" --help
    [ "$status" -eq 141 ]
    [ -z "$stderr" ]
  done
}

@test "an unreadable input is exit 3 with its path" {
  while IFS='|' read -r tool words; do
    run --separate-stderr "$BIN/$tool" $words ./no/such.file
    echo "$tool $words: exit $status, $stderr"
    [ "$status" -eq 3 ]
    [ -z "$output" ]
    [[ "$stderr" == "$tool: error: "*"no/such.file"* ]]
    [ ! -e vocab.json ]
  done < <(readers)
}

@test "-- ends the options" {
  while IFS='|' read -r tool words; do
    [[ "$words" == *--config ]] && continue
    run --separate-stderr "$BIN/$tool" $words -- --no-such-file
    echo "$tool $words: exit $status, $stderr"
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"--no-such-file"* && "$stderr" != *"unknown option"* ]]
  done < <(readers)
}

@test "damaged input is one line, exit 3 or 1, never a crash" {
  head -c 3000 /dev/urandom > noise
  printf '\x1f\x8b\x08\x00truncated' > cut.gz
  printf '{"v":1,"type":"step","step":1,\n' > torn.jsonl
  while IFS='|' read -r tool words; do
    [[ "$words" == *--config ]] && continue
    for file in cut.gz noise; do
      run --separate-stderr "$BIN/$tool" $words "$file"
      echo "$tool $words $file: exit $status, $stderr"
      [ "$status" -ge 1 ]
      [ "$status" -lt 8 ]
      [[ "$stderr" != *"internal error"* ]]
      rm -f vocab.json
    done
  done < <(readers)
}

@test "output = input is refused and the input stays" {
  printf '{"text":"one"}\n' > in.jsonl
  cp in.jsonl before.jsonl
  ln in.jsonl link.jsonl
  for pair in "tokshard|filter" "gradstat|summary" "gradstat|spikes" "fp8probe|scan"; do
    tool=${pair%|*} verb=${pair#*|}
    [ -x "$BIN/$tool" ] && has_verb "$tool" "$verb" || { echo "# not yet: $tool $verb" >&3; continue; }
    run --separate-stderr "$BIN/$tool" "$verb" in.jsonl -f -o link.jsonl
    assert_fails 2 "output is also an input: link.jsonl"
    cmp in.jsonl before.jsonl
  done
}

@test "configuration errors name file and line" {
  printf 'quiet = true\n\nno_such_key = 1\n' > run.toml
  for tool in "${present[@]}"; do
    verb=$(verbs_of "$tool" | head -1)
    run --separate-stderr "$BIN/$tool" "$verb" --config run.toml
    assert_fails 2 "unknown key 'no_such_key': run.toml:3"
  done
}

@test "stdout is the same bytes when stderr is a terminal; neither has control bytes off one" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "no pseudo-terminals: is /dev/pts mounted?"
  for tool in "${present[@]}"; do
    "$BIN/$tool" --help > plain.txt 2> plain.err
    TERM=xterm script -qec "'$BIN/$tool' --help > tty.txt" /dev/null > /dev/null
    cmp plain.txt tty.txt
    "$BIN/$tool" --no-such-flag > out.txt 2> err.txt || true
    without_control_bytes err.txt
  done
}

@test "every flag of --help is in the man page and the completions, and none is only there" {
  for tool in "${present[@]}"; do
    page="$SRC/man/$tool.1"
    [ -e "$page" ] || { echo "# no page yet: $tool(1)" >&3; continue; }
    mandoc -T utf8 -O width=200 "$page" | col -b > page.txt
    mandoc -T utf8 -O width=200 "$SRC/man/ballast.7" | col -b > common.txt
    : > all
    for verb in $(verbs_of "$tool"); do
      # A verb may be named in a heading, a list or a synopsis.
      grep -qw -- "$verb" page.txt || { echo "$tool(1) lacks the verb $verb"; return 1; }
      help_flags "$tool" "$verb" >> all
    done
    sort -u all > flags
    missing=0
    while read -r flag; do
      grep -qE -- "(^|[^a-z0-9-])$flag([^a-z0-9-]|\$)" page.txt common.txt ||
        { echo "$tool(1) lacks $flag"; missing=1; }
      for shell in bash zsh; do
        grep -qE -- "$flag([^a-z0-9-]|\$)" "$SRC/completions/$shell/"*"$tool" ||
          { echo "the $shell completion of $tool lacks $flag"; missing=1; }
      done
    done < flags
    [ "$missing" -eq 0 ]
    sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z0-9-]+).*/\2/p' page.txt | sort -u > documented
    extra=$(comm -23 documented flags)
    [ -z "$extra" ] || { echo "$tool(1) documents what --help lacks: $extra"; return 1; }
  done
}

@test "committed completions are the generated ones" {
  for tool in "${present[@]}"; do
    for shell in bash zsh fish; do
      case $shell in
        bash) file="$SRC/completions/bash/$tool" ;;
        zsh) file="$SRC/completions/zsh/_$tool" ;;
        fish) file="$SRC/completions/fish/$tool.fish" ;;
      esac
      "$BIN/$tool" "--generate-completion=$shell" > generated
      diff -u "$file" generated || { echo "run scripts/completions"; return 1; }
      if command -v "$shell" > /dev/null; then "$shell" -n generated; fi
    done
  done
}
