# fp8probe scan: what it shows, in which order, and what it refuses.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

make_weights() { perl "$SRC/tests/support/make_weights.pl" "$@"; }

@test "worst first: heavy tails under one scale fail before bell-shaped weights pass" {
  make_weights w.safetensors gauss tails norm
  run --separate-stderr "$BIN/fp8probe" scan w.safetensors
  [ "$status" -eq 0 ]
  [ -z "$stderr" ]
  [ "${#lines[@]}" -eq 8 ] # two weights, four recipes; the norm is not cast
  read -r level gates tensor recipe _ <<<"${lines[0]}"
  [ "$level" = fail ]
  [[ "$gates" == *G4* ]]
  [ "$tensor" = model.layers.1.mlp.down_proj.weight ]
  [[ "$recipe" == tensor || "$recipe" == 128x128 ]]
  read -r level gates tensor _ <<<"${lines[7]}"
  [ "$level" = pass ]
  [ "$gates" = - ]
  [ "$tensor" = model.layers.0.mlp.up_proj.weight ]
}

@test "--sort name and --top" {
  make_weights w.safetensors tails gauss
  run --separate-stderr "$BIN/fp8probe" scan --sort name --top 5 --recipe tensor,row,1x128,128x128 w.safetensors
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 5 ]
  [[ "${lines[0]}" == *layers.0.* && "${lines[3]}" == *layers.0.* && "${lines[4]}" == *layers.1.* ]]
}

@test "--json has a line per tensor with values, recipes and verdicts" {
  make_weights w.safetensors gauss norm ints
  run --separate-stderr "$BIN/fp8probe" scan --json --recipe tensor,tensor:e5m2 w.safetensors
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"skipped 1 tensors that cannot be probed (I64)"* ]]
  [ "${#lines[@]}" -eq 2 ]
  for line in "${lines[@]}"; do
    [[ "$line" == '{"v":1,"type":"tensor",'*'}' ]]
  done
  [[ "$output" == *'"recipe":"tensor:e5m2"'* ]]
  [[ "$output" == *'"role":"vector"'* ]]
  [[ "$output" == *'"shape":[128,256]'* ]]
}

@test "the number of threads changes nothing" {
  make_weights w.safetensors gauss tails odd small
  "$BIN/fp8probe" scan --json -j 1 w.safetensors >one
  "$BIN/fp8probe" scan --json -j 3 w.safetensors >three
  cmp one three
}

@test "NaN in a vector that no recipe casts is shown all the same" {
  make_weights w.safetensors gauss nannorm
  run --separate-stderr "$BIN/fp8probe" scan w.safetensors
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "fail G1 "*model.norm.weight* ]]
}

@test "--include embeddings casts them too" {
  make_weights w.safetensors gauss embed
  [ "$("$BIN/fp8probe" scan --recipe row w.safetensors | wc -l)" -eq 1 ]
  [ "$("$BIN/fp8probe" scan --recipe row --include embeddings w.safetensors | wc -l)" -eq 2 ]
}

@test "a checkpoint directory: shards, and moments when asked for" {
  mkdir c
  make_weights c/model-00001-of-00002.safetensors gauss
  make_weights c/model-00002-of-00002.safetensors tails
  make_weights c/optim-00001-of-00001.safetensors norm
  perl -pi -e 's/"model.norm.weight"/"m.odel.nrm.weight"/' c/optim-00001-of-00001.safetensors
  [ "$("$BIN/fp8probe" scan --recipe row c | wc -l)" -eq 2 ]
  run --separate-stderr "$BIN/fp8probe" scan --recipe row --include moments --json c
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 3 ]
  [[ "$output" == *'"name":"m.odel.nrm.weight","role":"moment"'* ]]
}

@test "a Hugging Face folder by its index, and an index that lies" {
  mkdir hf
  make_weights hf/a.safetensors gauss
  make_weights hf/b.safetensors tails norm
  index() { printf '{"metadata":{"total_size":%s},"weight_map":{%s}}' "$1" "$2" >hf/model.safetensors.index.json; }
  good='"model.layers.0.mlp.up_proj.weight":"a.safetensors","model.layers.1.mlp.down_proj.weight":"b.safetensors","model.norm.weight":"b.safetensors"'

  index 132096 "$good"
  run --separate-stderr "$BIN/fp8probe" scan hf
  [ "$status" -eq 0 ]
  [ -z "$stderr" ]
  [ "${#lines[@]}" -eq 8 ]

  index 5 "$good"
  run --separate-stderr "$BIN/fp8probe" scan hf
  [ "$status" -eq 0 ]
  [[ "$stderr" == *warning*"total_size is 5"* ]]

  for bad in ../a.safetensors /etc/passwd .. sub/a.safetensors ''; do
    index 132096 "\"model.layers.0.mlp.up_proj.weight\":\"$bad\""
    run --separate-stderr "$BIN/fp8probe" scan hf
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"is not a plain file name"* ]]
    [ "${#stderr_lines[@]}" -eq 1 ]
  done

  index 132096 '"model.layers.0.mlp.up_proj.weight":"b.safetensors"'
  run --separate-stderr "$BIN/fp8probe" scan hf
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"is not in b.safetensors"* ]]

  index 132096 '"model.layers.1.mlp.down_proj.weight":"b.safetensors"'
  run --separate-stderr "$BIN/fp8probe" scan hf
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"does not map tensor 'model.norm.weight'"* ]]
}

@test "hostile safetensors: exit 3, one line, nothing on stdout, no control bytes" {
  for file in "$SRC"/tests/golden/safetensors/v1-errors/*.safetensors; do
    run --separate-stderr "$BIN/fp8probe" scan "$file"
    [ "$status" -eq 3 ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" == "fp8probe: error: "*"$(basename "$file")"* ]]
    [[ "$stderr" != *[[:cntrl:]]* ]]
  done
}

@test "nothing to look at is exit 7, a missing input exit 3, a bad option exit 2" {
  make_weights ints.safetensors ints
  run --separate-stderr "$BIN/fp8probe" scan ints.safetensors
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"found I64"* ]]

  run --separate-stderr "$BIN/fp8probe" scan absent.safetensors
  [ "$status" -eq 3 ]
  [[ "$stderr" == *absent.safetensors* ]]

  mkdir empty
  run --separate-stderr "$BIN/fp8probe" scan empty
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"no weights in folder: empty"* ]]

  mkdir -p run/ckpt
  for address in run run@latest run@7 absent@7; do
    run --separate-stderr "$BIN/fp8probe" scan "$address"
    [ "$status" -eq 3 ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
  done
  run --separate-stderr "$BIN/fp8probe" scan run@seven
  [ "$status" -eq 2 ]

  make_weights w.safetensors gauss
  for bad in "--recipe nvfp4" "--recipe row,row" "--include norms" "--sort size" "--top -1"; do
    # shellcheck disable=SC2086
    run --separate-stderr "$BIN/fp8probe" scan $bad w.safetensors
    [ "$status" -eq 2 ]
    [ -z "$output" ]
  done
}
