#!/usr/bin/env bats
# What a run writes down besides losses: statistics of every layer, times, sources, sequences, costs.

bats_require_minimum_version 1.5.0

setup_file() {
  source "$SRC/tests/support/training.bash"
  make_lab
  (cd "$BATS_FILE_TMPDIR/lab" && "$SUPPORT/training_tool" shard other 100 9)
}
setup() { source "$SRC/tests/support/training.bash"; cd "$BATS_TEST_TMPDIR" || return 1; }
calm() { train --schedule constant --lr 2e-3 --batch-tokens 512 "$@"; }
# Some line of the JSON Lines file $1 fulfils $2.
has() { jq -es "any(.[]; $2)" "$1" > /dev/null; }

@test "layers records come every k steps, whole and finite, and change nothing" {
  calm --run run --steps 20 --layers-every 10
  calm --run none --steps 20 --layers-every 0
  cmp <(losses run) <(losses none)
  [ "$(jq -c 'select(.type == "layers") | .step' run/trace.jsonl | tr '\n' ' ')" = "10 20 " ]
  run ! grep -q '"type":"layers"' none/trace.jsonl
  jq -es '[.[] | select(.type == "layers")] | all(.[];
    ([.qkv_weight, .qkv_input, .qkv_output, .qkv_input_grad, .proj_weight, .proj_output, .fc1_input, .fc2_input_grad,
      .fc2_output, .residual, .residual_amax, .residual_kurtosis, .attn_logit_max, .attn_entropy_min, .fc2_input_amax]
     | all(.[]; length == 2 and all(.[]; type == "number"))) and .attn_entropy_min[0] > 0)' run/trace.jsonl
}

@test "norms of gradients by tensor make up the norm that is clipped, and adagc can be replayed" {
  calm --run run --steps 12 --layers-every 1
  jq -es '(map(select(.type == "step") | {key: "\(.step)", value: .grad_norm}) | from_entries) as $norms |
    map(select(.type == "layers")) | length == 12 and all(.[];
      ([.qkv_grad, .proj_grad, .fc1_grad, .fc2_grad] | all(.[]; length == 2)) and .embed_grad > 0 and .vectors_grad > 0 and
      (([.qkv_grad, .proj_grad, .fc1_grad, .fc2_grad, .embed_grad, .head_grad // 0, .vectors_grad] | flatten | map(. * .) |
        add | sqrt) / $norms["\(.step)"] - 1 | fabs < 1e-12))' run/trace.jsonl
  "$BIN/gradstat" compare --json --clip adagc:warmup=4 run | jq -e '.steps == 12 and .clips > 0'
}

@test "weights in a layers record are those the step was computed with" {
  calm --run run --steps 6 --layers-every 5 --ckpt-every 4 --keep all
  # Step 5 is computed with what step 4 left, which another tool measures in the checkpoint.
  "$BIN/fp8probe" scan --json run@4 > tensors.jsonl
  jq -s '[.[] | select(.type == "tensor" and (.name | test("self_attn|mlp"))) | .values | .rms * .rms * .n] | add' \
    tensors.jsonl > saved
  jq -es --slurpfile saved saved '.[] | select(.type == "layers" and .step == 5) |
    [.qkv_weight, .proj_weight, .fc1_weight, .fc2_weight] | flatten | map(. * .) | add / $saved[0] |
    . > 0.99999 and . < 1.00001' run/trace.jsonl
}

@test "an incident writes the layers of the steps before it and its own, and names its sequences" {
  calm --run run --steps 100 --layers-every 50 --inject rare@92
  [ "$(jq -c 'select(.type == "layers" and .segment == 0) | .step' run/trace.jsonl | tail -8 | tr '\n' ' ')" = \
    "50 30 40 60 70 80 90 92 " ]
  has run/trace.jsonl '.event == "spike" and .step == 92 and (.samples | length == 4) and .rank == 0 and
    (.host | length > 0) and (.sample_losses | .[0] >= .[1] and .[1] >= .[2])'
  # The samples are those of the step's batch.
  has run/trace.jsonl '.event == "spike" and (.samples | sort == [364, 365, 366, 367])'
}

@test "times of a step add up, saving is told apart, mfu needs a peak" {
  calm --run run --steps 12 --peak-tflops 0.05
  jq -es '[.[] | select(.type == "step")] | all(.[]; ((.data_ms + .compute_ms - .step_ms) | fabs < 1e-6) and .mfu > 0)' \
    run/trace.jsonl
  [ "$(grep -c checkpoint_ms run/trace.jsonl)" -eq 2 ]  # after the saves at the start and at step 10
  calm --run without --steps 2
  run ! grep -q '"mfu"' without/trace.jsonl
}

@test "losses by source, when there are several" {
  calm --run run --steps 10 --data "$BATS_FILE_TMPDIR/lab/other=1"
  jq -es '[.[] | select(.type == "step")] | all(.[]; .source_loss.train > 0 and .source_loss.other > 0)' run/trace.jsonl
  calm --run one --steps 2
  run ! grep -q source_loss one/trace.jsonl
}

@test "--cost-per-hour prices recoveries and incidents" {
  calm --run run --steps 100 --inject rare@92 --cost-per-hour 3600
  has run/trace.jsonl '.type == "run" and .cost_per_hour == 3600'
  has run/trace.jsonl '.event == "rollback" and .lost_steps == 12 and ((.cost * 1000 - .lost_ms) | fabs < 1e-6)'
  "$BIN/gradstat" spikes run --json | jq -es 'any(.[]; .cost > 0 and ((.cost * 1000 - .step_ms) | fabs < 1e-6))'
}

@test "a run whose steps are all skipped has a clipping to tell of" {
  local trace=trace.jsonl
  printf '%s\n' '{"v":1,"type":"run","time":"2026-11-22T00:00:00.000000Z","segment":0,"clip":"fixed:1"}' \
    '{"v":1,"type":"step","time":"2026-11-22T00:00:00.000000Z","segment":0,"step":1,"tokens":8,"samples":1,"skipped":true,"skip_reason":"no labels"}' > $trace
  "$BIN/gradstat" clip $trace --json | jq -e '.steps == 0 and .skipped == 1 and .clip_rate == 0'
  run "$BIN/gradstat" clip --check $trace
  [ "$status" -eq 7 ]
}

@test "stable_adamw records its largest R: 1 at first, above 1 where a gradient is too large for the second moment" {
  train --run run --steps 20 --optimizer stable_adamw --clip none --guard off --inject grad@15:x=50
  jq -se 'map(select(.type == "step") | .update_rms) | (.[0] - 1 | fabs) < 0.01 and (.[9] > 0) and
    .[14] > 3 and .[14] > 2 * .[13]' run/trace.jsonl
  train --run plain --steps 2
  run ! grep -q update_rms plain/trace.jsonl
}
