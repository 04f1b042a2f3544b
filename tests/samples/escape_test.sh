#!/usr/bin/env bash
# Tests of the sample escape: escape_test.sh PROGRAM CASE runs the function case_CASE, which fails with a message.
set -euo pipefail
program=$1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

case_the_three_ways_differ_as_the_sample_says() {
  local out
  out=$("$program" 1000) || fail "exit status $?"
  local section ways=()
  # The first line of each section: "N allocations, ...".
  while read -r section; do ways+=("${section%% *}"); done < <(grep ' allocations, ' <<<"$out")
  ((${#ways[@]} == 3)) || fail "not three sections: $out"
  # A vector that grows three times and three long strings for each of the 1000 lines; a copy of the vector and its
  # long strings; nothing. Beside it the runtime makes a few things once.
  ((ways[0] >= 5000)) || fail "returns: ${ways[0]} allocations"
  ((ways[1] >= 3000 && ways[1] < ways[0])) || fail "hands_over: ${ways[1]} allocations"
  ((ways[2] == 0)) || fail "callers_buffer: ${ways[2]} allocations"
  [[ $out == *"entry function"*"callers_buffer"* ]] || fail "no report: $out"
}

case_wrong_arguments_are_refused() {
  local argument status
  for argument in 0 -5 x 10x 99999999999; do
    status=0
    "$program" "$argument" 2>/dev/null || status=$?
    ((status == 2)) || fail "'$argument' gives exit status $status"
  done
}

"case_$2"
