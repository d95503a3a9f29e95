#!/usr/bin/env bats
# gradstat sweep: ZClip over a grid, against spikes and against norms in which nothing happens.

setup() {
  bats_require_minimum_version 1.5.0
  cd "$BATS_TEST_TMPDIR"
}

# log SPIKES: 900 normal norms around 1 and, every 150 steps, so many of 8.
log() {
  awk -v spikes="$1" 'function u() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
    function g() { return sqrt(-2 * log(u())) * cos(6.283185307 * u()) }
    BEGIN { seed = 4711
      for (i = 1; i <= 900; i++) {
        norm = exp(0.1 * g())
        if (i % 150 == 0 && i / 150 <= spikes) norm = 8
        printf "s:%d trl:3.0000 lr:0.000600 norm:%.4f\n", i, norm
      }
    }'
}

@test "spikes, clips and false alarms of every cell, and the cells to take" {
  log 5 > main.log
  run --separate-stderr "$BIN/gradstat" sweep --json --z 2:4:1 --alpha 0.9,0.99 main.log
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 7 ]
  jq -es '.[0].type == "sweep" and .[0].steps == 900 and .[0].spikes == 5 and .[0].block == 1
    and .[0].repeats == 5 and (.[0].recommended | length) >= 1
    and (.[1:] | map([.z, .alpha])) == [[2, 0.9], [2, 0.99], [3, 0.9], [3, 0.99], [4, 0.9], [4, 0.99]]
    and all(.[1:][]; .caught == 5 and .late == 0 and .missed == 0)
    and all(.[1:][]; .shuffled.low <= .shuffled.mean and .shuffled.mean <= .shuffled.high)
    and .[2].simulated.mean > 2 * .[4].simulated.mean
    and .[0].recommended[0].z == 4' <<< "$output"
  clip=$("$BIN/gradstat" clip --json --clip zclip:z=3,alpha=0.99 main.log | jq .clips)
  [ "$clip" -gt 5 ]
  [ "$clip" = "$(jq -s '.[4].clips' <<< "$output")" ]
}

@test "every option of the law and of the calm norms changes what it says" {
  log 5 > main.log
  cell() { "$BIN/gradstat" sweep --json --z 2.5 --alpha 0.97 "$@" main.log; }
  first=$(cell)
  [ "$first" = "$(cell --mode reciprocal --form raw --cap none --warmup 25 --trend 500 --block 0 --repeats 5 --seed 0)" ]
  [ "$first" = "$(cell --threads 1)" ]
  [ "$first" = "$(cell --threads 3)" ]
  for option in "--mode mean" "--mode max" "--form log" "--cap 1.1" "--warmup 200" "--trend 50" \
    "--block 20" "--repeats 3" "--seed 1" "--detector-sigmas 3"; do
    # shellcheck disable=SC2086
    other=$(cell $option)
    [ "$(jq -s 'map(del(.strategy, .repeats, .seed, .trend, .block))' <<< "$first")" != \
      "$(jq -s 'map(del(.strategy, .repeats, .seed, .trend, .block))' <<< "$other")" ]
  done
  [ "$(cell --cap 1.1 | jq -r 'select(.strategy).strategy')" = \
    "zclip:form=raw,mode=reciprocal,z=2.5,alpha=0.97,warmup=25,cap=1.1" ]
}

@test "the maps for a person, with brackets, and in colour" {
  log 5 > main.log
  run --separate-stderr "$BIN/gradstat" sweep --z 1.5,4 --alpha 0.9,0.97 main.log
  [ "$status" -eq 0 ]
  [[ "$output" == *"900 norms; by the detector (above 6 deviations) 5 spikes, 863 norms healthy"* ]]
  [[ "$output" == *"spikes caught, of 5 "* ]]
  [[ "$output" == *"false alarms, simulated norms, %"* ]]
  [[ "$output" == *"  4    5[   5]"* ]]
  [[ "$output" == *"With 5 spikes the differences between cells are hardly more than luck."* ]]
  [[ "$output" != *$'\e'* ]]
  run --separate-stderr env -u NO_COLOR "$BIN/gradstat" sweep --color always --z 1.5,4 --alpha 0.9,0.97 main.log
  [[ "$output" == *$'\e[48;5;'* ]]
}

@test "without a spike it says that nothing can be tuned" {
  log 0 > main.log
  run --separate-stderr "$BIN/gradstat" sweep --z 2,4 --alpha 0.97 main.log
  [ "$status" -eq 0 ]
  [[ "$output" == *"nothing can be tuned"* ]]
  [[ "$output" != *"spikes caught"* ]]
  run --separate-stderr "$BIN/gradstat" sweep --json --z 2,4 --alpha 0.97 main.log
  jq -es '.[0].recommended == [] and .[0].front == [] and .[1].simulated.mean > 0' <<< "$output"
}

@test "pictures" {
  log 5 > main.log
  "$BIN/gradstat" sweep --z 2,4 --alpha 0.9,0.97 -o grid.svg main.log
  [[ "$(cat grid.svg)" == *"<svg"*"spikes caught, of 5"*"learning rate given away, %"* ]]
  "$BIN/gradstat" sweep --z 2,4 --alpha 0.9,0.97 -o grid.png main.log
  [ "$(head -c 4 grid.png | tail -c 3)" = PNG ]
}

@test "too few norms, sampled logs, and lists that are none" {
  log 5 > main.log
  head -n 60 main.log > short.log
  run --separate-stderr "$BIN/gradstat" sweep short.log
  [ "$status" -eq 7 ]
  awk 'NR % 3 == 0' main.log > sampled.log
  run --separate-stderr "$BIN/gradstat" sweep sampled.log
  [ "$status" -eq 7 ]
  run --separate-stderr "$BIN/gradstat" sweep --assume-per-step sampled.log
  [ "$status" -eq 0 ]
  for wrong in "--z 2:1:0.5" "--z 1:2" "--z 1:2:0" "--z 1:2:3:4" "--z a" "--z 0:9:0.01" "--z -1" "--alpha 1" \
    "--cap 0" "--warmup 0"; do
    # shellcheck disable=SC2086
    run --separate-stderr "$BIN/gradstat" sweep $wrong main.log
    [ "$status" -eq 2 ]
  done
}
