#!/usr/bin/env bats
# gradstat plot and report.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
  traces="$SRC/tests/golden/trace/v1"
}

@test "the terminal plot fits its width and marks incidents" {
  COLUMNS=80 run --separate-stderr "$BIN/gradstat" plot "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"▲       91  incident #1 recoverable"* ]]
  [[ "$output" == *"gradient norm, log scale"* ]]
  [[ "$output" != *$'\x1b'* ]]
  LC_ALL=C.UTF-8
  for line in "${lines[@]}"; do [ "${#line}" -le 80 ]; done
}

@test "a single high step is drawn however many steps there are" {
  {
    head -1 "$traces/clean.jsonl"
    for ((i = 1; i <= 5000; i++)); do
      loss=2
      [ "$i" -eq 2500 ] && loss=9
      echo "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":$i,\"tokens\":$i,\"samples\":$i,\"loss\":$loss,\"skipped\":false}"
    done
  } > long.jsonl
  run --separate-stderr "$BIN/gradstat" plot long.jsonl
  [ "$status" -eq 0 ]
  # Top row of the chart: only the spike reaches it.
  [[ "${lines[1]}" == *"│"*[![:space:]]* ]]
  "$BIN/gradstat" report --points 100 long.jsonl -o long.html
  grep -q '\[2500,9\]' long.html
}

@test "several runs share panels and a legend" {
  COLUMNS=80 run --separate-stderr "$BIN/gradstat" plot "$traces/incidents.jsonl" "$traces/branches.jsonl" --names calm,ladder
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == *calm*ladder* ]]
  [[ "$output" == *"ladder: incident #1"* ]]
  # Without names the runs' own; of two alike the second is numbered.
  run --separate-stderr "$BIN/gradstat" plot "$traces/incidents.jsonl" "$traces/incidents.jsonl"
  [[ "${lines[0]}" == *golden*"golden (2)"* ]]
  run --separate-stderr "$BIN/gradstat" plot "$traces/incidents.jsonl" --names a,b
  [ "$status" -eq 2 ]
}

@test "panels are chosen, and what was not logged is said" {
  run --separate-stderr "$BIN/gradstat" plot --panels zclip,lr "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" == *"norm before clipping"*"norm after clipping"*"learning rate"* ]]
  sed 's/"grad_norm_clipped":[0-9.e-]*,//' "$traces/clean.jsonl" > unclipped.jsonl
  run --separate-stderr "$BIN/gradstat" plot --panels zclip unclipped.jsonl
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"panel clipped"* ]]
  run --separate-stderr "$BIN/gradstat" plot --panels clipped unclipped.jsonl
  [ "$status" -eq 7 ]
  run --separate-stderr "$BIN/gradstat" plot --panels losses unclipped.jsonl
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"losses"*"clipped"* ]]
}

@test "the axis counts steps or tokens, and the range is in its unit" {
  tokens=$(sed -n 's/.*"step":60,"tokens":\([0-9]*\),.*/\1/p' "$traces/incidents.jsonl")
  run --separate-stderr "$BIN/gradstat" plot --x tokens --from "$tokens" "$traces/incidents.jsonl"
  [ "$status" -eq 0 ]
  [[ "$output" != *"           1 "* ]]
  [[ "$output" == *"incident #1"* ]]
  run --separate-stderr "$BIN/gradstat" plot --from 10 --to 40 "$traces/incidents.jsonl"
  [[ "$output" == *" 10 "*" 40"* ]]
  [[ "$output" != *"incident #1"* ]]
  run --separate-stderr "$BIN/gradstat" plot --from 40 --to 10 "$traces/incidents.jsonl"
  [ "$status" -eq 2 ]
  sed 's/"tokens":[0-9]*,//' "$traces/clean.jsonl" > no-tokens.jsonl
  run --separate-stderr "$BIN/gradstat" plot --x tokens no-tokens.jsonl
  [ "$status" -eq 7 ]
}

@test "scales are chosen" {
  run --separate-stderr "$BIN/gradstat" plot --log none "$traces/incidents.jsonl"
  [[ "$output" != *"log scale"* ]]
  run --separate-stderr "$BIN/gradstat" plot --log loss,x "$traces/incidents.jsonl"
  [[ "${lines[0]}" == "loss, log scale" ]]
  run --separate-stderr "$BIN/gradstat" plot --log none,x "$traces/incidents.jsonl"
  [ "$status" -eq 2 ]
}

@test "SVG and PNG come from gnuplot when it is there" {
  command -v gnuplot > /dev/null || skip "no gnuplot"
  run --separate-stderr "$BIN/gradstat" plot -o p.svg "$traces/branches.jsonl"
  [ "$status" -eq 0 ]
  grep -q '<svg' p.svg
  [ "$(grep -c 'abandoned branches' p.svg)" -ge 2 ]
  "$BIN/gradstat" plot --smooth 20 -o p.png "$traces/incidents.jsonl"
  [ "$(head -c 4 p.png | tail -c 3)" = PNG ]
  run --separate-stderr "$BIN/gradstat" plot -o p.png "$traces/incidents.jsonl"
  [ "$status" -eq 2 ]
  "$BIN/gradstat" plot -f -o p.png "$traces/incidents.jsonl"
  # Larger letters on less room for paper and phones; a picture grows with its panels.
  "$BIN/gradstat" plot --size phone --panels loss,norm,clipped -o phone.svg "$traces/incidents.jsonl"
  grep -q 'width="780" height="1360"' phone.svg
  grep -q 'font-size="24' phone.svg
  "$BIN/gradstat" plot --size paper --width 600 -o paper.svg "$traces/incidents.jsonl"
  grep -q 'width="600" height="520"' paper.svg
}

@test "without gnuplot the error names the package and nothing is written" {
  mkdir empty
  run --separate-stderr env PATH="$PWD/empty" "$BIN/gradstat" plot -o p.svg "$traces/clean.jsonl"
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"gnuplot-nox"* ]]
  [ ! -e p.svg ]
}

@test "an unknown format is refused" {
  run --separate-stderr "$BIN/gradstat" plot -o p.jpg "$traces/clean.jsonl"
  [ "$status" -eq 2 ]
  [[ "$stderr" == *"p.jpg"* ]]
}

@test "the report is one file that asks the network for nothing" {
  mkdir out
  run --separate-stderr "$BIN/gradstat" report "$traces/branches.jsonl" -o out/r.html --post-mortem out/pm.md
  [ "$status" -eq 0 ]
  [ "$(ls -A out | tr '\n' ' ')" = "pm.md r.html " ]
  cd out
  run grep -cE '(src|href)=["'"'"']?(https?:)?//' r.html
  [ "$output" = 0 ]
  grep -q 'new Dygraph' r.html
  grep -q 'incident #1 divergent' r.html
  # The norm of step 120 was high on the branch that was left, 20 times what the line has there.
  number='[0-9.e-]*'
  row=$(grep -o "\[120,$number,$number,$number,$number\]" r.html)
  awk -F, '{ exit !($5 + 0 > 5 * $2) }' <<< "${row//]/}"
  # A phone does not shrink it to a desk's width.
  grep -q 'name="viewport" content="width=device-width' r.html
}

@test "the report compares runs in the same charts and in a table" {
  "$BIN/gradstat" report "$traces/incidents.jsonl" --compare "$traces/branches.jsonl" -o r.html
  grep -q '"label":"golden","role":"line","run":0' r.html
  grep -q '"run":1' r.html
  grep -qF '<h2 id="comparison">Comparison</h2>' r.html
  run grep -c '<td class="n">' r.html
  [ "$output" -gt 10 ]
  "$BIN/gradstat" report "$traces/incidents.jsonl" -o alone.html
  run ! grep -q 'id="comparison">' alone.html
  run --separate-stderr "$BIN/gradstat" report "$traces/incidents.jsonl" --compare missing.jsonl -o m.html
  [ "$status" -eq 3 ]
  [ ! -e m.html ]
}

# The golden trace with layers records: 3 layers, of which the last one's stream grows 50 times at step 90.
with_layers() {
  awk '{ print }
    match($0, /"type":"step".*"step":[0-9]+,/) { s = $0; sub(/.*"step":/, "", s); s += 0
      if (s % 10 == 0) printf "{\"v\":1,\"type\":\"layers\",\"time\":\"2026-01-01T00:00:00Z\",\"segment\":0,\"step\":%d,\"residual\":[1,2,%s],\"fc2_output\":[1,1.5,2],\"attn_entropy_min\":[0.5,0.5,0.5]}\n", s, (s >= 90 && s <= 100 ? 200 : 4) }' \
    "$traces/incidents.jsonl"
}

@test "the layers of a run are a map, and a table at the incident" {
  with_layers > layers.jsonl
  "$BIN/gradstat" report layers.jsonl -o r.html --post-mortem pm.md
  grep -q 'title: "residual stream: norm"' r.html
  grep -q 'title: "second feed-forward matrix: output norm"' r.html
  grep -q 'id="heat"' r.html
  grep -q 'Most changed: layer 2, residual stream: norm: 4 -&gt; 200 (x 50)' r.html
  grep -q '<td class="strong">200 <small>×50</small></td>' r.html
  grep -qF 'Activation norms by layer at the spike: most changed: layer 2, residual stream: norm: 4 -> 200 (x 50) at step 90' pm.md
  grep -qF '| 2 | 200 (x 50) | 2 (x 1) |' pm.md
  "$BIN/gradstat" report "$traces/incidents.jsonl" -o without.html
  run ! grep -q '<div class="heat"' without.html
}

@test "the post-mortem counts what going back gave up" {
  "$BIN/gradstat" report "$traces/branches.jsonl" -o r.html --post-mortem pm.md
  grep -qF 'going back to step 100 gave up 29 steps, 119K tokens' pm.md
}

@test "the post-mortem has every field, unknown ones as not recorded" {
  "$BIN/gradstat" report "$traces/incidents.jsonl" -o r.html --post-mortem pm.md
  for field in '# Spike #1 - ' '## Symptoms' 'Pre-spike loss' 'Peak loss' 'Recovery loss (500 steps later)' \
    'Gradient norm peak (before clipping): 19' '## Evidence' 'Run: golden' 'Batch index range: samples' \
    'Token histogram of these batches: not recorded' 'Activation norms by layer at the spike: not recorded' \
    '## Classification' 'Type: 1 (recoverable)' 'Root cause: undetermined' '## Recovery action' '## Outcome' \
    'Loss back on its course: at step' 'Cost of the incident' '## Lessons and follow-ups' \
    'Sequences with the highest loss: [2071,2066]' '1 of the steps 130 to 130 were skipped'; do
    grep -qF "$field" pm.md || { echo "missing: $field"; false; }
  done
}

@test "names from the trace cannot break out of the page" {
  sed 's|"run":"golden"|"run":"</script><b>x"|; s|"reason":"loss is not finite"|"reason":"</script><i>"|' \
    "$traces/incidents.jsonl" > hostile.jsonl
  "$BIN/gradstat" report hostile.jsonl -o r.html
  [ "$(grep -c '<b>x' r.html)" -eq 0 ]
  [ "$(grep -c '</script><i>' r.html)" -eq 0 ]
}
