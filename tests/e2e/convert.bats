#!/usr/bin/env bats
# ckpt convert: switched models become the Hugging Face class that computes them, with the same logits, or are refused.

bats_require_minimum_version 1.5.0

setup_file() { source "$SRC/tests/support/training.bash"; make_lab; }
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# A run with the switches $2 converts to class $1, and the check finds its logits again.
converts_to() {
  rm -rf run hf
  train --run run --steps 3 --stability "$2" --model "${3:-$BATS_FILE_TMPDIR/lab/config.json}"
  run --separate-stderr "$BIN/ckpt" convert run --to hf -o hf --check
  [ "$status" -eq 0 ] || { echo "$2: $stderr"; return 1; }
  [[ "$output" == "largest difference of a logit"* ]]
  grep -q "\"$1\"" hf/config.json
}

@test "models of every class, with switches folded into them" {
  converts_to LlamaForCausalLM ""
  converts_to LlamaForCausalLM sigma_reparam,layerscale,soft_temp,mup_base_width=16
  converts_to Qwen3ForCausalLM qk_norm,soft_temp=0.7,mup_base_width=32
  converts_to ArceeForCausalLM activation=squared_relu,sigma_reparam
  converts_to NemotronForCausalLM norm=layer,activation=squared_relu,layerscale
  grep -q '"norm_eps"' hf/config.json
}

@test "Apertus, with its RoPE scaling" {
  local scaling='{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,'
  scaling+=' "original_max_position_embeddings": 64}'
  sed "s/\"tie_word/\"rope_scaling\": $scaling, \"tie_word/" "$BATS_FILE_TMPDIR/lab/config.json" > apertus.json
  converts_to ApertusForCausalLM activation=xielu,qk_norm,sigma_reparam apertus.json
  grep -q '"hidden_act": "xielu"' hf/config.json
  grep -q '"rope_type": "llama3"' hf/config.json
  train --run again --steps 1 --model hf/config.json --dry-run > resolved
  grep -q 'model = "hf/config.json"' resolved
}

@test "switches that no class has are refused by name, and nothing is written" {
  local switches
  for switches in soft_cap soft_clip qkv_norm fc_norm placement=post activation=xielu; do
    rm -rf run
    train --run run --steps 1 --stability "$switches"
    run --separate-stderr "$BIN/ckpt" convert run --to hf -o hf
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"'$switches'"* ]]
    run "$BIN/ckpt" convert run --to hf -o hf -n
    [ "$status" -eq 2 ]
    [ -z "$(ls -d hf* 2>/dev/null)" ]
  done
}

@test "--check is for exact weights" {
  train --run run --steps 1
  run --separate-stderr "$BIN/ckpt" convert run --to hf -o hf --check --dtype bf16
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"--check"* ]]
}
