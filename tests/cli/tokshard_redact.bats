# tokshard redact: what it writes, what it refuses, and that it finishes what was begun.
bats_require_minimum_version 1.5.0
load ../support/redaction

setup() {
  cd "$BATS_TEST_TMPDIR"
}

@test "tombstones: layout and index stay, the text is gone, the manifest says where" {
  make_shard web 100
  list h3.example web >out.jsonl
  redact --json --list out.jsonl web -o new
  [ "$status" -eq 0 ]
  [ "$(jq -c '[.shard, .target, .mode, .documents]' <<<"$output")" = '["web","new/web","tombstone",14]' ]
  [[ "$stderr" == *"new/web: 14 documents, "*" tokens overwritten" ]]
  cmp web.idx new/web.idx
  run ! cmp -s web.bin new/web.bin
  "$BIN/tokshard" verify -q --full web new/web
  eos=$(jq .eos web.manifest.json)
  [ "$(jq -c '.redaction | [.mode, .forget, .documents, .tombstones[0][2], (.tombstones | length)]' new/web.manifest.json)" = \
    "[\"tombstone\",false,14,$eos,14]" ]
  [ "$(jq -r .redaction.list_sha256 new/web.manifest.json)" = "$(sha256sum <out.jsonl | cut -d' ' -f1)" ]
  # Every line of the sidecar is as it was, but for the mark.
  diff <(zstd -dc web.docs.jsonl.zst) <(zstd -dc new/web.docs.jsonl.zst) | grep '^>' | jq -c . <<<"$(sed 's/^> //' /dev/stdin)" >marked
  [ "$(jq -r '[.redacted, .host] | @csv' marked | sort -u)" = 'true,"h3.example"' ]
  [ "$(wc -l <marked)" -eq 14 ]
  "$BIN/tokshard" decode web --tokenizer tok.json | jq -r 'select(.url | startswith("http://h3.") | not).text' >kept
  "$BIN/tokshard" decode new/web --tokenizer tok.json | jq -r 'select(.url | startswith("http://h3.") | not).text' | cmp - kept
  [ -z "$("$BIN/tokshard" decode new/web | jq -r 'select(.url | startswith("http://h3.")).text' | tr -d '\n')" ]
  [ -z "$("$BIN/tokshard" decode new/web --doc 3)" ]
  # What was redacted is not found again.
  [ -z "$(list h3.example new/web)" ]
}

@test "forgetting, another token, and a second list over the first" {
  make_shard web 100
  list h3.example web | "$BIN/tokshard" redact -q --list - --forget --token 7 web -o one
  "$BIN/tokshard" verify -q --full one/web
  zstd -dc one/web.docs.jsonl.zst | jq -c 'select(.redacted)' >lines
  [ "$(jq -r 'keys_unsorted | join(" ")' lines | sort -u)" = "id sha256 filters tokens redacted" ]
  [ "$(wc -l <lines)" -eq 14 ]
  [ "$(jq -r .sha256 lines | head -1)" = "$(printf 'The ship 3 of 100 is here' | sha256sum | cut -d' ' -f1)" ]
  list h4.example one/web | "$BIN/tokshard" redact -q --list - one/web -o two
  "$BIN/tokshard" verify -q --full two/web
  [ "$(jq -c '[.redaction.tombstones[][2]] | unique' two/web.manifest.json)" = "[$(jq .eos web.manifest.json),7]" ]
  [ "$(zstd -dc two/web.docs.jsonl.zst | grep -c '"redacted":true')" -eq 28 ]
  # The list of the original names what is gone already.
  list h3.example web >out.jsonl
  redact --list out.jsonl two/web -o three
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"14 documents of the list were redacted before"*"nothing to redact"* ]]
  [ ! -e three ]
  # Tombstones go when they are compacted, those of other lists stay.
  redact --compact --list out.jsonl two/web -o three
  [ "$status" -eq 0 ]
  "$BIN/tokshard" verify -q --full three/web
  [ "$(jq -c '[.documents, (.redaction.tombstones | map(.[2]) | unique)]' three/web.manifest.json)" = \
    "[86,[$(jq .eos web.manifest.json)]]" ]
  texts() { "$BIN/tokshard" decode "$1" --tokenizer tok.json | jq -r "select(.url | test(\"$2\") | not).text"; }
  texts web 'h[34][.]' >kept
  [ "$(wc -l <kept)" -eq 72 ]
  texts three/web 'h4[.]' | cmp - kept
}

@test "what was redacted before is forgotten when its addresses are still there" {
  make_shard web 100
  list h3.example web >out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl web -o one
  [ "$(zstd -dc one/web.docs.jsonl.zst | grep -c 'h3[.]example')" -eq 14 ]
  list h4.example web | cat out.jsonl - >both.jsonl
  redact --forget --list both.jsonl one/web -o two
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"two/web: 28 documents, "* ]]
  "$BIN/tokshard" verify -q --full two/web
  run ! grep -E 'h[34][.]example' <(zstd -dc two/web.docs.jsonl.zst)
  [ "$(zstd -dc two/web.docs.jsonl.zst | jq -r 'select(.redacted) | keys_unsorted | join(" ")' | sort -u)" = "id sha256 filters tokens redacted" ]
  [ "$(zstd -dc two/web.docs.jsonl.zst | jq -c 'select(.redacted).id' | sort | uniq -c | tr -s ' ')" = ' 28 ""' ]
  # It is the shard in which they were forgotten at once.
  "$BIN/tokshard" redact -q --forget --list both.jsonl web -o want
  for ending in bin idx docs.jsonl.zst; do cmp "want/web.$ending" "two/web.$ending"; done
  [ "$(jq -c '.shards[0].removed' two/receipt.json)" = "$(jq -c '.shards[0].removed' want/receipt.json)" ]
  [ "$(jq -c '.redaction | [.forget, .documents, .tombstones]' two/web.manifest.json)" = \
    "$(jq -c '.redaction | [.forget, .documents, .tombstones]' want/web.manifest.json)" ]
  (cd two && sha256sum --quiet -c receipt.sha256)
  # Nothing is left to forget.
  redact --forget --list both.jsonl two/web -o three
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"28 documents of the list were redacted before"*"nothing to redact"* ]]
  [ ! -e three ]
}

@test "compact: the documents are gone from every file" {
  make_shard web 100
  list h3.example web >out.jsonl
  "$BIN/tokshard" redact -q --compact --list out.jsonl web -o new
  "$BIN/tokshard" verify -q --full new/web
  grep -v 'http://h3.example/' docs.jsonl >rest.jsonl
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json rest.jsonl -o want
  for ending in bin idx docs.jsonl.zst; do cmp "want.$ending" "new/web.$ending"; done
  for key in documents tokens languages licenses sources filters token_counts; do
    cmp <(jq -c ".$key" want.manifest.json) <(jq -c ".$key" new/web.manifest.json)
  done
}

@test "a damaged tombstone and a lost one are found" {
  make_shard web 60
  list h3.example web | "$BIN/tokshard" redact -q --list - web -o new
  jq -c '.redaction.tombstones[0]' new/web.manifest.json >first
  cp new/web.manifest.json good
  jq '.redaction.tombstones |= .[1:]' good >new/web.manifest.json
  run "$BIN/tokshard" verify --full new/web
  [ "$status" -eq 1 ]
  [[ "$output" == *"document 3 is there by the manifest and redacted by the sidecar"* ]]
  jq '.redaction.tombstones[0][2] = 9' good >new/web.manifest.json
  run "$BIN/tokshard" verify --full new/web
  [ "$status" -eq 1 ]
  [[ "$output" == *"is in a tombstone but was not overwritten"* ]]
  jq '.redaction.tombstones[0][1] = 99999999' good >new/web.manifest.json
  run "$BIN/tokshard" verify new/web
  [ "$status" -eq 1 ]
}

@test "several shards: a re-run makes only what is missing" {
  make_shard one 60
  make_shard two 90
  make_shard three 40
  list h3.example one two >out.jsonl
  redact --list out.jsonl one two three -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"three: nothing to redact, left as it is"* ]]
  [ ! -e new/three.bin ]
  [ "$(jq -c '[.shards[].shard]' new/receipt.json)" = '["one","two"]' ]
  cp -r new want
  # As a kill leaves it: the second shard begun.
  rm -r new
  mkdir -p new/redact.unfinished
  cp -a want/one.* new/redact.unfinished/
  cp want/two.idx new/redact.unfinished/
  head -c 100 want/two.bin >new/redact.unfinished/two.bin
  stamp=$(stat -c %i new/redact.unfinished/one.bin)
  redact --list out.jsonl one two three -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"new/one: "*" by an earlier start"* ]]
  run ! grep -q "new/two: .* by an earlier start" <<<"$stderr"
  [ "$(stat -c %i new/one.bin)" = "$stamp" ]
  for file in one.bin one.idx one.docs.jsonl.zst one.manifest.json two.bin two.idx two.docs.jsonl.zst; do
    cmp "new/$file" "want/$file"
  done
  [ "$(ls -A new | wc -l)" -eq 10 ]
  (cd new && sha256sum --quiet -c receipt.sha256)
  # A kill as the files were moved: another list does not get between, the same command moves the rest.
  list h4.example one two >other.jsonl
  mkdir new/redact.unfinished
  mv new/receipt.* new/two.* new/one.manifest.json new/redact.unfinished/
  redact --list other.jsonl one two -o new
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"another redaction, which was not finished"* ]]
  redact --list out.jsonl one two three -o new
  [ "$status" -eq 0 ]
  [ "$(ls -A new | wc -l)" -eq 10 ]
  (cd new && sha256sum --quiet -c receipt.sha256)
  redact --list out.jsonl one two three -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"new: redacted already"* ]]
  redact --list other.jsonl one two -o new
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"the receipt of another redaction"* ]]
  redact -f --list other.jsonl one two -o new
  [ "$status" -eq 0 ]
  "$BIN/tokshard" verify -q --full new/one new/two
  (cd new && sha256sum --quiet -c receipt.sha256)
}

@test "a set stays a set: shards that lose nothing are taken over, one receipt is for all" {
  make_set 140
  # Of the second and the fourth shard.
  printf 'http://h3.example/%s\n' 38 45 129 | "$BIN/tokshard" recheck -q --takedown - shards/web >out.jsonl
  [ "$(jq -r .shard out.jsonl | sort | uniq -c | awk '{printf "%s:%s ", $2, $1}')" = "shards/web-00001:2 shards/web-00003:1 " ]
  sha256sum shards/* >before
  for named in shards/web shards; do
    for mode in tombstone compact; do
      redact --json "--$mode" --list out.jsonl $named -o new
      [ "$status" -eq 0 ]
      [ "$(jq -sc 'map([.target, .documents])' <<<"$output")" = \
        '[["new/web-00000",0],["new/web-00001",2],["new/web-00002",0],["new/web-00003",1]]' ]
      [[ "$stderr" == *"new/web-00002: loses nothing, taken over as it is"* ]]
      sha256sum --quiet -c before
      "$BIN/tokshard" verify -q --full new/web
      [ "$(ls -A new | wc -l)" -eq 18 ]
      (cd new && sha256sum --quiet -c receipt.sha256)
      [ "$(jq -c '[.shards[] | [.shard, (.removed | length), .old == .new]]' new/receipt.json)" = \
        '[["web-00000",0,true],["web-00001",2,false],["web-00002",0,true],["web-00003",1,false]]' ]
      [ "$(stat -c %i new/web-00002.bin)" = "$(stat -c %i shards/web-00002.bin)" ]
      jq -r '.shards[].old | .bin, .idx, .docs, .manifest | "\(.sha256)  shards/\(.file)"' new/receipt.json | sha256sum --quiet -c
      # The documents of the set, without these.
      "$BIN/tokshard" decode --tokenizer tok.json new/web | jq -r 'select(.text != "").id' >left
      zstd -dc whole.docs.jsonl.zst | jq -r .id | grep -vxE 'd(38|45|129)' | cmp - left
      redact "--$mode" --list out.jsonl $named -o new
      [[ "$stderr" == *"new: redacted already"* ]]
      rm -r new
    done
  done
  redact -n --list out.jsonl shards/web -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"would take over shards/web-00000 as new/web-00000"*"would overwrite 2 documents of shards/web-00001 in"* ]]
  [ ! -e new ]
  # Without the old shards the new ones stand for themselves, and a second list goes over the first.
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o new
  rm -r shards
  (cd new && sha256sum --quiet -c receipt.sha256)
  list h0.example new/web | "$BIN/tokshard" redact -q --list - new/web -o two
  "$BIN/tokshard" verify -q --full two/web
  [ -z "$(list h0.example two)" ]
  [ "$("$BIN/tokshard" decode --tokenizer tok.json two/web | jq -c 'select(.text == "").id' | wc -l)" -eq 23 ]
}

@test "a set of which nothing goes is left as it is; shards without a set are left one by one" {
  make_set 80
  make_shard one 30
  make_shard two 30
  list h3.example one >out.jsonl
  redact --list out.jsonl shards/web one two -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"shards/web: nothing to redact, left as it is"*"two: nothing to redact, left as it is"* ]]
  [ "$(jq -c '[.shards[].shard]' new/receipt.json)" = '["one"]' ]
  [ "$(ls -A new | wc -l)" -eq 6 ]
  rm shards/web-00001.*
  redact --list out.jsonl shards/web one -o other
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"a shard of the set is missing: shards/web-00001"* ]]
  [ ! -e other ]
}

@test "a set is redacted whole or not at all, whatever fails" {
  make_set 4000
  list h3.example shards/web >out.jsonl
  cp shards/web-00003.bin good
  printf '\001' | dd of=shards/web-00003.bin bs=1 seek=2000 conv=notrunc status=none
  redact --list out.jsonl shards/web -o new
  [ "$status" -eq 3 ]
  [ "$(grep -c error <<<"$stderr")" -eq 1 ]
  [[ "$stderr" == *"shards/web-00003.bin"* ]]
  [ -z "$(ls -A new)" ]
  cp good shards/web-00003.bin
  # A disk that is full in the middle.
  "$BIN/tokshard" redact -q --list out.jsonl shards/web -o want
  for blocks in 4 20 25; do
    run --separate-stderr bash -c "trap '' XFSZ; ulimit -f $blocks; \"\$0\" \"\$@\"" \
      "$BIN/tokshard" redact --list out.jsonl shards/web -o new
    echo "$blocks: $status: $stderr"
    [ "$status" -eq 3 ]
    [ -z "$(ls -A new)" ]
  done
  # An earlier redaction stays when a later one over it fails.
  list h4.example shards/web >other.jsonl
  sha256sum want/* >before
  printf '\001' | dd of=shards/web-00003.bin bs=1 seek=2000 conv=notrunc status=none
  redact -f --list other.jsonl shards/web -o want
  [ "$status" -eq 3 ]
  sha256sum --quiet -c before
  [ "$(ls -A want | wc -l)" -eq 18 ]
}

@test "two redactions into one folder: the second is refused, none is disturbed" {
  make_set 400
  list h3.example shards/web >out.jsonl
  list h4.example shards/web >other.jsonl
  # Held by a process that lives.
  started=$(awk '{ sub(/.*\) /, ""); print $20 }' /proc/$$/stat)
  mkdir new
  printf '{"host":"%s","pid":%d,"started":"%s","job":"","tool":"tokshard redact","token":"t","renewed":"2026-01-01T00:00:00.000000Z"}\n' \
    "$(uname -n)" $$ "$started" >new/lease.json
  redact --list out.jsonl shards/web -o new
  [ "$status" -eq 2 ]
  [ "$(grep -c . <<<"$stderr")" -eq 1 ]
  [[ "$stderr" == *"folder is held by tokshard redact on $(uname -n), pid $$: new/lease.json"* ]]
  [ "$(ls -A new)" = lease.json ]
  # Of one that died, the folder is taken over.
  sed -i 's/"started":"[0-9]*"/"started":"1"/' new/lease.json
  redact --list out.jsonl shards/web -o new
  [ "$status" -eq 0 ]
  [ ! -e new/lease.json ]
  # All at once, two lists: each call is done or refused, and what is there is one of the two.
  for i in 1 2 3 4; do
    { "$BIN/tokshard" redact --list out.jsonl shards/web -o race 2>said.$i && echo 0 || echo $?; } >code.$i &
    { "$BIN/tokshard" redact --list other.jsonl shards/web -o race 2>said.1$i && echo 0 || echo $?; } >code.1$i &
  done
  wait
  [ "$(cat code.* | sort -u | tr '\n' ' ' | sed 's/ $//')" = "0 2" ]
  run ! grep -hvE 'is held by|another redaction|output exists|nothing|overwritten|redacted already' said.*
  "$BIN/tokshard" verify -q --full race/web
  [ "$(ls -A race | wc -l)" -eq 18 ]
  (cd race && sha256sum --quiet -c receipt.sha256)
  jq -r .list.sha256 race/receipt.json | grep -qxF -f <(sha256sum out.jsonl other.jsonl | cut -d' ' -f1)
}

@test "what would harm is refused in one line, before anything is written" {
  make_shard web 60
  make_shard other 60
  list h3.example web >out.jsonl
  refuse() { # refuse WORDS ARGUMENT...
    local words=$1
    shift
    redact "$@"
    [ "$status" -eq 2 ]
    [ "$(grep -c . <<<"$stderr")" -eq 1 ]
    [[ "$stderr" == *"$words"* ]]
    [ ! -e new ]
  }
  refuse "the folder of the redacted shards is missing" --list out.jsonl web
  refuse "would replace the shard itself" --list out.jsonl web -o .
  refuse "give one of" --list out.jsonl --compact --tombstone web -o new
  refuse "--forget" --list out.jsonl --compact --forget web -o new
  refuse "--token" --list out.jsonl --compact --token 3 web -o new
  refuse "is not in the vocabulary" --list out.jsonl --token 280 web -o new
  refuse "no document of the list is of these shards" --list out.jsonl other -o new
  sed 's/"document":3,/"document":4,/' out.jsonl >moved.jsonl
  refuse "document 4 of 'web' is another one than the list says" --list moved.jsonl web -o new
  sed 's/"document":3,/"document":400,/' out.jsonl >beyond.jsonl
  refuse "the list names document 400" --list beyond.jsonl web -o new
  mkdir sub
  cp web.* sub
  refuse "two shards have the same name" --list out.jsonl web sub/web -o new
  redact --list docs.jsonl web -o new
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"docs.jsonl:1"* ]]
  rm web.docs.jsonl.zst
  redact --list out.jsonl web -o new
  [ "$status" -eq 3 ]
  redact -n --list out.jsonl sub/web -o new
  [ ! -e new ]
}

@test "an empty list changes nothing" {
  make_shard web 30
  list h9.example web >out.jsonl
  redact --list out.jsonl web -o new
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"web: nothing to redact"* ]]
  redact --list out.jsonl web wbe -o new
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"no such shard"*"wbe"* ]]
  [ ! -e new ]
}

@test "a shard whose bytes are not its manifest's is refused: damage is not passed on as sound" {
  make_shard web 60
  list h3.example web >out.jsonl
  for file in web.bin web.idx web.docs.jsonl.zst; do
    cp "$file" good
    # Behind the headers, where nothing but the hash can tell.
    printf '\001' | dd of="$file" bs=1 seek=200 conv=notrunc status=none
    redact --list out.jsonl web -o new
    echo "$file: $status: $stderr"
    [ "$status" -eq 3 ]
    [ "$(grep -c . <<<"$stderr")" -eq 1 ]
    [[ "$stderr" == *"$file"* ]]
    [ -z "$(ls -A new)" ]
    cp good "$file"
  done
  truncate -s -2 web.bin
  redact --list out.jsonl web -o new
  [ "$status" -eq 3 ]
  rm web.manifest.json
  redact --list out.jsonl web -o new
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"web.manifest.json"* ]]
}

@test "a damaged shard that loses nothing is not taken over as sound" {
  make_set 140
  # Of the second shard alone.
  echo 'http://h3.example/38' | "$BIN/tokshard" recheck -q --takedown - shards >out.jsonl
  for file in shards/web-00000.bin shards/web-00003.docs.jsonl.zst; do
    cp "$file" good
    printf '\001' | dd of="$file" bs=1 seek=100 conv=notrunc status=none
    redact --list out.jsonl shards/web -o new
    echo "$file: $status: $stderr"
    [ "$status" -eq 3 ]
    [ "$(grep -c error <<<"$stderr")" -eq 1 ]
    [[ "$stderr" == *"$file"* ]]
    [ -z "$(ls -A new)" ]
    cp good "$file"
  done
}

@test "a list with repeats counts once, one that contradicts itself or is cut off is refused" {
  make_shard web 60
  list h3.example web >out.jsonl
  cat out.jsonl out.jsonl | zstd -q >twice.jsonl.zst
  "$BIN/tokshard" redact -q --list twice.jsonl.zst web -o twice
  "$BIN/tokshard" redact -q --list out.jsonl web -o once
  cmp once/web.bin twice/web.bin
  [ "$(jq -c '.shards[0].removed' once/receipt.json)" = "$(jq -c '.shards[0].removed' twice/receipt.json)" ]
  { cat out.jsonl; head -1 out.jsonl | jq -c ".tokens = 99"; } >both.jsonl
  redact --list both.jsonl web -o new
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"both.jsonl:10"*"both.jsonl:1)"* ]]
  head -c -20 out.jsonl >cut.jsonl
  redact --list cut.jsonl web -o new
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"cut.jsonl:9"* ]]
  head -c -9 twice.jsonl.zst >cut.zst
  redact --list cut.zst web -o new
  [ "$status" -eq 3 ]
  [ ! -e new ]
}

@test "all documents may go, in both modes" {
  make_shard web 60
  for i in 0 1 2 3 4 5 6; do echo "h$i.example"; done | "$BIN/tokshard" recheck -q --takedown - web -o out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl web -o buried
  "$BIN/tokshard" verify -q --full buried/web
  [ "$(jq -c '[.shards[0].kept.bytes, (.shards[0].removed | length)]' buried/receipt.json)" = "[0,60]" ]
  [ "$(jq -c '[.redaction.tombstones[0][:2], .tokens]' buried/web.manifest.json)" = \
    "[[0,$(jq .tokens web.manifest.json)],$(jq .tokens web.manifest.json)]" ]
  "$BIN/tokshard" redact -q --compact --list out.jsonl web -o gone
  "$BIN/tokshard" verify -q --full gone/web
  [ ! -s gone/web.bin ]
  [ "$(jq -c '[.documents, .tokens]' gone/web.manifest.json)" = "[0,0]" ]
  (cd gone && sha256sum --quiet -c receipt.sha256)
  [ -z "$("$BIN/tokshard" decode --tokenizer tok.json gone/web)" ]
}

@test "a full disk leaves no file, a second call finishes" {
  make_shard web 3000
  list h3.example web >out.jsonl
  # 40 KiB hold the tokens, but not all files.
  for blocks in 4 20 40 80; do
    run --separate-stderr bash -c "trap '' XFSZ; ulimit -f $blocks; \"\$0\" \"\$@\"" \
      "$BIN/tokshard" redact --list out.jsonl web -o new
    echo "$blocks: $status: $stderr"
    [ "$status" -eq 3 ]
    [ "$(grep -c . <<<"$stderr")" -eq 1 ]
    [ -z "$(ls -A new)" ]
  done
  "$BIN/tokshard" redact -q --list out.jsonl web -o new
  (cd new && sha256sum --quiet -c receipt.sha256)
  "$BIN/tokshard" redact -q --list out.jsonl web -o want
  cmp new/web.bin want/web.bin
}

@test "a folder that holds something else: a broken receipt, a lost file, a file in its place" {
  make_shard web 60
  list h3.example web >out.jsonl
  "$BIN/tokshard" redact -q --list out.jsonl web -o new
  cp -r new want
  head -c 300 want/receipt.json >new/receipt.json
  redact --list out.jsonl web -o new
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"new/receipt.json"* ]]
  redact -f --list out.jsonl web -o new
  [ "$status" -eq 0 ]
  cmp new/web.bin want/web.bin
  (cd new && sha256sum --quiet -c receipt.sha256)
  rm new/web.bin
  redact --list out.jsonl web -o new
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"-f replaces it"* ]]
  redact -f --list out.jsonl web -o new
  [ "$status" -eq 0 ]
  cmp new/web.bin want/web.bin
  (cd new && sha256sum --quiet -c receipt.sha256)
  touch file
  redact --list out.jsonl web -o file
  [ "$status" -eq 3 ]
  [ "$(grep -c . <<<"$stderr")" -eq 1 ]
}
