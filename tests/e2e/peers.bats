#!/usr/bin/env bats
# Whole runs against PyTorch: ten steps of every optimizer and clipper, with switches, masks, schedules and muP, begin with
# the same weights and tokens and go the same way (tests/golden/training/make_golden.py), on one rank and on two; and
# pretrain eval finds PyTorch's loss at the end.

bats_require_minimum_version 1.5.0

setup_file() {
  export GOLDEN=$SRC/tests/golden/training/training.json
  cd "$BATS_FILE_TMPDIR" || return 1
  mkdir lab
  "$SUPPORT/training_tool" shard lab/train 3 3
  jq .model "$GOLDEN" > lab/config.json
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }

# arguments_of RUN: what pretrain is called with, in ARGUMENTS.
arguments_of() {
  mapfile -t ARGUMENTS < <(jq -r --argjson k "$1" '.arguments[], .runs[$k].arguments[]' "$GOLDEN")
}

# follows RUN TRACE: every step is PyTorch's, to what f32 can give.
follows() {
  jq -s -e --argjson k "$1" --slurpfile golden "$GOLDEN" '
    def near($a; $b; $relative): ($a - $b | fabs) <= $relative * ($b | fabs);
    [.[] | select(.type == "step")] as $ours | $golden[0].runs[$k] as $run |
    ($ours | length) == ($run.steps | length) and ([range($ours | length) | . as $i | $ours[$i] as $a | $run.steps[$i] as $b |
      if $a.step == $b.step and $a.n_valid == $b.n_valid and $a.skipped == $b.skipped and near($a.lr; $b.lr; 1e-12) and
         near($a.loss; $b.loss; 1e-5) and near($a.grad_norm; $b.grad_norm; 5e-4) and
         near($a.param_norm; $b.param_norm; 1e-5) and near($a.z_loss // 0; $b.z_loss // 0; 1e-5) then true
      else error("\($run.name): \($a) instead of \($b)") end] | all)' "$2"
}

@test "every recipe goes as it goes in PyTorch" {
  local k count
  count=$(jq '.runs | length' "$GOLDEN")
  [ "$count" -eq 7 ]
  for ((k = 0; k < count; k++)); do
    arguments_of "$k"
    train "${ARGUMENTS[@]}" --run "run$k"
    follows "$k" "run$k/trace.jsonl"
    "$BIN/pretrain" eval "run$k" --data "$BATS_FILE_TMPDIR/lab/train" --seq-len 32 --json > eval.json
    jq -e --argjson k "$k" --slurpfile golden "$GOLDEN" \
      '.loss / $golden[0].runs[$k].final_loss - 1 | fabs < 1e-5' eval.json
  done
}

@test "two ranks with shared states go the same way" {
  local k
  for ((k = 0; k < 7; k++)); do
    arguments_of "$k"
    ranks 2 "${ARGUMENTS[@]}" --zero 1 --run "run$k"
    follows "$k" "run$k/trace.jsonl"
  done
}
