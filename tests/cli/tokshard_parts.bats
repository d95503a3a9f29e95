# tokshard filter and encode in parts: shares of tasks, what a repeated run does, merge and verify.
bats_require_minimum_version 1.5.0
load ../support/assertions

setup_file() {
  cd "$BATS_FILE_TMPDIR"
  for input in a b c; do
    awk -v input=$input 'BEGIN {
      for (i = 0; i < 300; ++i)
        printf "{\"text\":\"%s %d of input %s, written to ann%d@example.org\",\"id\":\"%s%d\"}\n%s",
          i % 7 ? "Document" : "x", i, input, i, input, i, i % 50 ? "" : "\n"
    }' > $input.jsonl
  done
  zstd -q --rm b.jsonl
  gzip c.jsonl
  "$BIN/tokshard" vocab -q --size 280 a.jsonl -o tok.json
  "$BIN/tokshard" filter -q --min-chars 50 "${INPUTS[@]}" --rejects rejects.jsonl --stats stats.json -o kept.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json --holdout 10% "${INPUTS[@]}" -o whole
}
INPUTS=(a.jsonl b.jsonl.zst c.jsonl.gz)
setup() {
  cd "$BATS_TEST_TMPDIR"
  cp "$BATS_FILE_TMPDIR"/* .
}
task() { "$BIN/tokshard" filter --min-chars 50 --keep-rejects --parts parts --part-size 4KiB --task "$1" "${INPUTS[@]}"; }

@test "tasks in any order and number give what one process gives" {
  for tasks in 1 2 3 8; do
    rm -rf parts
    for i in $(seq $((tasks - 1)) -1 0); do task $i/$tasks; done
    "$BIN/tokshard" merge -f parts --rejects r.jsonl --stats s.json -o k.jsonl.zst
    zstd -qdf k.jsonl.zst
    cmp k.jsonl kept.jsonl
    cmp r.jsonl rejects.jsonl
    cmp s.json stats.json
  done
}

@test "shards of encoded parts are those of one process" {
  for i in 0 1 2 3; do
    "$BIN/tokshard" encode --tokenizer tok.json --holdout 10% --parts parts --part-size 4KiB --task $i/4 "${INPUTS[@]}"
  done
  "$BIN/tokshard" merge parts -o merged
  for part in "" -holdout; do
    for ending in bin idx docs.jsonl.zst; do cmp "merged$part.$ending" "whole$part.$ending"; done
    cmp <(jq 'del(.run)' merged$part.manifest.json) <(jq 'del(.run)' whole$part.manifest.json | sed 's/whole/merged/')
  done
  "$BIN/tokshard" verify --full merged merged-holdout
}

@test "one process in parts goes on where it was and writes its outputs" {
  filter() { "$BIN/tokshard" filter --min-chars 50 --parts parts --part-size 4KiB "${INPUTS[@]}" "$@"; }
  filter --rejects r.jsonl -o k.jsonl
  cmp k.jsonl kept.jsonl
  cmp r.jsonl rejects.jsonl
  rm parts/0000001-000002.json parts/0000000-000000.jsonl.zst parts/0000000-000000.json
  run --separate-stderr filter -f --rejects r.jsonl -o k.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"2 parts made, of 3 of 3 inputs"* ]]
  cmp k.jsonl kept.jsonl
}

@test "verify and merge say what is missing or damaged" {
  task 0/3
  task 2/3
  run --separate-stderr "$BIN/tokshard" verify parts
  [ "$status" -eq 1 ]
  [ "$output" = "parts: missing from part 0 of input 1: b.jsonl.zst" ]
  run --separate-stderr "$BIN/tokshard" merge parts -o k.jsonl
  assert_fails 7 "1 of 3 inputs are not complete: parts (first: part 0 of input 1: b.jsonl.zst; run their tasks again)"
  [ ! -e k.jsonl ]
  task 1/3
  run --separate-stderr "$BIN/tokshard" verify --full --json parts
  [ "$status" -eq 0 ]
  [ "$(jq -c '[.ok,.inputs,.records]' <<< "$output")" = "[true,3,900]" ]
  [ "$(jq .source_bytes <<< "$output")" -eq "$(cat "${INPUTS[@]}" | wc -c)" ]
  [ "$(jq .decoded_bytes <<< "$output")" -eq "$(for i in "${INPUTS[@]}"; do zcat -f $i | zstdcat -f; done | wc -c)" ]

  printf 'x' | dd of=parts/0000000-000001.jsonl.zst bs=1 seek=50 conv=notrunc status=none
  run --separate-stderr "$BIN/tokshard" verify --full parts
  [ "$status" -eq 1 ]
  [ "$output" = "parts: content differs from the record's hash: parts/0000000-000001.jsonl.zst; remove it and run the job again" ]
  run --separate-stderr "$BIN/tokshard" merge parts -o k.jsonl
  [ "$status" -eq 3 ]
  [ ! -e k.jsonl ]
  rm parts/0000000-000001.jsonl.zst
  run --separate-stderr "$BIN/tokshard" merge parts -o k.jsonl
  assert_fails 3 "damaged parts: file of a part is gone: parts/0000000-000001.jsonl.zst; run the job again"
  run --separate-stderr task 0/3
  [[ "$stderr" == *"1 part made, of 1 of 3 inputs"* ]]
  "$BIN/tokshard" verify --full parts
  "$BIN/tokshard" merge parts -o k.jsonl
  cmp k.jsonl kept.jsonl
}

@test "parts of other inputs or options are refused" {
  task 0/3
  run --separate-stderr "$BIN/tokshard" filter --min-chars 51 --keep-rejects --parts parts --part-size 4KiB --task 1/3 "${INPUTS[@]}"
  assert_fails 2 "the folder is another job's, --min-chars is 50 there and 51 here: parts/plan.json (name another --parts, or remove this one)"
  for how in "filter --min-chars 51 --keep-rejects --task 1/3" "encode --tokenizer tok.json -o new"; do
    run --separate-stderr "$BIN/tokshard" $how -n --parts parts --part-size 4KiB "${INPUTS[@]}"
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"the folder is another job's, "* ]]
  done
  run --separate-stderr "$BIN/tokshard" encode -n --tokenizer tok.json --parts none --task 1/3 "${INPUTS[@]}"
  [ "$status" -eq 0 ]
  [ "$stderr" = "tokshard: would encode 3 inputs with a vocabulary of 280 into parts in none" ]
  [ ! -e none ]
  run --separate-stderr "$BIN/tokshard" encode -n --tokenizer tok.json --parts none --task 3/3 "${INPUTS[@]}"
  [ "$status" -eq 2 ]
  echo '{"text":"more"}' >> a.jsonl
  run --separate-stderr task 1/3
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"another job's, input 0 has "*" bytes there and "*" here: a.jsonl"* ]]
}

@test "the options of parts are refused where they mean nothing" {
  run --separate-stderr "$BIN/tokshard" filter --task 0/2 a.jsonl
  assert_fails 2 "needs --parts: --task"
  run --separate-stderr "$BIN/tokshard" filter --keep-rejects a.jsonl
  assert_fails 2 "needs --parts: --keep-rejects"
  run --separate-stderr "$BIN/tokshard" filter --parts parts --task 0/2 a.jsonl -o k.jsonl
  assert_fails 2 "is written by \`tokshard merge\`: --output (not by a task)"
  run --separate-stderr "$BIN/tokshard" filter --parts parts --task 2/2 a.jsonl
  assert_fails 2 "is not I/N with 0 <= I < N <= 16777216: --task (2/2)"
  run --separate-stderr "$BIN/tokshard" filter --parts parts --task 0/1 - < a.jsonl
  assert_fails 2 "a job in parts reads its inputs again: -"
  run --separate-stderr "$BIN/tokshard" filter --parts parts --part-size 10 a.jsonl
  assert_fails 2 "too small: --part-size (1024 or more)"
  run --separate-stderr "$BIN/tokshard" filter --parts parts --task 0/1 a.jsonl
  [ "$status" -eq 0 ]
  run --separate-stderr "$BIN/tokshard" merge parts --rejects r.jsonl -o k.jsonl
  assert_fails 2 "the parts hold no rejected documents: --rejects (run the tasks with --keep-rejects)"
}

@test "a task's place is found in the environment" {
  made() { "$BIN/tokshard" filter --parts "$1" --part-size 4KiB --task auto "${INPUTS[@]}" 2>&1 | sed 's/.*, of //'; }
  [ "$(made p0)" = "3 of 3 inputs" ]
  export SLURM_ARRAY_TASK_ID=12 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_MAX=12 SLURM_ARRAY_TASK_COUNT=2
  [ "$(made p1)" = "1 of 3 inputs" ]
  [ -e p1/0000001-000000.json ]
  [ ! -e p1/0000000-000000.json ]
  export OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2
  made p2
  [ ! -e p2/0000002-000000.json ]
  [ -e p2/0000000-000001.json ]
  [ ! -e p2/0000000-000000.json ]
  unset "${!OMPI_@}" "${!SLURM_@}"
  export SLURM_PROCID=1 SLURM_NTASKS=3
  [ "$(made p3)" = "3 of 3 inputs" ]
  export SLURM_STEP_ID=0
  [ "$(made p4)" = "1 of 3 inputs" ]
  export SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_COUNT=3
  [[ "$(made p5)" == *"the indexes of the array are not evenly spaced"* ]]
}

@test "an input that fails does not keep the others from being done" {
  head -c 1500 c.jsonl.gz > broken.jsonl.gz
  run --separate-stderr "$BIN/tokshard" filter --parts parts --part-size 4KiB --task 0/1 a.jsonl broken.jsonl.gz b.jsonl.zst
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"error: truncated gzip data: broken.jsonl.gz"* ]]
  run --separate-stderr "$BIN/tokshard" verify parts
  [[ "$output" == "parts: missing from part "*" of input 1: broken.jsonl.gz" ]]
}

@test "build makes the shards of filter and encode, alone or by tasks" {
  "$BIN/tokshard" encode -q --tokenizer tok.json --holdout 10% kept.jsonl -o two
  RULES=(--min-chars 50 --tokenizer tok.json --holdout 10%)
  "$BIN/tokshard" build "${RULES[@]}" "${INPUTS[@]}" --rejects r.jsonl --stats s.json -o one
  cmp r.jsonl rejects.jsonl
  cmp s.json stats.json
  [ ! -e one.tmp-parts ]
  for i in 0 1 2 3 4; do
    "$BIN/tokshard" build "${RULES[@]}" --parts parts --part-size 4KiB --keep-rejects --task $i/5 "${INPUTS[@]}"
  done
  "$BIN/tokshard" verify --full parts
  "$BIN/tokshard" merge parts --rejects r2.jsonl --stats s2.json -o tasks
  cmp r2.jsonl rejects.jsonl
  cmp s2.json stats.json
  for made in one tasks; do
    for part in "" -holdout; do
      for ending in bin idx docs.jsonl.zst; do cmp "$made$part.$ending" "two$part.$ending"; done
      cmp <(jq 'del(.run,.inputs)' $made$part.manifest.json | sed "s/$made/two/") <(jq 'del(.run,.inputs)' two$part.manifest.json)
    done
    "$BIN/tokshard" verify --full $made $made-holdout
    [ "$(jq -c '[.inputs[].file]' $made.manifest.json)" = '["a.jsonl","b.jsonl.zst","c.jsonl.gz"]' ]
  done
}

@test "build refuses what it would ignore or overwrite" {
  run --separate-stderr "$BIN/tokshard" build --tokenizer tok.json a.jsonl
  assert_fails 2 "PREFIX of the shard is missing: -o"
  run --separate-stderr "$BIN/tokshard" build --tokenizer tok.json --keep-rejects a.jsonl -o one
  assert_fails 2 "needs --parts: --keep-rejects"
  run --separate-stderr "$BIN/tokshard" build --tokenizer tok.json --task 0/2 a.jsonl -o one
  assert_fails 2 "needs --parts: --task"
  run --separate-stderr "$BIN/tokshard" build --tokenizer tok.json a.jsonl -o whole
  assert_fails 2 "output exists: whole.bin (-f replaces it)"
  run --separate-stderr "$BIN/tokshard" build -n --tokenizer tok.json a.jsonl -o one
  [ "$status" -eq 0 ]
  [ ! -e one.tmp-parts ]
}

@test "an input that changed without changing its size is refused by a run of its own" {
  "$BIN/tokshard" filter --parts parts a.jsonl -o k.jsonl
  sed -i '1s/written/WRITTEN/' a.jsonl
  run --separate-stderr "$BIN/tokshard" filter -f --parts parts a.jsonl -o k.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"error: changed since parts were made of it: a.jsonl (begin again with another --parts)" ]]
}

@test "another model under the same name is another job" {
  printf '{"text":"x","score":1}\n{"text":"y","score":2}\n' > scored.jsonl
  "$BIN/tokshard" quantile -q --score s=score --share top:50% scored.jsonl -o t.json
  "$BIN/tokshard" filter --parts parts --score s=metadata:score --thresholds t.json scored.jsonl -o k.jsonl
  "$BIN/tokshard" quantile -qf --score s=score --share top:100% scored.jsonl -o t.json
  run --separate-stderr "$BIN/tokshard" filter -f --parts parts --score s=metadata:score --thresholds t.json scored.jsonl -o k.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the folder is another job's"* ]]
  # Models in files with commas in their names count too.
  printf '{"v":1,"type":"linear","bias":0,"terms":["aa"],"weights":[1]}' > a,b.json
  "$BIN/tokshard" filter --parts more --score s=linear:a,b.json,over=max scored.jsonl -o m.jsonl
  printf '{"v":1,"type":"linear","bias":1,"terms":["aa"],"weights":[1]}' > a,b.json
  run --separate-stderr "$BIN/tokshard" filter -f --parts more --score s=linear:a,b.json,over=max scored.jsonl -o m.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the folder is another job's"* ]]
}

@test "build leaves out what redaction emptied, as filter and encode do" {
  printf '{"text":"ann@example.org"}\n{"text":"some words stay"}\n' > in.jsonl
  "$BIN/tokshard" filter -q --pii-marker email= in.jsonl -o clean.jsonl
  "$BIN/tokshard" encode -q --tokenizer tok.json clean.jsonl -o two
  "$BIN/tokshard" build -q --pii-marker email= --tokenizer tok.json in.jsonl -o one
  cmp one.bin two.bin
  [ "$(jq -c '[.documents,.empty]' one.manifest.json)" = "[1,1]" ]
}

@test "a dry run of merge looks at what is there" {
  "$BIN/tokshard" build --tokenizer tok.json --parts parts --task 0/2 a.jsonl b.jsonl.zst
  run --separate-stderr "$BIN/tokshard" merge -n parts -o one
  [ "$status" -eq 7 ]
  "$BIN/tokshard" build --tokenizer tok.json --parts parts --task 1/2 a.jsonl b.jsonl.zst
  run --separate-stderr "$BIN/tokshard" merge -n parts -o one
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"would merge 2 inputs"* ]]
  [ ! -e one.bin ]
}

@test "a summary does not replace what is read" {
  run --separate-stderr "$BIN/tokshard" build -f --tokenizer tok.json --stats tok.json a.jsonl -o one
  assert_fails 2 "output is also an input: tok.json"
}

@test "records of parts that were tampered with are damage, with their file" {
  "$BIN/tokshard" filter -q --parts parts --part-size 4KiB a.jsonl -o k.jsonl
  record=parts/0000000-000001.json
  cp $record sound
  while IFS='|' read -r change why; do
    jq -c "$change" sound > $record
    run --separate-stderr "$BIN/tokshard" verify --full parts
    [ "$status" -eq 1 ]
    [[ "$output" == *"$why"*"$record"* ]]
    run --separate-stderr "$BIN/tokshard" merge -f parts -o k.jsonl
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"$record"* ]]
  done <<'CHANGES'
.counts.agents=[1,2,3]|counts are damaged
.counts.robots_tally.languages.en={"asked":1,"blocked":1,"agents":[1]}|counts are damaged
.counts.kept="x"|counts are damaged
.files=[]|has no file 0000000-000001.jsonl.zst
CHANGES
  # Each part alone may say so, but not all of them.
  cp sound $record
  sed -i 's/"chars": *[0-9]*/"chars":9223372036854775807/' parts/0*.json  # jq would round it
  run --separate-stderr "$BIN/tokshard" merge -f parts -o k.jsonl
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"counts are damaged: parts/0000000-000001.json (counts add up to more than 2^63)"* ]]
}

@test "outputs do not lie among the parts" {
  "$BIN/tokshard" filter -q --parts parts a.jsonl -o k.jsonl
  sum=$(cat parts/* | sha256sum)
  run --separate-stderr "$BIN/tokshard" filter -f --parts parts --stats parts/plan.json a.jsonl -o k.jsonl
  assert_fails 2 "output lies in the folder of parts: --stats (parts/plan.json)"
  run --separate-stderr "$BIN/tokshard" merge -f parts -o ./parts/0000000-000000.jsonl.zst
  assert_fails 2 "output lies in the folder of parts: --output (./parts/0000000-000000.jsonl.zst)"
  [ "$(cat parts/* | sha256sum)" = "$sum" ]
}

@test "names that strangers make up do not fill the records" {
  awk 'BEGIN { long = sprintf("%300s", ""); gsub(" ", "x", long)
    printf "{\"text\":\"a\",\"language\":\"%s\"}\n{\"text\":\"b\",\"language\":\"en\"}\n", long }' > names.jsonl
  "$BIN/tokshard" filter -q --languages en --stats s.json names.jsonl -o k.jsonl
  [ "$(jq -c .languages s.json)" = '{"(a long name)":{"kept":0,"rejected":1},"en":{"kept":1,"rejected":0}}' ]
}

@test "the outputs of build appear together, and its own folder says what it is" {
  run --separate-stderr "$BIN/tokshard" build -q --tokenizer tok.json --stats nowhere/s.json a.jsonl -o one
  assert_fails 3 "cannot create, its folder is not there: nowhere/s.json (nowhere)"
  [ ! -e one.tmp-parts ]
  run --separate-stderr "$BIN/tokshard" build -q --min-chars 1000 --tokenizer tok.json a.jsonl -o one
  assert_fails 7 "no documents to encode: a.jsonl"
  [ -z "$(ls | grep ^one)" ]
  run --separate-stderr "$BIN/tokshard" build --min-chars 1000 --rejects all.jsonl --stats s.json --tokenizer tok.json a.jsonl -o one
  [ "$(wc -l <all.jsonl)" -eq 300 ]
  [ "$(jq .rejected s.json)" -eq 300 ]
  [[ "$stderr" == *"rejected      300  length:too_short"* ]]
  run --separate-stderr "$BIN/tokshard" build --tokenizer tok.json a.jsonl -o nowhere/one
  assert_fails 3 "cannot create, its folder is not there: nowhere/one (nowhere)"
  [ ! -e nowhere ]
  if ldd "$SUPPORT/sample" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  LD_PRELOAD="$SUPPORT/inject_errors.so" INJECT_ERRORS="rename:2:kill" run "$BIN/tokshard" build -q --min-chars 2 --tokenizer tok.json a.jsonl -o one
  [ "$status" -eq 137 ]
  for dry in "" -n; do
    run --separate-stderr "$BIN/tokshard" build -q $dry --tokenizer tok.json a.jsonl -o one
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"one.tmp-parts/plan.json (left by a build that did not end; remove it to begin anew)" ]]
  done
}

@test "a build that fails or is killed while its outputs appear can be repeated" {
  if ldd "$SUPPORT/sample" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  RULES=(--min-chars 50 --tokenizer tok.json --holdout 10% a.jsonl)
  "$BIN/tokshard" build -q "${RULES[@]}" --rejects r0.jsonl --stats s0.json --shard-tokens 5000 -o ref
  [ -e ref-00001.idx ]
  local shown=0
  for mode in "" :kill; do
    for ((n = 1; ; ++n)); do
      rm -f fired one-* r.jsonl s.json
      status=0
      LD_PRELOAD="$SUPPORT/inject_errors.so" INJECT_ERRORS="rename:$n$mode" INJECT_ERRORS_LOG=fired \
        "$BIN/tokshard" build -q "${RULES[@]}" --rejects r.jsonl --stats s.json --shard-tokens 5000 -o one || status=$?
      [ -e fired ] || break
      echo "rename $n$mode: exit $status, $(ls)"
      if [ -z "$mode" ]; then
        # What failed shows nothing.
        [ "$status" -eq 3 ]
        [ -z "$(ls | grep -E '^(one-|r.jsonl|s.json)')" ]
      else
        [ "$status" -eq 137 ]
        if [ -e r.jsonl ]; then shown=$((shown + 1)); fi
        rm -f ./*.tmp-[0-9]*
      fi
      "$BIN/tokshard" build -q "${RULES[@]}" --rejects r.jsonl --stats s.json --shard-tokens 5000 -o one
      [ ! -e one.tmp-parts ]
      cmp r.jsonl r0.jsonl
      cmp s.json s0.json
      [ "$(ls one-* | sed s/^one/ref/)" = "$(ls ref-*)" ]
      for file in one-*.bin one-*.idx one-*.zst; do cmp "$file" "ref${file#one}"; done
    done
    [ "$status" -eq 0 ]
  done
  [ "$shown" -gt 3 ]
}

@test "a build that was killed replaces nothing that somebody else wrote since" {
  if ldd "$SUPPORT/sample" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  BUILD=("$BIN/tokshard" build -q --tokenizer tok.json a.jsonl --stats s.json -o one)
  status=0
  # After the plan, the part and the note the summary is the first that appears.
  for ((n = 1; ; ++n)); do
    rm -rf one.* s.json
    status=0
    LD_PRELOAD="$SUPPORT/inject_errors.so" INJECT_ERRORS="rename:$n:kill" "${BUILD[@]}" || status=$?
    [ "$status" -eq 137 ]
    if [ -e s.json ]; then break; fi
  done
  echo mine > s.json
  touch -d '+1 hour' s.json
  run --separate-stderr "${BUILD[@]}"
  assert_fails 2 "output exists: s.json (not what was left there unfinished; -f replaces it)"
  [ "$(cat s.json)" = mine ]
  rm s.json
  "${BUILD[@]}"
  "$BIN/tokshard" verify -q --full one
  [ "$(jq .kept s.json)" -eq "$(jq .documents one.manifest.json)" ]
}

# after_death WORK...: a build that is killed when the first output is there, then WORK, then the same again
after_death() {
  if ldd "$SUPPORT/sample" | grep -qE 'lib(asan|tsan)'; then skip "built with a sanitizer"; fi
  BUILD=("$BIN/tokshard" build -q --tokenizer tok.json a.jsonl -o one)
  for ((n = 1; ; ++n)); do
    status=0
    LD_PRELOAD="$SUPPORT/inject_errors.so" INJECT_ERRORS="rename:$n:kill" "${BUILD[@]}" || status=$?
    [ "$status" -eq 137 ]
    if [ -e one.bin ]; then break; fi
  done
  "$@"
  run --separate-stderr "${BUILD[@]}"
}

@test "a shard that was moved back after a build was killed is not taken for what that left" {
  "$BIN/tokshard" encode -q --tokenizer tok.json b.jsonl.zst -o old
  moved_back() {
    rm one.bin
    for ending in bin idx docs.jsonl.zst manifest.json; do mv old.$ending one.$ending; done
    sha256sum one.[bdim]* >sums
  }
  after_death moved_back
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"output exists: one."*"(not what was left there unfinished; -f replaces it)"* ]]
  sha256sum --quiet -c sums
  run --separate-stderr "${BUILD[@]}" -n
  [ "$status" -eq 2 ]
}

@test "a folder that was copied after a build was killed does not reach back to where it came from" {
  copied() { mkdir copy && cp -a one.* a.jsonl tok.json copy && sha256sum one.[bdim]* >sums && cd copy; }
  after_death copied
  [ "$status" -eq 0 ]
  [ ! -e one.tmp-parts ]
  "$BIN/tokshard" verify -q --full one
  cd ..
  sha256sum --quiet -c sums
}

@test "the same build twice at once does not take back what the other shows" {
  for i in $(seq 300); do cat a.jsonl; done >many.jsonl
  BUILD=("$BIN/tokshard" build -q -f --tokenizer tok.json many.jsonl -o one)
  # Stopped in the middle; one that was quicker is begun again.
  while :; do
    "${BUILD[@]}" 3>&- &
    first=$!
    until [ -e one.tmp-parts/lease.json ] || ! kill -0 $first; do :; done
    kill -STOP $first || continue
    if [ -e one.tmp-parts/lease.json ]; then break; fi
    kill -CONT $first
    wait $first
  done
  run --separate-stderr "${BUILD[@]}"
  kill -CONT $first
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"folder is held by tokshard build on"* ]]
  wait $first
  "$BIN/tokshard" verify -q --full one
}

@test "rejects and summary of build are no shards of its set" {
  for path in one-00000.bin ./one-holdout-00002.idx; do
    run --separate-stderr "$BIN/tokshard" build -f --shard-tokens 3000 --min-chars 50 --rejects $path --tokenizer tok.json a.jsonl -o one
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"two outputs are one file: $path (as a shard of one"* ]]
  done
  [ -z "$(ls | grep ^one)" ]
}
