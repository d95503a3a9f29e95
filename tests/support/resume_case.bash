# Bit-exact resume of one combination of methods, for the resume matrix. make_matrix_lab once per file, then
#   resume_case NAME OPTIONS...   a run of 12 steps, and the same run resumed at steps 3, 6 and 9
# Weights, moments, averages, the states of the laws and the surviving trace must be those of the run that was never
# interrupted, and gradstat must replay the clipping from where the resumed segment began.

make_matrix_lab() {
  mkdir -p "$BATS_FILE_TMPDIR/lab"
  cd "$BATS_FILE_TMPDIR/lab" || return 1
  "$SUPPORT/training_tool" shard a 30 1
  "$SUPPORT/training_tool" shard b 30 2
  cat > config.json <<'JSON'
{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
JSON
  echo '{"v":1,"type":"schedule","values":"multiplier","points":[[0,0.5],[512,1],[1024,0.7],[1024,0.4],[1600,0]]}' \
    > schedule.json
}

# What of a checkpoint the next step depends on, besides its tensors.
resume_state() { grep -v '"segment"' "$1/state.json"; }

resume_case() {
  local name=$1 lab=$BATS_FILE_TMPDIR/lab at
  shift
  local command=("$BIN/pretrain" --model "$lab/config.json" --data "$lab/a=2" --data "$lab/b" --seq-len 32 --micro-batch 2
    --tokens 1536 --lr 1e-2 --ckpt-every 3 --keep all --inject grad@5:x=30 -q -j1 "$@")
  "${command[@]}" --run "$name" || return 1
  local last=$(ls "$name/ckpt" | grep '^step-' | tail -1)
  "$SUPPORT/training_tool" losses "$name/trace.jsonl" > "$name.losses"
  for at in 3 6 9; do
    rm -rf resumed
    cp -r "$name" resumed
    for step in resumed/ckpt/step-*; do
      [ "$(basename "$step")" \> "step-00000000$at" ] && rm -r "$step"
    done
    echo "step-00000000$at" > resumed/ckpt/latest
    # The journal ends with the fault, which has not fired yet at step 3.
    [ "$at" -lt 5 ] && sed -i '/"event":"inject"/d' resumed/journal.jsonl
    "${command[@]}" --run resumed || { echo "$name: resume at $at failed" >&2; return 1; }
    for file in "$name/ckpt/$last"/*.safetensors; do
      cmp "$file" "resumed/ckpt/$last/$(basename "$file")" || { echo "$name: at $at: weights" >&2; return 1; }
    done
    diff <(resume_state "$name/ckpt/$last") <(resume_state "resumed/ckpt/$last") >&2 ||
      { echo "$name: at $at: state" >&2; return 1; }
    "$SUPPORT/training_tool" losses resumed/trace.jsonl | cmp - "$name.losses" ||
      { echo "$name: at $at: trace" >&2; return 1; }
    "$BIN/gradstat" clip --check --line all resumed > clip.txt || { echo "$name: at $at:" "$(<clip.txt)" >&2; return 1; }
  done
}

MATRIX_OPTIMIZERS=(adamw ademamix:alpha_warmup=9,beta3_warmup=7 stable_adamw adamw:state=bf16
  ademamix:alpha_warmup=9,beta3_warmup=7,state=bf16)
MATRIX_CLIPPERS=(none fixed:0.5 autoclip:p=40,window=5,rewarm=2 zclip:warmup=3,rewarm=2
  zclip:form=log,warmup=3,rewarm=2,mode=max zclip:form=median,window=5,warmup=3,rewarm=2 zskip:window=4,norm=3,patience=2)
MATRIX_SCHEDULES=(wsd:warmup=20%,cooldown=40% cosine linear:final=0.1 constant file)

# Every switch of --stability stands in one of them, every activation and every norm too.
MATRIX_SWITCHES=("" sigma_reparam,placement=post,mup_base_width=16 qk_norm_cap=20,layerscale,activation=gelu
  qkv_norm,norm=layer,soft_clip,activation=xielu qk_fc_norm,soft_temp,activation=squared_relu,sigma_reparam)

# The combination of four indices; the further methods take turns with their sums.
matrix_case() {
  local o=$1 c=$2 s=$3 schedule=${MATRIX_SCHEDULES[$3]} stability=${MATRIX_SWITCHES[$4]} extra=()
  [ "$schedule" = file ] && schedule=file:$BATS_FILE_TMPDIR/lab/schedule.json
  case $(((o + 2 * c + 3 * s) % 6)) in
    0) extra=(--batch-tokens 0:64,384:192) ;;
    1) extra=(--batch-tokens 128 --phase from=600,weights=1:3 --phase from=900,weights=0:1,seed=4) ;;
    2) extra=(--batch-tokens 128 --goldfish k=4,h=5 --param-dtype bf16) ;;
    3) extra=(--batch-tokens 128 --swa window=4,every=2 --z-loss 1e-3) ;;
    4) extra=(--batch-tokens 128 --ema decay=0.8,every=2 --goldfish k=3,h=4,mode=apertus) ;;
    5) extra=(--param-dtype bf16 --batch-tokens 0:128,1024:64 --swa window=6,every=3 --ema decay=0.5,every=1 --phase from=500,weights=1:1) ;;
  esac
  resume_case "case-$o-$c-$s-$4" --optimizer "${MATRIX_OPTIMIZERS[o]}" --clip "${MATRIX_CLIPPERS[c]}" \
    --schedule "$schedule" ${stability:+--stability "$stability"} "${extra[@]}" || { echo "failed: $o $c $s $4" >&2; return 1; }
  rm -rf "case-$o-$c-$s-$4"
}
