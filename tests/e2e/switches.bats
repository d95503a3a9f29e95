#!/usr/bin/env bats
# Every switch of --stability trains, resumes bit for bit after a stop, and is part of the run's law.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; }
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# 12 steps at once, and 12 with a stop after each checkpoint of 4, on another number of threads.
resumes_bit_exactly() {
  train --run whole --steps 12 -j1 --stability "$1" "${@:2}"
  train --run cut --steps 12 -j2 --ckpt-every 4 --stability "$1" "${@:2}" --max-wall 0.001 || [ $? -eq 75 ]
  local k file
  for k in 1 2 3; do
    train --run cut --steps 12 -j$((1 + k % 2)) --ckpt-every 4 --stability "$1" "${@:2}" --max-wall 0.001 || [ $? -eq 75 ]
  done
  train --run cut --steps 12 -j2 --ckpt-every 4 --stability "$1" "${@:2}"
  losses whole > whole.txt
  losses cut > cut.txt
  [ "$(wc -l < whole.txt)" -eq 12 ]
  [ "$(grep -c '"type":"run"' cut/trace.jsonl)" -gt 2 ]
  cmp whole.txt cut.txt
  for file in model-00001-of-00001 optim-00001-of-00001; do
    cmp {whole,cut}/ckpt/step-000000012/"$file".safetensors
  done
}

@test "the nine methods resume bit for bit" {
  local method
  for method in sigma_reparam soft_temp soft_cap=2 soft_clip layerscale qk_norm qk_norm_cap qkv_norm qk_fc_norm; do
    mkdir "$method"
    cd "$method"
    resumes_bit_exactly "$method"
    cd ..
  done
}

@test "norms, placements, activations, muP and combinations resume bit for bit" {
  local method
  for method in norm=layer placement=post activation=gelu activation=squared_relu activation=xielu mup_base_width=32 \
      norm=layer,activation=xielu,sigma_reparam,qkv_norm,soft_clip,layerscale,mup_base_width=32 \
      placement=post,activation=squared_relu,qk_fc_norm,soft_cap,soft_temp,sigma_reparam; do
    mkdir "$method"
    cd "$method"
    resumes_bit_exactly "$method" --recompute block
    cd ..
  done
}

@test "recompute levels and switches do not change the bits" {
  local list=qk_fc_norm,layerscale,sigma_reparam,activation=xielu,norm=layer level
  for level in none norms block; do train --run "$level" --steps 4 --stability "$list" --recompute "$level"; done
  cmp <(losses none) <(losses norms)
  cmp <(losses none) <(losses block)
}

@test "a resume with other switches is refused and names them" {
  train --run run --steps 4 --ckpt-every 4 --stability qk_norm
  run --separate-stderr train --run run --steps 4 --stability qk_norm,soft_cap
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"ballast"* ]]
  run --separate-stderr train --run run --steps 4
  [ "$status" -eq 2 ]
}
