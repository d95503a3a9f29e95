# Shards and lists for the tests of tokshard redact. Needs BIN.

redact() { run --separate-stderr "$BIN/tokshard" redact "$@"; }

# make_shard PREFIX COUNT: documents of hosts h0 to h6, in order.
make_shard() {
  awk -v n="$2" 'BEGIN {
    for (i = 0; i < n; ++i)
      printf "{\"text\":\"The ship %d of %d is here\",\"url\":\"http://h%d.example/%d\",\"id\":\"d%d\"}\n", i, n, i % 7, i, i
  }' >docs.jsonl
  "$BIN/tokshard" vocab -q -f --size 280 docs.jsonl -o tok.json
  "$BIN/tokshard" encode -q --order input --tokenizer tok.json docs.jsonl -o "$1"
}

# list HOST PREFIX...: what lies on the host.
list() {
  local host=$1
  shift
  echo "$host" | "$BIN/tokshard" recheck -q --takedown - "$@"
}

# make_set COUNT: the set shards/web of four shards, of documents as make_shard has them.
make_set() {
  make_shard whole "$1"
  mkdir shards
  "$BIN/tokshard" split -q --shards 4 whole -o shards/web
}
