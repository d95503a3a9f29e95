# fp8probe gate: verdicts, exit codes, and what it says about what it could not judge.
bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
}

make_weights() { perl "$SRC/tests/support/make_weights.pl" "$@"; }

gate() { run --separate-stderr "$BIN/fp8probe" gate "$@"; }

@test "bell-shaped weights pass, and the gates that were not judged are named" {
  make_weights w.safetensors gauss norm embed
  gate --recipe tensor,128x128 w.safetensors
  [ "$status" -eq 0 ]
  [[ "$output" == *"recipe tensor: pass"* ]]
  [[ "$output" == *"evaluated 7 of 20 gates: G1 G3 G4 G7 G11 G18 G19"* ]]
  [[ "$output" == *"not evaluated: G20 lost_updates (needs two checkpoints)"* ]]
  [ "$(grep -c '^not evaluated: ' <<<"$output")" -eq 13 ]
  [[ "${lines[-1]}" == "verdict: pass (1 tensors judged; 0 fail, 0 warn, "* ]]
}

@test "a NaN weight fails G1 with signal, value, limit and origin" {
  make_weights w.safetensors gauss nan
  gate w.safetensors
  [ "$status" -eq 1 ]
  [[ "${lines[0]}" == "fail G1 model.layers.2.mlp.up_proj.weight - non_finite=1 limit=0 (any: "* ]]
  [ "$(grep -c '^fail ' <<<"$output")" -eq 1 ]
}

@test "heavy tails fail under one scale" {
  make_weights w.safetensors gauss tails
  gate --recipe tensor,1x128:e5m2 w.safetensors
  [ "$status" -eq 1 ]
  [[ "$output" == *"fail G4 model.layers.1.mlp.down_proj.weight tensor underflow_frac="* ]]
  [[ "$output" == *"recipe tensor: fail"* ]]
}

@test "dimensions that the tensor cores refuse fail G19" {
  make_weights w.safetensors odd
  gate w.safetensors
  [ "$status" -eq 1 ]
  [[ "$output" == *"fail G19 model.layers.4.mlp.up_proj.weight tensor misaligned_dims=2 limit=0"* ]]
}

@test "--strict turns a warning into a failure" {
  make_weights w.safetensors gauss
  echo '{"v":1,"gates":{"G11":{"warn":1,"origin":"a test"}}}' >limits.json
  gate --limits limits.json w.safetensors
  [ "$status" -eq 0 ]
  [[ "$output" == *"warn G11 model.layers.0.mlp.up_proj.weight - kurtosis="*"limit=1 (a test)"* ]]
  [[ "${lines[-1]}" == "verdict: warn "* ]]
  gate --strict --limits limits.json w.safetensors
  [ "$status" -eq 1 ]
}

@test "limits with unknown keys are exit 2 and name the file" {
  make_weights w.safetensors gauss
  for bad in '{"v":1,"gate":{}}' '{"v":1,"gates":{"G4":{"wran":1}}}' '{"v":1,"gates":{"G2":{"warn":1}}}' '{' '{"v":3}'; do
    echo "$bad" >limits.json
    gate --limits limits.json w.safetensors
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ "$stderr" == *limits.json* ]]
  done
}

@test "too little data is exit 7, and so is a required gate without an answer" {
  make_weights norm.safetensors norm
  gate norm.safetensors
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"no linear weight to judge"* ]]

  make_weights small.safetensors small
  gate --require G3 small.safetensors
  [ "$status" -eq 0 ]
  gate --require G3,G4 small.safetensors
  [ "$status" -eq 7 ]
  [[ "$stderr" == *"required gate could not be evaluated: G4"* ]]

  gate --require G99 small.safetensors
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"unknown gate 'G99'"* ]]
}

@test "a failure stands before a gate that could not be judged" {
  make_weights w.safetensors nan
  gate --require G20 w.safetensors
  [ "$status" -eq 1 ]
}

@test "--json ends with a summary that carries the exit code" {
  make_weights w.safetensors gauss nan
  gate --json w.safetensors
  [ "$status" -eq 1 ]
  [[ "${lines[0]}" == '{"v":1,"type":"verdict","file":"w.safetensors","name":"model.layers.0.mlp.up_proj.weight",'* ]]
  [[ "${lines[-1]}" == '{"v":1,"type":"summary","level":"fail",'*'"evaluated":["G1","G3","G4","G7","G11","G18","G19"],'*'"exit":1}' ]]
}

@test "hostile input is exit 3, not a verdict" {
  gate "$SRC/tests/golden/safetensors/v1-errors/06-overlap.safetensors"
  [ "$status" -eq 3 ]
  [ -z "$output" ]
}
